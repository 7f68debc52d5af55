"""Label files and the places where recordings keep them.

A rosbag2 recording is a folder and holds ``labels.csv``; a single-file recording ``x.bag`` has
``x.labels.csv`` beside it.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.bags.storage import BARE_SUFFIXES, METADATA
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.text_files import exists, label_fault, read_rows
from activity_recognition.types import LabelSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = ('start_s', 'end_s', 'label')
"""Header of a label file; times are seconds from the recording's start."""
SUBJECT = 'subject'
"""A fourth column, of whom a span is true, where several people are told apart."""
MAX_SUBJECT = 64
"""Longest name of a subject."""
LATEST_S = 1e8
"""Largest time in a label file, seconds: three years. Nanoseconds of it fit 64 bits."""
_NAMED = 50
"""Problems of one file that are said one by one."""


def labels_path(recording: str | Path) -> Path:
    """Return where the labels of a recording are or would be."""
    recording = Path(recording)
    if recording.suffix in BARE_SUFFIXES and not recording.is_dir():
        return recording.with_suffix('.labels.csv')
    return recording / 'labels.csv'


def export_path(recording: str | Path) -> Path:
    """Return where the export of a labelling tool is or would be."""
    return labels_path(recording).with_suffix('.json')


def find_recordings(folder: str | Path) -> list[Path]:
    """Return the recordings at and below ``folder``, sorted; hidden names are left out.

    Raises:
        RecordingError: when the folder does not exist.
    """
    folder = Path(folder)
    if not exists(folder):
        raise RecordingError(f'{folder}: no such folder')
    return sorted(_recordings(folder, frozenset()))


def is_recording(path: Path) -> bool:
    """Tell whether a path looks like a recording; what is in it may still be damaged."""
    return (path / METADATA).is_file() or (path.is_file() and path.suffix in BARE_SUFFIXES)


def _recordings(path: Path, above: frozenset[Path]) -> Iterator[Path]:
    if is_recording(path):
        yield path
    elif path.is_dir() and (real := path.resolve()) not in above:  # no link back to a folder above
        for entry in path.iterdir():
            if not entry.name.startswith('.'):
                yield from _recordings(entry, above | {real})


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelScan:
    """All that is in a label file, or on a label topic, and all that is wrong with it."""

    path: Path
    """The file, or the recording with the topic."""
    spans: tuple[LabelSpan, ...]
    """The spans that can be read, by start."""
    lines: tuple[int, ...]
    """Line, or place, of each span, counted from 1."""
    problems: tuple[str, ...]
    """A sentence for each, beginning with the file and, where there is one, the line."""

    @classmethod
    def broken(cls, path: Path, problem: str) -> LabelScan:
        """Return what is found where nothing can be read.

        Args:
            path: the file.
            problem: what is wrong with it, a sentence.
        """
        return cls(path=path, spans=(), lines=(), problems=(f'{path}: {problem}',))


def name_first(problems: Iterable[str], path: Path) -> tuple[str, ...]:
    """Return the first problems of a file, and how many more there are.

    Args:
        problems: sentences.
        path: the file that has them.
    """
    every = list(problems)
    more = len(every) - _NAMED
    return (*every[:_NAMED], f'{path}: {more} more problems') if more > 0 else tuple(every)


def read_labels(path: str | Path, *, subject: str = '') -> tuple[LabelSpan, ...]:
    """Read the labels of one person: CSV with the header ``start_s,end_s,label`` in any order.

    A fourth column ``subject`` says whose label it is. Spans without one are of the whole scene.

    Args:
        path: the file.
        subject: whose labels are read; empty takes those of a file that has one subject or none.

    Returns:
        The spans by start; they do not overlap.

    Raises:
        RecordingError: naming file and line, for anything else, and for a file with labels of
            several subjects where none is named.
    """
    tracks = read_label_tracks(path)
    if subject:
        if subject not in tracks:
            raise RecordingError(
                f'{path}: no labels of the subject {quoted(subject)}; there are those of '
                f'{_listed(tracks)}'
            )
        return tracks[subject]
    if len(tracks) > 1:
        raise RecordingError(_several(Path(path), tracks))
    return next(iter(tracks.values()), ())


def read_label_tracks(path: str | Path) -> dict[str, tuple[LabelSpan, ...]]:
    """Read a label file with any number of subjects; those of different ones may overlap.

    Returns:
        By subject, in the order of their names, the spans by start; the key is empty for spans
        without a subject.

    Raises:
        RecordingError: naming file and line, for anything else.
    """
    found = _scan(Path(path))
    if found.problems:
        raise RecordingError(found.problems[0])
    tracks: dict[str, list[LabelSpan]] = {name: [] for name in sorted(_subjects(found.spans))}
    for span in found.spans:
        tracks[span.subject].append(span)
    return {name: tuple(spans) for name, spans in tracks.items()}


def scan_labels(path: str | Path) -> LabelScan:
    """Read a label file as far as it can be read, and say everything that is wrong with it.

    What is wanted is one track of labels: that there are several subjects is wrong, too.
    """
    path = Path(path)
    found = _scan(path)
    subjects = _subjects(found.spans)
    if len(subjects) < 2:
        return found
    problems = (*found.problems, _several(path, subjects))
    return LabelScan(path=path, spans=(), lines=(), problems=problems)


def _several(path: Path, subjects: Iterable[str]) -> str:
    """Say that a file has labels of several subjects where those of one are wanted."""
    return (
        f'{path}: expected the labels of one person, got those of {_listed(subjects)}; name one '
        '(read_labels(path, subject=...)), or leave the lines of one in the file'
    )


