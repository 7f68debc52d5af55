"""The report's figures as SVG: confusion, reliability, latency, timelines.

Each can stand alone in a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from activity_recognition.reporting import charts, timeline
from activity_recognition.reporting.drawing import (
    box,
    element,
    figure,
    label_colours,
    words,
)
from activity_recognition.reporting.metrics import Answer, Distribution, Timed
from activity_recognition.reporting.scores import NO_DATA, UNKNOWN
from activity_recognition.reporting.stylesheet import CHART, VARIABLES
from activity_recognition.training.evaluation.measuring import Decided

NO_ANSWER = '(no answer)'
"""Column of the moments at which no label was named."""
TIMELINE_S = 300.0
"""Longest part of a recording that is drawn."""

_WIDTH = 900.0
_GUTTER, _HEAD, _RIGHT = 130.0, 104.0, 52.0
_ROW = 28.0
_SIDE, _GAP = 300.0, 70.0
_STRIP = 44.0


def confusion_figure(
    labels: Sequence[str], confusion: Sequence[Sequence[int]], *, alone: bool = False
) -> str:
    """Draw a confusion matrix (C, C + 1): shares of each row, in percent.

    Args:
        labels: C names.
        confusion: (C, C + 1).
        alone: bring the style along, for a file of its own.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    columns = len(labels) + 1
    cell = min(72.0, (_WIDTH - _GUTTER - _RIGHT) / columns)
    body = list(_confusion(list(labels), counts, cell))
    height = _HEAD + _ROW * len(labels) + 2
    return figure(_WIDTH, height, body, label='Confusion matrix', style=_style(alone))


def _confusion(labels: list[str], counts: Any, cell: float) -> Iterator[str]:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    yield words(0, _HEAD - 8, 'truth, % of row', class_='soft')
    for column, name in enumerate([*labels, NO_ANSWER]):
        x, y = _GUTTER + (column + 0.5) * cell + 4, _HEAD - 8
        yield words(x, y, name, class_='soft', transform=f'rotate(-50 {x:.1f} {y:.1f})')
    for row, label in enumerate(labels):
        top = _HEAD + row * _ROW
        middle = top + _ROW / 2 + 4
        yield words(_GUTTER - 8, middle, label, text_anchor='end')
        for column, share in enumerate(shares[row]):
            left = _GUTTER + column * cell
            decided = labels[column] if column < len(labels) else 'no answer'
            tip = f'{label}, decided {decided}: {counts[row, column]:.0f}, {share * 100:.1f} %'
            colour = 'var(--good)' if column == row else 'var(--bad)'
            yield box(left, top, cell, _ROW, class_='frame')
            if counts[row, column]:
                strength = 0.08 + 0.72 * float(share)
                yield box(
                    left + 1,
                    top + 1,
                    cell - 2,
                    _ROW - 2,
                    tip=tip,
                    fill=colour,
                    fill_opacity=strength,
                )
            if share >= 0.005:
                yield words(left + cell / 2, middle, f'{share * 100:.0f}', text_anchor='middle')


def reliability_figure(calibration: Mapping[str, Any], *, alone: bool = False) -> str:
    """Draw accuracy over confidence before and after temperature, and how many decisions each is.

    On the diagonal a probability means what it says.

    Args:
        calibration: section of the report.
        alone: bring the style along, for a file of its own.
    """
    body: list[str] = []
    titles = {
        'before': 'without temperature',
        'after': f'with temperature {calibration["temperature"]:.2f}',
    }
    for place, (kind, title) in enumerate(titles.items()):
        body += _reliability(calibration[kind], title, 40 + place * (_SIDE + _GAP))
    width = 40 + 2 * _SIDE + _GAP + 14
    height = 26 + _SIDE + _STRIP + 40
    return figure(width, height, body, label='Reliability diagram', style=_style(alone))


