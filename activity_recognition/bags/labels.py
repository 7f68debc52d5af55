"""Label files and the places where recordings keep them.

A rosbag2 recording is a folder and holds ``labels.csv``; a single-file recording ``x.bag`` has
``x.labels.csv`` beside it.
"""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.bags.storage import BARE_SUFFIXES, METADATA
from activity_recognition.errors import RecordingError
from activity_recognition.types import LabelSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = ('start_s', 'end_s', 'label')
"""Header of a label file; times are seconds from the recording's start."""


def labels_path(recording: str | Path) -> Path:
    """Return where the labels of a recording are or would be."""
    recording = Path(recording)
    if recording.suffix in BARE_SUFFIXES and not recording.is_dir():
        return recording.with_suffix('.labels.csv')
    return recording / 'labels.csv'


def find_recordings(folder: str | Path) -> list[Path]:
    """Return the recordings at and below ``folder``, sorted; hidden names are left out.

    Raises:
        RecordingError: when the folder does not exist.
    """
    folder = Path(folder)
    if not folder.exists():
        raise RecordingError(f'{folder}: no such folder')
    return sorted(_recordings(folder))


def _recordings(path: Path) -> Iterator[Path]:
    if path.is_file():
        if path.suffix in BARE_SUFFIXES:
            yield path
    elif (path / METADATA).is_file():
        yield path
    else:
        for entry in path.iterdir():
            if not entry.name.startswith('.'):
                yield from _recordings(entry)


def read_labels(path: str | Path) -> tuple[LabelSpan, ...]:
    """Read a label file: CSV with the header ``start_s,end_s,label``, in any order of time.

    Returns:
        The spans by start; they do not overlap.

    Raises:
        RecordingError: naming file and line, for anything else.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f'{path}: cannot read the labels: {error}') from error
    rows = csv.reader(lines, strict=True)
    try:
        header = [cell.strip() for cell in next(rows, [])]
        if header != list(COLUMNS):
            raise RecordingError(
                f'{path}:1: expected the header {",".join(COLUMNS)!r}, got {",".join(header)!r}'
            )
        numbered = [
            (_span(row, f'{path}:{rows.line_num}'), rows.line_num)
            for row in rows
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise RecordingError(f'{path}:{rows.line_num}: not CSV: {error}') from error
    return _ordered(numbered, path)


def _span(row: list[str], place: str) -> LabelSpan:
    if len(row) != len(COLUMNS):
        raise RecordingError(f'{place}: expected {len(COLUMNS)} columns, got {len(row)}')
    try:
        start_s, end_s = float(row[0]), float(row[1])
    except ValueError:
        raise RecordingError(
            f'{place}: expected seconds in start_s and end_s, got {row[0]!r} and {row[1]!r}'
        ) from None
    label = row[2].strip()
    if not (math.isfinite(start_s) and math.isfinite(end_s) and 0 <= start_s < end_s):
        raise RecordingError(f'{place}: expected 0 <= start_s < end_s, got {start_s} and {end_s}')
    if not label:
        raise RecordingError(f"{place}: the label is empty; nothing happening is 'none'")
    return LabelSpan(start_s=start_s, end_s=end_s, label=label)


def _ordered(numbered: list[tuple[LabelSpan, int]], path: Path) -> tuple[LabelSpan, ...]:
    numbered.sort(key=lambda item: item[0])
    for (before, _), (after, line) in pairwise(numbered):
        if after.start_s < before.end_s:
            raise RecordingError(
                f'{path}:{line}: {after.label!r} from {after.start_s} s overlaps {before.label!r}, '
                f'which ends at {before.end_s} s'
            )
    return tuple(span for span, _ in numbered)


def write_labels(path: str | Path, spans: Iterable[LabelSpan]) -> None:
    """Write a label file that :func:`read_labels` gives back, times to the microsecond.

    Raises:
        RecordingError: when spans overlap or are empty, or the file cannot be written.
    """
    path = Path(path)
    ordered = _ordered([(span, number) for number, span in enumerate(spans, 2)], path)
    partial = path.with_name(f'.{path.name}.partial')
    try:
        with partial.open('w', encoding='utf-8', newline='') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(COLUMNS)
            for span in ordered:
                row = [f'{span.start_s:.6f}', f'{span.end_s:.6f}', span.label]
                _span(row, str(path))
                writer.writerow(row)
        partial.replace(path)
    except OSError as error:
        raise RecordingError(f'{path}: cannot write the labels: {error}') from error
    finally:
        partial.unlink(missing_ok=True)
