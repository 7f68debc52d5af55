"""Labels drawn on the timeline of Label Studio, as its JSON and JSON-MIN exports hold them.

A timeline region counts frames of the video that was annotated, from 1 and with its last frame; an
export does not say how many of them make a second, so the task's data has to (``frame_rate``).
Regions on an audio track are in seconds already.

An export is data of others: nothing is taken to be there, or to be of a shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from activity_recognition.bags.labels import LabelScan, make_span, name_first, overlaps
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.text_files import read_json
from activity_recognition.types import LabelSpan

FRAME_RATE = 'frame_rate'
"""Key of the task's data with the frames per second of the annotated video: a number, or text such
as ``25``, ``29.97`` or ``30000/1001``."""
MAX_FRAME_RATE = 10_000
"""Frames per second that a video may have."""

_KINDS = ('timelinelabels', 'labels')
"""Types of results that are labels in time, and the keys of their names."""
_NUMBER = re.compile(r'[-+]?\d{1,18}(?:[.,]\d{1,18})?(?:[eE][-+]?\d{1,2})?')


def scan_label_studio(path: Path) -> LabelScan:
    """Read an export of one task as far as it can be read, and say what is wrong with it."""
    try:
        export = read_json(path, RecordingError, what='the labels')
    except RecordingError as error:
        return LabelScan(path=path, spans=(), lines=(), problems=(str(error),))
    tasks = export if isinstance(export, list) else [export]
    if len(tasks) != 1 or not isinstance(tasks[0], dict):
        got = f'{len(tasks)} tasks; export them one by one' if len(tasks) != 1 else quoted(tasks[0])
        return LabelScan.broken(
            path, f'expected a Label Studio export of one task, this recording, got {got}'
        )
    spans: list[LabelSpan] = []
    problems: list[str] = []
    frame_s = None
    try:
        frame_s = _frame_s(tasks[0])
        for place, value in _regions(tasks[0]):
            try:
                spans += _spans(value, frame_s)
            except RecordingError as error:
                problems.append(f'{path}: {place}: {error}')
    except RecordingError as error:
        problems.append(f'{path}: {error}')
    if not spans and not problems:
        problems.append(f'{path}: expected timeline labels, found {_instead(tasks[0])}')
    spans = _without_shared_frames(sorted(spans), frame_s)
    numbered = [(span, index + 1) for index, span in enumerate(spans)]
    return LabelScan(
        path=path,
        spans=tuple(spans),
        lines=tuple(number for _, number in numbered),
        problems=name_first([*problems, *overlaps(numbered, path)], path),
    )


def _instead(task: Mapping[str, Any]) -> str:
    """Say what a task without timeline labels has, and what to do."""
    done = [a for a in _list(task.get('annotations'), '') if not a.get('was_cancelled')]
    if not done and task.get('predictions'):
        return 'predictions only: submit them as an annotation in Label Studio, and export again'
    results = _list(done[-1].get('result'), '') if done else []
    types = sorted({str(r.get('type')) for r in results if isinstance(r, Mapping)})
    if types:
        return (
            f'results of the type {quoted(", ".join(types))}: draw the labels on the timeline '
            f'({" or ".join(_KINDS)})'
        )
    return 'none: draw and submit them in Label Studio, and export again'


def _frame_s(task: Mapping[str, Any]) -> float | None:
    """Return the length of a frame, seconds; None where the task does not say."""
    # JSON-MIN has the data's keys at the top.
    data = task.get('data', task)
    rate = data.get(FRAME_RATE) if isinstance(data, Mapping) else None
    if rate is None or rate == '':
        return None
    # NTSC's rates are fractions, which tools write as such.
    whole, _, parts = rate.partition('/') if isinstance(rate, str) else (rate, '', '')
    frames, seconds = _number(whole), _number(parts) if parts else 1.0
    if frames is None or not seconds or not 0 < frames / seconds <= MAX_FRAME_RATE:
        raise RecordingError(
            f'expected frames per second as {FRAME_RATE!r} of the task, a number above 0, text '
            f"such as '25', '29.97' or '30000/1001', got {quoted(rate)}"
        )
    return seconds / frames


def _number(value: Any) -> float | None:
    """Return a finite number, also one that came as text; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        return float(text.replace(',', '.')) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _regions(task: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the regions of the newest annotation that was not cancelled, and where they are."""
    annotations = _annotations(task.get('annotations'))
    if annotations:
        results = annotations[-1].get('result')
        for index, result in enumerate(_list(results, 'a list of results in the annotation')):
            if not isinstance(result, Mapping):
                yield f'result {index + 1}', result
            elif result.get('type') in _KINDS:
                yield f'result {index + 1}', result.get('value')
        return
    for key, regions in task.items():  # JSON-MIN: a list of regions under the control's name
        if isinstance(regions, list):
            for index, value in enumerate(regions):
                if isinstance(value, Mapping) and set(_KINDS) & value.keys():
                    yield f'{quoted(key)} {index + 1}', value


def _annotations(found: Any) -> list[Mapping[str, Any]]:
    """Return the annotations that were not cancelled; empty where there are none."""
    every = _list(found, 'a list of annotations')
    for annotation in every:
        if not isinstance(annotation, Mapping):
            raise RecordingError(
                'expected annotations with their results, got '
                f'{quoted(annotation)}; numbers are ids that stand for them: export the project '
                'as JSON, with its annotations'
            )
    return [annotation for annotation in every if not annotation.get('was_cancelled')]


def _list(found: Any, wanted: str) -> list[Any]:
    """Return a list; nothing at all is an empty one."""
    if found is None:
        return []
    if not isinstance(found, list):
        raise RecordingError(f'expected {wanted}, got {quoted(found)}')
    return found


def _spans(value: Any, frame_s: float | None) -> Iterator[LabelSpan]:
    if not isinstance(value, Mapping):
        raise RecordingError(f'expected an object with start, end and labels, got {quoted(value)}')
    names = value.get('timelinelabels', value.get('labels'))
    if not (
        isinstance(names, list)
        and len(names) == 1
        and isinstance(names[0], str)
        and names[0].strip()
    ):
        raise RecordingError(f'expected one label, got {quoted(names)}')
    if 'ranges' not in value:
        start_s, end_s = _ends(value)
        yield _span(start_s, end_s, names[0])
        return
    if frame_s is None:
        raise RecordingError(
            f'the region counts frames: expected {FRAME_RATE!r}, frames per second, in the '
            "task's data, found none"
        )
    for item in _list(value['ranges'], 'a list of ranges'):
        first, last = _ends(item)
        yield _span((first - 1) * frame_s, last * frame_s, names[0])


def _span(start_s: float, end_s: float, label: str) -> LabelSpan:
    if not 0 <= start_s < end_s:
        raise RecordingError(f'expected 0 <= start < end, got {start_s:g} s and {end_s:g} s')
    return make_span(start_s, end_s, label)


def _ends(value: Any) -> tuple[float, float]:
    if isinstance(value, Mapping):
        start, end = _number(value.get('start')), _number(value.get('end'))
        if start is not None and end is not None:
            return start, end
    raise RecordingError(f'expected start and end, got {quoted(value)}')


def _without_shared_frames(spans: list[LabelSpan], frame_s: float | None) -> list[LabelSpan]:
    """End a region at the next one where they share a frame, as when drawn side by side."""
    if frame_s is None or not spans:
        return spans
    ended = [
        LabelSpan(start_s=before.start_s, end_s=after.start_s, label=before.label)
        if before.start_s < after.start_s < before.end_s <= after.start_s + 1.001 * frame_s
        else before
        for before, after in pairwise(spans)
    ]
    return [*ended, spans[-1]]
