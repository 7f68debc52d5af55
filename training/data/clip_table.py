"""A table of clips: a recording per line."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from activity_recognition.bags.labels import LATEST_S
from activity_recognition.bags.subtitles import SUFFIXES as SUBTITLES
from activity_recognition.bags.tables import NAMES as SENSORS
from activity_recognition.errors import QUOTE_LIMIT, RecordingError, printable, quoted
from activity_recognition.text_files import exists, label_fault, read_rows
from activity_recognition.training.data.clip_list import ClipList, ClipRow, RecordingNames
from activity_recognition.training.data.splits import SPLITS, SPLITS_FILE, parted_groups

TABLE = 'clips.csv'
"""Name of the table that a folder of clips has; with tabs also that with the other suffix."""
TABLES = {'.csv': ',;\t', '.tsv': '\t,;'}
"""Suffixes of tables, with what may part their columns: what does most often, else the first."""
REQUIRED = ('clip', 'label')
FILES = ('labels', 'audio', *SENSORS)
"""Columns that name a file, as the options of the same name do for a single clip."""
COLUMNS = (
    *(*REQUIRED, 'recording', 'transcript', 'start_s', 'end_s', 'speech_delay_s'),
    *(*FILES, 'split', 'group'),
)
ALIASES = {'start': 'start_s', 'end': 'end_s', 'speech_delay': 'speech_delay_s', 'source': 'group'}
"""Other names of columns."""
SPEECH_RATE_HZ = 15.0
"""Characters that a person says in a second: how long words without an end take."""


def is_clip_table(path: Path) -> bool:
    """Return whether a path is named like a table of clips."""
    return path.suffix.lower() in TABLES


def read_clip_table(path: Path) -> ClipList:
    """Read a table of clips; paths in it count from its folder.

    Args:
        path: CSV with ``,``, ``;`` or tabs between :data:`COLUMNS`, in any order.

    Raises:
        RecordingError: it cannot be read, its header is wrong, or groups are in two splits.
    """
    rows, ended = _read(path)
    given, header = _header(rows)
    if fault := _header_fault(header, given):
        raise RecordingError(f'{path}:1: {fault}')
    found: list[ClipRow] = []
    problems: list[str] = []
    names = RecordingNames()
    for line, cells in rows[1:]:
        if any(cell.strip() for cell in cells):
            try:
                row = _row(cells, header, path, line)
                names.take(row)
                found.append(row)
            except RecordingError as error:
                problems.append(f'{path}:{line}: {error}')
    if ended:
        problems.append(ended)
    _refuse_parted_groups(found)
    return ClipList(
        source=path,
        rows=tuple(found),
        problems=tuple(problems),
        unused=tuple(n for n, known in zip(given, header, strict=True) if known not in COLUMNS),
        has_splits=bool({'split', 'group'} & set(header)),
    )


def speaks_of_clips(path: Path) -> bool:
    """Return whether a table, also one with mistakes, is meant to be one of clips."""
    try:
        _, header = _header(_read(path)[0])
    except RecordingError:
        return True  # reading it as such says what is wrong
    return any(name in header for name in REQUIRED)


def _read(path: Path) -> tuple[list[tuple[int, list[str]]], str | None]:
    """Return the rows of a table with their lines, and what ended it early, if anything."""
    delimiters = TABLES.get(path.suffix.lower(), TABLES['.csv'])
    rows, ended = read_rows(path, RecordingError, what='the table of clips', delimiters=delimiters)
    return _without_empty_columns(rows), ended


def _header(rows: Sequence[tuple[int, list[str]]]) -> tuple[list[str], list[str]]:
    """Return the names of the columns as they were given, and what we call them."""
    given = [name.strip() for name in rows[0][1]] if rows else []
    return given, [ALIASES.get(name.lower(), name.lower()) for name in given]


def _without_empty_columns(rows: Sequence[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Leave out columns at the end without a name and without a cell, as spreadsheets add them."""
    header = rows[0][1] if rows else []
    named = max((place for place, name in enumerate(header, 1) if name.strip()), default=0)
    if any(cell.strip() for _, cells in rows for cell in cells[named:]):
        return list(rows)
    return [(line, cells[:named]) for line, cells in rows]


def _header_fault(header: Sequence[str], given: Sequence[str]) -> str:
    """Say what is wrong with the names of the columns; empty where nothing is.

    A column that looks like a misspelt one is refused; others are nobody's business.
    """
    faults = [f'the column {name!r} is missing' for name in REQUIRED if name not in header]
    for name, count in Counter(header).items():
        near = difflib.get_close_matches(name[:QUOTE_LIMIT], (*COLUMNS, *ALIASES), n=1, cutoff=0.8)
        if name not in COLUMNS and near:
            faults.append(f'unknown column {quoted(name)}, did you mean {near[0]!r}?')
        elif count > 1:
            faults.append(f'the column {quoted(name)} comes {count} times')
    got = printable(', '.join(given) or 'nothing', QUOTE_LIMIT)
    if not faults:
        return ''
    return (
        f'{"; ".join(faults[:3])}; expected clip and label, and if wanted '
        f'{", ".join(COLUMNS[2:])}; got {got}'
    )


