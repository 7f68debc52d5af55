"""Which clips make a data set: a table, or a folder for each label."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from activity_recognition.bags import is_recording
from activity_recognition.bags.labels import LATEST_S
from activity_recognition.bags.subtitles import SUFFIXES as SUBTITLES
from activity_recognition.bags.tables import NAMES as SENSORS
from activity_recognition.errors import QUOTE_LIMIT, RecordingError, printable, quoted
from activity_recognition.text_files import exists, label_fault, read_rows
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
VIDEO = '.3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv'
AUDIO = '.aac .aif .aiff .flac .m4a .mp3 .oga .ogg .opus .wav .wma'
MEDIA = frozenset(f'{VIDEO} {AUDIO} .npz'.split())
"""Suffixes of the files that count as clips where no table names them."""
SPLIT_FOLDERS = {**{name: name for name in SPLITS}, 'val': 'validation', 'valid': 'validation'}
"""Folders that may stand above those of the labels."""
SPEECH_RATE_HZ = 15.0
"""Characters that a person says in a second: how long words without an end take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipRow:
    """One recording that is to be made."""

    where: str
    """What to call the row in messages: table and line, or the file."""
    name: str
    """Of the recording, a path below the folder of all; ``/`` between folders."""
    clip: Path | None
    """Media file, or key points; None for words alone."""
    label: str = ''
    """Of the whole clip; empty where ``labels`` is given."""
    labels: Path | None = None
    words: str = ''
    subtitles: Path | None = None
    """In place of ``words``."""
    start_s: float = 0.0
    """When the words begin, seconds from the clip's start."""
    end_s: float = 0.0
    speech_delay_s: float | None = None
    """None leaves it to the command."""
    audio: Path | None = None
    tables: Mapping[str, Path] = field(default_factory=dict)
    """What other sensors measured, by modality."""
    split: str = ''
    group: str = ''
    is_named: bool = False
    """Whether the table names the recording."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipList:
    """All recordings that are to be made."""

    source: Path
    """The table or folder."""
    rows: tuple[ClipRow, ...]
    problems: tuple[str, ...]
    """What else was found and cannot be used: a sentence each, with file and line."""
    unused: tuple[str, ...] = ()
    """Columns that say nothing to us."""
    has_splits: bool = False
    """Whether it says anything about splits or groups, were it that there are none."""


def find_clips(source: Path) -> ClipList:
    """Read a table, that of a folder, or a folder that holds one for each label.

    Args:
        source: a ``.csv`` or ``.tsv`` file, or a folder with ``clips.csv`` (or ``.tsv``) or a
            single other table in it, or with folders named like labels.

    Raises:
        RecordingError: there is no table and no clip, or the table cannot be used at all.
    """
    if not source.is_dir():
        return read_clip_table(source)
    tables = [
        path
        for path in sorted(source.iterdir())
        if is_clip_table(path) and path.name != SPLITS_FILE and not path.name.startswith('.')
    ]
    named = [path for path in tables if path.stem == PurePath(TABLE).stem]
    if len(named) == 1:
        return read_clip_table(named[0])
    if len(tables) > 1:
        names = printable(', '.join(path.name for path in tables), QUOTE_LIMIT)
        raise RecordingError(
            f'{source}: expected one table, found {names}; name the table itself, or call it '
            f'{TABLE}'
        )
    return read_clip_table(tables[0]) if tables else _by_folders(source)


def is_clip_table(path: Path) -> bool:
    """Return whether a path is named like a table of clips."""
    return path.suffix.lower() in TABLES


# --- Tables -------------------------------------------------------------------------------------


def read_clip_table(path: Path) -> ClipList:
    """Read a table of clips; paths in it count from its folder.

    Args:
        path: CSV with ``,``, ``;`` or tabs between :data:`COLUMNS`, in any order.

    Raises:
        RecordingError: it cannot be read, its header is wrong, or groups are in two splits.
    """
    delimiters = TABLES.get(path.suffix.lower(), TABLES['.csv'])
    rows, ended = read_rows(path, RecordingError, what='the table of clips', delimiters=delimiters)
    rows = _without_empty_columns(rows)
    given = [name.strip() for name in rows[0][1]] if rows else []
    header = [ALIASES.get(name.lower(), name.lower()) for name in given]
    if fault := _header_fault(header, given):
        raise RecordingError(f'{path}:1: {fault}')
    found: list[ClipRow] = []
    problems: list[str] = []
    names = _Names()
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


class _Names:
    """Refuses two recordings at one place, and a clip that comes twice by mistake."""

    def __init__(self) -> None:
        self._rows: dict[str, ClipRow] = {}
        self._clips: dict[Path, ClipRow] = {}
        self._folders: dict[str, ClipRow] = {}
        """Those above recordings."""

    def take(self, row: ClipRow) -> None:
        """Note a row; raises RecordingError where another one has its clip or its name."""
        try:
            row.name.encode()
        except UnicodeEncodeError:
            raise RecordingError('the name of the file is not UTF-8; rename it') from None
        before = self._clips.get(row.clip.resolve()) if row.clip is not None else None
        if before is not None:
            _refuse_repeated(row, before)
        above = [path.as_posix() for path in PurePath(row.name).parents if path.name]
        taken = (self._rows.get(name) for name in (row.name, *above))
        other = next(filter(None, (*taken, self._folders.get(row.name))), None)
        if other is not None:
            raise RecordingError(
                f'the recording {quoted(row.name)} would lie where that of {other.where} lies, '
                f'{quoted(other.name)}; give one of them another name in the column recording'
            )
        self._rows[row.name] = row
        self._folders.update(dict.fromkeys(above, row))
        if row.clip is not None:
            self._clips[row.clip.resolve()] = row


def _refuse_repeated(row: ClipRow, before: ClipRow) -> None:
    """Refuse a clip that another row has, unless its recording is named and of the same split."""
    clip = quoted(row.clip.name if row.clip else '')
    if not row.is_named:
        raise RecordingError(
            f'{clip} stands in {before.where} already; where two recordings of it are wanted, name '
            'them in the column recording'
        )
    if row.split != before.split:
        raise RecordingError(
            f'{clip} is in the split {quoted(row.split)} here and in {quoted(before.split)} in '
            f'{before.where}: what is trained on would be tested'
        )


def _refuse_parted_groups(rows: Sequence[ClipRow]) -> None:
    """Refuse groups in two splits: what is learnt from one half would be tested on the other."""
    for row, before in parted_groups(rows, lambda row: (row.group, row.split)):
        raise RecordingError(
            f'{row.where}: group {quoted(row.group)} is in the split '
            f'{row.split or "(none)"!r} here and in {before.split or "(none)"!r} in '
            f'{before.where}; clips of one group must share a split'
        )


# --- Folders ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What is in the folders of the labels."""

    rows: list[ClipRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def _by_folders(source: Path) -> ClipList:
    """Find clips in folders named like their labels, or like splits with those below."""
    folders = [
        path
        for path in _visible(source)
        if path.is_dir() and not is_recording(path) and any(True for _ in _media(path))
    ]
    found, names = _Found(), _Names()
    splits = _are_splits(source, folders)
    for folder in folders:
        labelled = [path for path in _visible(folder) if path.is_dir()] if splits else [folder]
        for each in labelled:
            split = SPLIT_FOLDERS[folder.name.casefold()] if splits else ''
            _take_folder(each, source, split, names, found)
    beside = [p for p in _visible(source) if p.is_file() and p.suffix.lower() in MEDIA]
    found.problems += [f'{path}: lies in no folder that names its label' for path in beside]
    if not found.rows:
        reason = f'; the first problem: {found.problems[0]}' if found.problems else ''
        raise RecordingError(
            f'{source}: expected a table ({TABLE} with the columns clip and label), or clips in '
            f'folders named like their labels, found neither{reason}'
        )
    return ClipList(
        source=source, rows=tuple(found.rows), problems=tuple(found.problems), has_splits=splits
    )


def _are_splits(source: Path, folders: Sequence[Path]) -> bool:
    """Tell whether folders with clips are named like splits, and not like labels.

    Raises:
        RecordingError: some are, and others are not.
    """
    splits = [path.name for path in folders if path.name.casefold() in SPLIT_FOLDERS]
    others = [path.name for path in folders if path.name.casefold() not in SPLIT_FOLDERS]
    if splits and others:
        raise RecordingError(
            f'{source}: expected folders of splits, or of labels, found splits '
            f'({printable(", ".join(splits), QUOTE_LIMIT)}) beside others '
            f'({printable(", ".join(others), QUOTE_LIMIT)}); put each label below a split'
        )
    return bool(splits)


def _take_folder(folder: Path, source: Path, split: str, names: _Names, found: _Found) -> None:
    """Take the clips at and below the folder of one label."""
    for path in _media(folder):
        name = path.relative_to(source).with_suffix('').as_posix()
        beside = (path.with_suffix(suffix) for suffix in SUBTITLES)
        row = ClipRow(
            where=str(path),
            name=name,
            clip=path,
            label=folder.name,
            subtitles=next(filter(exists, beside), None),
            split=split,
        )
        try:
            if fault := label_fault(row.label):
                raise RecordingError(fault)
            names.take(row)
        except RecordingError as error:
            found.problems.append(f'{path}: {error}')
        else:
            found.rows.append(row)


def _media(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir() and not path.is_symlink() and not is_recording(path):
            yield from _media(path)
        elif path.is_file() and path.suffix.lower() in MEDIA:
            yield path


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith('.'))
