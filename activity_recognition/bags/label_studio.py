"""Labels drawn on the timeline of Label Studio, as its JSON and JSON-MIN exports hold them.

A timeline region counts frames of the video that was annotated, from 1 and with its last frame; an
export does not say how many of them make a second, so the task's data has to (``frame_rate``).
Regions on a sound track are in seconds already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from activity_recognition.bags.labels import LabelScan, overlaps
from activity_recognition.errors import RecordingError
from activity_recognition.types import LabelSpan

FRAME_RATE = 'frame_rate'
"""Key of the task's data with the frames per second of the annotated video."""


def scan_label_studio(path: Path) -> LabelScan:
    """Read an export of one task as far as it can be read, and say what is wrong with it."""
    try:
        export = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        return LabelScan.broken(path, f'cannot read the labels: {error}')
    tasks = export if isinstance(export, list) else [export]
    if len(tasks) != 1 or not isinstance(tasks[0], dict):
        return LabelScan.broken(
            path,
            'expected a Label Studio export of one task, this recording, '
            f'got {len(tasks)} tasks; export them one by one',
        )
    spans: list[LabelSpan] = []
    problems: list[str] = []
    frame_s = _frame_s(tasks[0])
    for place, value in _regions(tasks[0]):
        try:
            spans += _spans(value, frame_s)
        except RecordingError as error:
            problems.append(f'{path}: {place}: {error}')
    if not spans and not problems:
        problems.append(f'{path}: expected timeline labels, found none')
    spans = _without_shared_frames(sorted(spans), frame_s)
    numbered = [(span, index + 1) for index, span in enumerate(spans)]
    return LabelScan(
        path=path,
        spans=tuple(spans),
        lines=tuple(number for _, number in numbered),
        problems=(*problems, *overlaps(numbered, path)),
    )


def _frame_s(task: Mapping[str, Any]) -> float | None:
    """Return the length of a frame, seconds; None where the task does not say."""
    # JSON-MIN has the data's keys at the top.
    data = task.get('data', task)
    rate = data.get(FRAME_RATE) if isinstance(data, Mapping) else None
    return 1.0 / float(rate) if isinstance(rate, (int, float)) and rate > 0 else None


def _regions(task: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the regions of the newest annotation that was not cancelled, and where they are."""
    annotations = [a for a in task.get('annotations', ()) if not a.get('was_cancelled')]
    if annotations:
        for index, result in enumerate(annotations[-1].get('result', ())):
            if result.get('type') in ('timelinelabels', 'labels'):
                yield f'result {index + 1}', result.get('value', {})
        return
    for key, regions in task.items():  # JSON-MIN: a list of regions under the control's name
        if isinstance(regions, list):
            for index, value in enumerate(regions):
                if isinstance(value, Mapping) and {'timelinelabels', 'labels'} & value.keys():
                    yield f'{key} {index + 1}', value


def _spans(value: Mapping[str, Any], frame_s: float | None) -> Iterator[LabelSpan]:
    names = value.get('timelinelabels', value.get('labels', []))
    if not (isinstance(names, list) and len(names) == 1 and str(names[0]).strip()):
        raise RecordingError(f'expected one label, got {names!r}')
    label = str(names[0]).strip()
    try:
        if 'ranges' not in value:
            yield _span(float(value['start']), float(value['end']), label)
            return
        if frame_s is None:
            raise RecordingError(
                f'the region counts frames: expected {FRAME_RATE!r}, frames per second, in the '
                "task's data, found none"
            )
        for item in value['ranges']:
            yield _span((item['start'] - 1) * frame_s, item['end'] * frame_s, label)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f'expected start and end, got {dict(value)!r}') from error


def _span(start_s: float, end_s: float, label: str) -> LabelSpan:
    if not 0 <= start_s < end_s < float('inf'):
        raise RecordingError(f'expected 0 <= start < end, got {start_s:g} s and {end_s:g} s')
    return LabelSpan(start_s=start_s, end_s=end_s, label=label)


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
