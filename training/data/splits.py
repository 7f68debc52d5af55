"""Which recordings are trained on, validated with and tested on: a table, or a seeded draw.

Whole recordings are split, never windows of one, and recordings of one group stay together.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TypeVar

import numpy as np

from activity_recognition.bags import is_recording
from activity_recognition.bags.labels import name_first
from activity_recognition.bags.storage import BARE_SUFFIXES, METADATA
from activity_recognition.errors import QUOTE_LIMIT, ConfigError, RecordingError, printable, quoted
from activity_recognition.recorded import SETTINGS, RecordedConfig, Setting, read_setting
from activity_recognition.scratch import replace_text
from activity_recognition.text_files import exists, read_rows

Row = TypeVar('Row')
Key = TypeVar('Key')

SPLITS_FILE = 'splits.csv'
"""Name of the table in the folder of the recordings."""
SPLITS = ('train', 'validation', 'test')
REQUIRED, OPTIONAL = ('recording', 'split'), ('group', *SETTINGS)
"""Columns; beside the group, those that say how the topics of a recording are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What a table says of one recording."""

    split: str
    """One of :data:`SPLITS`; empty leaves the recording to the draw."""
    group: str
    """Recordings of one group are never parted; empty: a group of its own."""
    line: int
    """Line of the table, counted from 1."""
    recorded: Mapping[str, Setting] = field(default_factory=dict)
    """Settings of :class:`RecordedConfig` that hold for this recording alone."""


def read_splits(folder: Path) -> dict[Path, Assignment]:
    """Read ``splits.csv`` of a folder: ``recording,split`` and, if wanted, more columns.

    Args:
        folder: the recordings' folder, from which the table's paths count.

    Returns:
        Assignments by the recording's path; empty when there is no table.

    Raises:
        RecordingError: naming file and line, for anything that cannot be taken as it stands.
    """
    table, problems = scan_splits(folder)
    if problems:
        raise RecordingError(problems[0])
    return table


def scan_splits(folder: Path) -> tuple[dict[Path, Assignment], list[str]]:
    """Read ``splits.csv`` as far as it can be read, and say everything that is wrong with it."""
    path = folder / SPLITS_FILE
    if not exists(path):
        return {}, []
    try:
        rows, ended = read_rows(path, RecordingError, what='the splits')
    except RecordingError as error:
        return {}, [str(error)]
    header = [name.strip() for name in rows[0][1]] if rows else []
    if not set(REQUIRED) <= set(header) <= {*REQUIRED, *OPTIONAL} or len(set(header)) < len(header):
        return {}, [f'{path}:1: {_wrong_header(header)}']
    table: dict[Path, Assignment] = {}
    problems: list[str] = []
    for line, cells in rows[1:]:
        if any(cell.strip() for cell in cells):
            try:
                _take_row(cells, header, path.parent, table, line)
            except RecordingError as error:
                problems.append(f'{path}:{line}: {error}')
    if ended:
        problems.append(ended)
    return table, list(name_first([*problems, *_parted_groups(table, path)], path))


def update_splits(folder: Path, rows: Mapping[str, tuple[str, str]]) -> None:
    """Put recordings into ``splits.csv`` of a folder; what it says of others stays.

    Args:
        folder: of the recordings.
        rows: split and group by the recording's name, its path below the folder.

    Raises:
        RecordingError: there is a table already, and it cannot be read.
        OutputError: it cannot be written.
    """
    path = folder / SPLITS_FILE
    header: list[str] = [*REQUIRED, 'group']
    table: dict[str, dict[str, str]] = {}
    if exists(path):
        _, problems = scan_splits(folder)
        if problems:
            raise RecordingError(problems[0])
        (_, first), *others = read_rows(path, RecordingError, what='the splits')[0]
        found = [name.strip() for name in first]
        header = found if 'group' in found else [*found, 'group']
        filled = (cells for _, cells in others if any(cell.strip() for cell in cells))
        said = [dict(zip(found, cells, strict=True)) for cells in filled]
        table = {PurePath(row['recording'].strip()).as_posix(): row for row in said}
    for name, (split, group) in rows.items():
        table[name] = {**table.get(name, {}), 'recording': name, 'split': split, 'group': group}
    _refuse_parted(table, path)
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, header, restval='', lineterminator='\n')
    writer.writeheader()
    writer.writerows(table.values())
    replace_text(path, text.getvalue(), 'the splits')


def _refuse_parted(table: Mapping[str, Mapping[str, str]], path: Path) -> None:
    """Refuse rows of one group in two splits.

    Args:
        table: rows by recording.
        path: of the table.
    """
    for row, before in parted_groups(
        table.values(), lambda row: (row.get('group', ''), row['split'])
    ):
        raise RecordingError(
            f'{path}: the group {quoted(row["group"].strip())} would be in the split '
            f'{row["split"].strip() or "(none)"} by {quoted(row["recording"].strip())} and in '
            f'{before["split"].strip() or "(none)"} by {quoted(before["recording"].strip())}; take '
            'the line of what is no longer wanted out of it, and its recording away'
        )


def _wrong_header(header: Sequence[str]) -> str:
    """Say what is wrong with the names of the columns."""
    allowed = (*REQUIRED, *OPTIONAL)
    problems = [f'{name!r} is missing' for name in REQUIRED if name not in header]
    for name, count in Counter(header).items():
        near = difflib.get_close_matches(name.lower(), allowed, n=1)
        if name not in allowed:
            hint = f', did you mean {near[0]!r}?' if near else ''
            problems.append(f'{quoted(name)} is none of them{hint}')
        elif count > 1:
            problems.append(f'{name!r} comes {count} times')
    got = printable(', '.join(header) or 'nothing', QUOTE_LIMIT)
    return (
        f'expected the columns recording, split and perhaps {", ".join(OPTIONAL)}, got {got}: '
        + '; '.join(problems[:3])
    )


def _take_row(
    cells: Sequence[str],
    header: Sequence[str],
    folder: Path,
    table: dict[Path, Assignment],
    line: int,
) -> None:
    """Put one row into the table; raises RecordingError with what is wrong with it."""
    if len(cells) != len(header):
        raise RecordingError(f'expected {len(header)} columns, got {len(cells)}')
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    recording = folder / row['recording']
    if not exists(recording):
        raise RecordingError(f'there is no recording {quoted(row["recording"])}')
    if not is_recording(recording):
        raise RecordingError(
            f'{quoted(row["recording"])} is no recording: expected a folder with {METADATA}, or a '
            f'file that ends in {", ".join(BARE_SUFFIXES)}; where {METADATA} was lost, '
            '`ros2 bag reindex` makes it again'
        )
    if row['split'] not in ('', *SPLITS):
        raise RecordingError(
            f'expected a split of {", ".join(SPLITS)}, or none, got {quoted(row["split"])}'
        )
    if recording in table:
        before = table[recording].line
        raise RecordingError(f'{quoted(row["recording"])} stands in line {before} already')
    table[recording] = Assignment(
        split=row['split'], group=row.get('group', ''), line=line, recorded=_settings(row)
    )


def _settings(row: Mapping[str, str]) -> dict[str, Setting]:
    """Return what a row says of how its recording is read; an empty cell says nothing."""
    try:
        return {name: read_setting(name, row[name]) for name in SETTINGS if row.get(name)}
    except ConfigError as error:
        raise RecordingError(str(error)) from None


def settings_of(
    recordings: Iterable[Key], table: Mapping[Key, Assignment], general: RecordedConfig
) -> dict[Key, RecordedConfig]:
    """Return how each recording is read: as the table says, and in general where it does not.

    Args:
        recordings: keys of the table.
        table: of :func:`read_splits`.
        general: what holds where the table does not say.
    """
    return {
        key: general.with_overrides(table[key].recorded) if key in table else general
        for key in recordings
    }


def parted_groups(
    rows: Iterable[Row], of: Callable[[Row], tuple[str, str]]
) -> Iterator[tuple[Row, Row]]:
    """Yield rows in another split than the first one of their group, with that one.

    Args:
        rows: in the order in which the first of a group counts.
        of: returns group and split of a row, which may be empty.
    """
    first: dict[str, tuple[Row, str]] = {}
    for row in rows:
        group, split = (value.strip() for value in of(row))
        if not group:
            continue
        before, before_split = first.setdefault(group, (row, split))
        if before_split != split:
            yield row, before


def _parted_groups(table: Mapping[Path, Assignment], path: Path) -> Iterator[str]:
    """Name groups in two splits: what is learnt from one half would be tested on the other."""
    for assignment, before in parted_groups(table.values(), lambda row: (row.group, row.split)):
        yield (
            f'{path}:{assignment.line}: group {quoted(assignment.group)} is in the split '
            f'{assignment.split or "(none)"!r} here and in {before.split or "(none)"!r} in '
            f'line {before.line}; recordings of one group must share a split'
        )


def draw_validation(
    durations_s: Mapping[str, Mapping[str, float]], fraction: float, seed: int
) -> set[str]:
    """Draw the groups to validate with, so that every label is shared out as asked.

    Iterative stratification (Sechidis et al. 2011): the rarest label is assigned first, each of its
    groups to the side that still lacks most of it.

    Args:
        durations_s: per group the seconds of each label in it.
        fraction: share of every label to validate with, in (0, 1).
        seed: of the order among equals.

    Returns:
        At least one group, never all.

    Raises:
        RecordingError: there are not two groups.
    """
    if len(durations_s) < 2:
        raise RecordingError(
            f'expected at least two different recordings to split, got {len(durations_s)}; '
            'record more, or set validation_fraction to 0'
        )
    names = sorted(durations_s)
    order = [names[i] for i in np.random.default_rng([seed, 0]).permutation(len(names))]
    wanted = (fraction, 1.0 - fraction)
    total = _sum(durations_s.values())
    lacking = [{label: share * length for label, length in total.items()} for share in wanted]
    room = [share * sum(total.values()) for share in wanted]
    sides: tuple[set[str], set[str]] = (set(), set())
    while order:
        rarest = _rarest(order, durations_s)
        for name in [n for n in order if rarest is None or durations_s[n].get(rarest, 0) > 0]:
            side = _neediest(rarest, lacking, room)
            sides[side].add(name)
            for label, length in durations_s[name].items():
                lacking[side][label] -= length
                room[side] -= length
            order.remove(name)
    return _neither_empty(*sides, durations_s)


def _rarest(order: Iterable[str], durations_s: Mapping[str, Mapping[str, float]]) -> str | None:
    """Return the label with the fewest groups left; None when those left have no labels."""
    counts = Counter(label for n in order for label, length in durations_s[n].items() if length > 0)
    return min(counts, key=lambda label: (counts[label], label)) if counts else None


def _neediest(label: str | None, lacking: list[dict[str, float]], room: list[float]) -> int:
    """Return the side that lacks most of a label, and among equals the one with more room."""
    of_label = [0.0 if label is None else side[label] for side in lacking]
    return max((0, 1), key=lambda side: (of_label[side], room[side]))


def _neither_empty(
    validation: set[str], training: set[str], durations_s: Mapping[str, Mapping[str, float]]
) -> set[str]:
    """Move the shortest group where one side would have none."""

    def shortest(side: set[str]) -> str:
        return min(side, key=lambda name: (sum(durations_s[name].values()), name))

    if not validation:
        return {shortest(training)}
    if not training:
        return validation - {shortest(validation)}
    return validation


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for part in parts:
        for label, length in part.items():
            total[label] += length
    return dict(total)