def _subjects(spans: Iterable[LabelSpan]) -> set[str]:
    return {span.subject for span in spans}


def _listed(subjects: Iterable[str]) -> str:
    names = [name or 'the whole scene' for name in sorted(subjects)]
    more = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (f' and {more} more' if more > 0 else '')


def _scan(path: Path) -> LabelScan:
    """Read a label file with any number of subjects as far as it can be read."""
    try:
        rows, ended = read_rows(path, RecordingError, what='the labels')
    except RecordingError as error:
        return LabelScan(path=path, spans=(), lines=(), problems=(str(error),))
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if header not in (list(COLUMNS), [*COLUMNS, SUBJECT]):
        wanted, got = ','.join(COLUMNS), quoted(','.join(header))
        problem = f'{path}:1: expected the header {wanted!r}, got {got}'
        return LabelScan(path=path, spans=(), lines=(), problems=(problem,))
    numbered: list[tuple[LabelSpan, int]] = []
    problems: list[str] = []
    for line, row in rows[1:]:
        if any(cell.strip() for cell in row):
            try:
                numbered.append((_span(row, len(header)), line))
            except RecordingError as error:
                problems.append(f'{path}:{line}: {error}')
    if ended:
        problems.append(ended)
    numbered.sort(key=lambda item: item[0])
    return LabelScan(
        path=path,
        spans=tuple(span for span, _ in numbered),
        lines=tuple(line for _, line in numbered),
        problems=name_first([*problems, *overlaps(numbered, path)], path),
    )


def _span(row: list[str], num_columns: int) -> LabelSpan:
    if len(row) != num_columns:
        raise RecordingError(f'expected {num_columns} columns, got {len(row)}')
    try:
        start_s, end_s = float(row[0]), float(row[1])
    except ValueError:
        raise RecordingError(
            f'expected seconds in start_s and end_s, got {quoted(row[0])} and {quoted(row[1])}'
        ) from None
    span = make_span(start_s, end_s, row[2])
    return span if num_columns == len(COLUMNS) else replace(span, subject=_subject(row[3]))


def _subject(text: str) -> str:
    """Return the name of a subject; empty for the whole scene.

    Raises:
        RecordingError: it cannot be one.
    """
    name = text.strip()
    if len(name) > MAX_SUBJECT or not name.isprintable():
        raise RecordingError(
            f'expected a subject of at most {MAX_SUBJECT} characters without control characters, '
            f'got {quoted(name)}'
        )
    return name


def make_span(start_s: float, end_s: float, label: str) -> LabelSpan:
    """Return a labelled span whose times and label can be used.

    Args:
        start_s: seconds from the recording's start.
        end_s: the same.
        label: spaces around it do not count.

    Raises:
        RecordingError: the times are not in order or out of range, or the label is none.
    """
    if not 0 <= start_s < end_s < math.inf:
        raise RecordingError(f'expected 0 <= start_s < end_s, got {start_s} and {end_s}')
    if end_s > LATEST_S:
        raise RecordingError(f'expected times up to {LATEST_S:g} s, got {end_s:g}')
    label = label.strip()
    if fault := label_fault(label):
        raise RecordingError(fault)
    return LabelSpan(start_s=start_s, end_s=end_s, label=label)


def overlaps(numbered: list[tuple[LabelSpan, int]], path: Path) -> Iterator[str]:
    """Say of spans in order which of them begin before one before of that subject has ended.

    Args:
        numbered: spans in order of their start, each with its line.
        path: the file that holds them.
    """
    newest: dict[str, LabelSpan] = {}
    for after, line in numbered:
        latest = newest.get(after.subject)
        if latest is not None and after.start_s < latest.end_s:
            yield (
                f'{path}:{line}: {quoted(after.label)} from {after.start_s} s overlaps '
                f'{quoted(latest.label)}, '
                f'which ends at {latest.end_s} s'
            )
        if latest is None or after.end_s > latest.end_s:
            newest[after.subject] = after


def write_labels(path: str | Path, spans: Iterable[LabelSpan]) -> None:
    """Write a label file that :func:`read_labels` gives back, times to the microsecond.

    Where any span has a subject, there is a column for it.

    Args:
        path: the file to write.
        spans: in any order.

    Raises:
        RecordingError: when spans of a subject overlap or are empty, or the file cannot be written.
    """
    path = Path(path)
    numbered = sorted((span, number) for number, span in enumerate(spans, 2))
    columns = (*COLUMNS, SUBJECT) if any(span.subject for span, _ in numbered) else COLUMNS
    for problem in overlaps(numbered, path):
        raise RecordingError(problem)
    partial = path.with_name(f'.{path.name}.partial')
    try:
        with partial.open('w', encoding='utf-8', newline='') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(columns)
            for span, _ in numbered:
                row = [f'{span.start_s:.6f}', f'{span.end_s:.6f}', span.label, span.subject]
                row = row[: len(columns)]
                _demand_readable(row, path)
                writer.writerow(row)
        partial.replace(path)
    except OSError as error:
        raise RecordingError(f'{path}: cannot write the labels: {error}') from error
    finally:
        partial.unlink(missing_ok=True)


def _demand_readable(row: list[str], path: Path) -> None:
    try:
        _span(row, len(row))
    except RecordingError as error:
        raise RecordingError(f'{path}: {error}') from None