def _row(cells: Sequence[str], header: Sequence[str], table: Path, line: int) -> ClipRow:
    """Return what a line says; raises RecordingError with what is wrong with it."""
    if len(cells) != len(header):
        raise RecordingError(f'expected {len(header)} columns, got {len(cells)}')
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    files = {name: _file(row, name, table.parent) for name in ('clip', *FILES)}
    label = row['label']
    if bool(label) == (files['labels'] is not None):
        raise RecordingError(
            'expected a label, or a file of labels in the column labels, got '
            f"{'both' if label else 'neither'}; nothing happening is 'none'"
        )
    if label and (fault := label_fault(label)):
        raise RecordingError(fault)
    if row.get('split', '') not in ('', *SPLITS):
        raise RecordingError(
            f'expected a split of {", ".join(SPLITS)}, or none, got {quoted(row["split"])}'
        )
    text = ' '.join(row.get('transcript', '').split())
    if not text and files['clip'] is None:
        raise RecordingError('expected a clip or a transcript, got neither')
    is_file = PurePath(text).suffix.lower() in SUBTITLES
    start_s, end_s = _times(row, text, is_file=is_file)
    return ClipRow(
        where=f'{table}:{line}',
        name=_name(row),
        clip=files['clip'],
        label=label,
        labels=files['labels'],
        words='' if is_file else text,
        subtitles=_file(row, 'transcript', table.parent) if is_file else None,
        start_s=start_s,
        end_s=end_s,
        audio=files['audio'],
        tables={name: path for name in SENSORS if (path := files[name]) is not None},
        speech_delay_s=_seconds(row, 'speech_delay_s'),
        split=row.get('split', ''),
        group=row.get('group', ''),
        is_named=bool(row.get('recording')),
    )


def _file(row: Mapping[str, str], column: str, folder: Path) -> Path | None:
    """Return the file that a cell names; None for an empty cell."""
    if not row.get(column):
        return None
    path = folder / row[column]
    if not exists(path):
        raise RecordingError(
            f'{column}: there is no file {quoted(row[column])}; paths count from {folder}'
        )
    if path.is_dir():
        raise RecordingError(f'{column}: expected a file, {quoted(row[column])} is a folder')
    return path


def _times(row: Mapping[str, str], text: str, *, is_file: bool) -> tuple[float, float]:
    """Return when a transcript begins and ends; zeros where it has times of its own, or is none."""
    start_s, end_s = _seconds(row, 'start_s'), _seconds(row, 'end_s')
    if is_file or not text:
        if start_s is not None or end_s is not None:
            reason = 'has times of its own' if is_file else 'is empty'
            raise RecordingError(f'start_s and end_s are of the transcript, which {reason}')
        return 0.0, 0.0
    start_s = start_s or 0.0
    end_s = start_s + len(text) / SPEECH_RATE_HZ if end_s is None else end_s
    if end_s <= start_s:
        raise RecordingError(f'expected start_s < end_s, got {start_s:g} and {end_s:g}')
    return start_s, end_s


def _seconds(row: Mapping[str, str], column: str) -> float | None:
    """Return a time from 0 on, with a point or a comma; None for an empty cell."""
    text = row.get(column, '')
    if not text:
        return None
    try:
        value = float(text.replace(',', '.'))
    except ValueError:
        value = math.nan
    if not 0 <= value <= LATEST_S:
        raise RecordingError(
            f'{column}: expected seconds from 0 to {LATEST_S:g}, got {quoted(text)}'
        )
    return value


def _name(row: Mapping[str, str]) -> str:
    """Return what a row's recording is called: as it says, else like its clip, or by its words."""
    if name := row.get('recording', ''):
        path = PurePath(name)
        if (
            path.is_absolute()
            or not path.parts
            or any(part.startswith('.') for part in path.parts)
            or path.name == SPLITS_FILE
        ):
            raise RecordingError(
                f'recording: expected a name below the folder of all, not hidden, got '
                f'{quoted(name)}'
            )
        return path.as_posix()
    if not row['clip']:
        # Not of its label and others: where they are mended, it is the same recording.
        said = json.dumps([row.get(name, '') for name in ('transcript', 'start_s', 'end_s')])
        return f'words_{hashlib.blake2b(said.encode(), digest_size=5).hexdigest()}'
    clip = PurePath(row['clip'])
    outside = clip.is_absolute() or '..' in clip.parts
    path = PurePath(clip.stem) if outside else clip.with_suffix('')
    parts = [part.lstrip('.') or '_' for part in path.parts]
    return '/'.join(parts)


def _refuse_parted_groups(rows: Sequence[ClipRow]) -> None:
    """Refuse groups in two splits: what is learnt from one half would be tested on the other."""
    for row, before in parted_groups(rows, lambda row: (row.group, row.split)):
        raise RecordingError(
            f'{row.where}: group {quoted(row.group)} is in the split '
            f'{row.split or "(none)"!r} here and in {before.split or "(none)"!r} in '
            f'{before.where}; clips of one group must share a split'
        )