def _reliability(found: Mapping[str, Any], title: str, left: float) -> Iterator[str]:
    top, base = 26.0, 26.0 + _SIDE
    ece = '–' if found['ece'] is None else f'{found["ece"]:.3f}'
    yield words(left, top - 9, f'{title}: ECE {ece}')
    yield box(left, top, _SIDE, _SIDE, class_='frame')
    most = max((bin_['count'] for bin_ in found['reliability']), default=0) or 1
    for bin_ in found['reliability']:
        x = left + bin_['from'] * _SIDE
        width = (bin_['to'] - bin_['from']) * _SIDE
        yield box(
            x + 0.5,
            base + 8,
            width - 1,
            _STRIP * bin_['count'] / most,
            class_='present',
        )
        if not bin_['count']:
            continue
        height = bin_['accuracy'] * _SIDE
        tip = (
            f'confidence {bin_["confidence"]:.3f}, accuracy {bin_["accuracy"]:.3f}, '
            f'{bin_["count"]} decisions'
        )
        yield box(x + 0.5, base - height, width - 1, height, tip=tip, class_='bar')
        meant = base - bin_['confidence'] * _SIDE
        yield element('line', x1=x, x2=x + width, y1=meant, y2=meant, class_='wanted')
    yield element('line', x1=left, x2=left + _SIDE, y1=base, y2=top, class_='mark')
    for tick in (0.0, 0.5, 1.0):
        y, x = base - tick * _SIDE, left + tick * _SIDE
        yield words(left - 6, y + 4, f'{tick:g}', text_anchor='end', class_='soft')
        yield words(x, base + _STRIP + 24, f'{tick:g}', text_anchor='middle', class_='soft')
    middle = left + _SIDE / 2
    yield words(middle, base + _STRIP + 38, 'confidence', text_anchor='middle', class_='soft')


def latency_figure(metrics: Mapping[str, Any], *, alone: bool = False) -> str:
    """Draw the histogram of the time that a decision takes.

    Args:
        metrics: of the report.
        alone: bring the style along, for a file of its own.
    """
    values = latency_distribution(metrics)
    drawn = charts.histogram(values, label='Work per decision')
    if not alone:
        return drawn
    style = element('style', _style(alone))
    return drawn.replace('>', f'>{style}', 1)


def latency_distribution(metrics: Mapping[str, Any]) -> Distribution:
    """Return the measured latencies as the charts take them."""
    cost, latency = metrics['cost'], metrics['latency_ms']
    histogram = cost['histogram'] if cost else {'edges_ms': [], 'counts': []}
    p50, p95, p99, mean, largest = (
        None if latency[name] is None else latency[name] / 1e3
        for name in ('p50', 'p95', 'p99', 'mean', 'max')
    )
    return Distribution(
        count=cost['decisions'] if cost else 0,
        mean_s=mean,
        p50_s=p50,
        p95_s=p95,
        p99_s=p99,
        max_s=largest,
        edges_s=[edge / 1e3 for edge in histogram['edges_ms']],
        counts=histogram['counts'],
    )


def timeline_figure(recording: Decided, labels: Sequence[str], *, alone: bool = False) -> str:
    """Draw truth, published answers and confidence of a recording's beginning.

    Args:
        recording: with its decisions.
        labels: those that the checkpoint knows.
        alone: bring the style along, for a file of its own.
    """
    return timeline.timeline(timed(recording, labels), alone=alone, labels=labels)


def timeline_colours(recording: Decided, labels: Sequence[str]) -> dict[str, str]:
    """Return the colours of the labels that a recording's timeline shows.

    Args:
        recording: with its decisions.
        labels: those that the checkpoint knows.
    """
    shown = timed(recording, labels)
    names = {label for _, _, label in shown['truth']} | {a['answer'] for a in shown['answers']}
    colours = label_colours([*labels, *sorted(names.difference(labels))])
    return {label: colour for label, colour in colours.items() if label in names}


def timed(recording: Decided, labels: Sequence[str]) -> Timed:
    """Return the published answers of a recording's beginning beside its truth.

    Args:
        recording: with its decisions.
        labels: those that the checkpoint knows.
    """
    answers = [found for found in _answers(recording, labels) if found['t_s'] <= TIMELINE_S]
    truth = [
        (span.start_s, min(span.end_s, TIMELINE_S), span.label)
        for span in recording.spans
        if span.start_s < TIMELINE_S
    ]
    ends_s = [end_s for _, end_s, _ in truth] + [found['t_s'] for found in answers]
    return Timed(duration_s=max(ends_s, default=0.0), truth=truth, answers=answers, evidence={})


def _answers(recording: Decided, labels: Sequence[str]) -> Iterator[Answer]:
    for result in recording.results:
        since_s = (result.stamps_ns - recording.start_ns) / 1e9
        highest = result.smoothed.probabilities.max(axis=1, initial=0.0)
        for t_s, class_id, confidence, there in zip(
            since_s, result.smoothed.classes, highest, result.anything, strict=True
        ):
            nothing = UNKNOWN if there else NO_DATA
            named = labels[class_id] if class_id >= 0 else nothing
            yield Answer(t_s=float(t_s), answer=named, confidence=float(confidence))


def _style(alone: bool) -> str:
    return VARIABLES + CHART + WANTED if alone else ''


WANTED = 'svg .wanted { stroke: var(--against); stroke-width: 2; }'
"""The style of what these figures have beside those of other reports."""
