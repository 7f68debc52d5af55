"""The timeline of a run: truth where it is known, decisions, confidence, and the modalities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from activity_recognition.reporting.drawing import (
    box,
    element,
    figure,
    label_colours,
    number,
    words,
)
from activity_recognition.reporting.metrics import Answer, EvidencePoint, Timed
from activity_recognition.reporting.scores import Truth
from activity_recognition.reporting.stylesheet import CHART, VARIABLES
from activity_recognition.types import LabelSpan

WIDTH = 1100.0
_GUTTER, _RIGHT = 92.0, 22.0
_LETTER = 6.4
"""Mean width of a letter of 11 px, to know which names fit into their span."""
STRIP_S = 150.0
"""Longest time in one strip; longer runs continue below."""


@dataclass(frozen=True)
class AnswerRun:
    """A run of equal answers."""

    start_s: float
    end_s: float
    label: str


def answer_runs(answers: Sequence[Answer]) -> list[AnswerRun]:
    """Join neighbouring equal answers; one lasts until the next, but not across a hole.

    A hole is a distance above three usual ones.
    """
    if not answers:
        return []
    times = [answer['t_s'] for answer in answers]
    steps = [b - a for a, b in pairwise(times) if b > a]
    usual = median(steps) if steps else 0.1
    joined: list[AnswerRun] = []
    for place, answer in enumerate(answers):
        start = answer['t_s']
        following = times[place + 1] if place + 1 < len(times) else start + usual
        end = following if 0 <= following - start <= 3 * usual else start + usual
        last = joined[-1] if joined else None
        if last and last.label == answer['answer'] and abs(last.end_s - start) < 1e-6:
            joined[-1] = AnswerRun(last.start_s, end, last.label)
        else:
            joined.append(AnswerRun(start, end, answer['answer']))
    return joined


def timeline(metrics: Timed, *, alone: bool = False, labels: Sequence[str] = ()) -> str:
    """Draw the timeline as SVG.

    Args:
        metrics: what happened when.
        alone: bring the style along, for a file of its own.
        labels: those that take their colours first, so that several timelines share them.
    """
    duration_s = max(metrics['duration_s'], 1.0)
    strips = -(-round(duration_s, 3) // STRIP_S)
    length = duration_s / strips
    body: list[str] = []
    top = 4.0
    for index in range(int(strips)):
        strip = _Strip(metrics, index * length, (index + 1) * length, top, labels)
        body.extend(strip.draw())
        top = strip.bottom + 18
    return figure(
        WIDTH,
        top - 12,
        body,
        label='Timeline of truth and decisions' if metrics['truth'] else 'Timeline of decisions',
        style=VARIABLES + CHART if alone else '',
    )


class _Strip:
    """One row of the timeline, from ``start_s`` to ``end_s``."""

    def __init__(
        self, metrics: Timed, start_s: float, end_s: float, top: float, labels: Sequence[str]
    ) -> None:
        self.metrics, self.start_s, self.end_s = metrics, start_s, end_s
        self.bottom = top
        names = [*labels, *(label for _, _, label in metrics['truth'])]
        names += [answer['answer'] for answer in metrics['answers']]
        self.colours = label_colours(dict.fromkeys(names))

    def draw(self) -> Iterator[str]:
        """Yield the strip's elements; ``bottom`` grows with them."""
        truth = [AnswerRun(*span) for span in self.metrics['truth']]
        answers = answer_runs(self.metrics['answers'])
        if truth:
            yield from self._labels('truth', truth)
        yield from self._labels('decision', answers)
        if truth:
            yield from self._errors()
        yield from self._confidence()
        for modality, points in self.metrics['evidence'].items():
            yield from self._evidence(modality, points)
        yield from self._axis()

    def _x(self, t_s: float) -> float:
        inside = min(max(t_s, self.start_s), self.end_s)
        share = (inside - self.start_s) / (self.end_s - self.start_s)
        return _GUTTER + share * (WIDTH - _GUTTER - _RIGHT)

    def _row(self, name: str, height: float, gap: float = 5.0) -> tuple[float, str]:
        """Reserve a row; return its top and its caption."""
        top = self.bottom
        self.bottom = top + height + gap
        kind = 'soft' if height < 20 else 'row'
        caption = words(_GUTTER - 10, top + height / 2 + 4, name, text_anchor='end', class_=kind)
        return top, caption

    def _labels(self, name: str, items: Sequence[AnswerRun]) -> Iterator[str]:
        top, caption = self._row(name, 28)
        yield caption
        for item in items:
            if item.end_s <= self.start_s or item.start_s >= self.end_s:
                continue
            left, right = self._x(item.start_s), self._x(item.end_s)
            tip = f'{item.label}: {item.start_s:.1f} to {item.end_s:.1f} s'
            yield box(left, top, right - left, 28, tip=tip, fill=self.colours[item.label])
            if right - left > _LETTER * len(item.label) + 6:
                centre = (left + right) / 2
                yield words(centre, top + 18, item.label, text_anchor='middle', class_='on')

    def _errors(self) -> Iterator[str]:
        top, caption = self._row('wrong', 7)
        yield caption
        yield box(_GUTTER, top, WIDTH - _GUTTER - _RIGHT, 7, class_='frame')
        truth = Truth(LabelSpan(start_s=a, end_s=b, label=c) for a, b, c in self.metrics['truth'])
        marked: list[Answer] = [
            {**answer, 'answer': 'wrong' if label != answer['answer'] else 'right'}
            for answer in self.metrics['answers']
            if (label := truth.at(answer['t_s'])) is not None
        ]
        for item in answer_runs(marked):
            inside = item.end_s > self.start_s and item.start_s < self.end_s
            if item.label == 'wrong' and inside:
                left, right = self._x(item.start_s), self._x(item.end_s)
                yield box(left, top, right - left, 7, class_='wrong')

    def _confidence(self) -> Iterator[str]:
        top, caption = self._row('confidence', 40)
        yield caption
        yield box(_GUTTER, top, WIDTH - _GUTTER - _RIGHT, 40, class_='frame')
        inside = [a for a in self.metrics['answers'] if self.start_s <= a['t_s'] < self.end_s]
        if inside:
            curve = ' '.join(
                f'{number(self._x(a["t_s"]))},{number(top + 40 * (1 - a["confidence"]))}'
                for a in inside
            )
            first, last = self._x(inside[0]['t_s']), self._x(inside[-1]['t_s'])
            base = number(top + 40)
            points = f'{number(first)},{base} {curve} {number(last)},{base}'
            yield element('polygon', points=points, class_='area')

    def _evidence(self, modality: str, points: Sequence[EvidencePoint]) -> Iterator[str]:
        top, caption = self._row(modality, 15, gap=3)
        yield caption
        yield box(_GUTTER, top, WIDTH - _GUTTER - _RIGHT, 15, class_='frame')
        presence: list[Answer] = [
            Answer(t_s=p['t_s'], answer='present' if p['present'] else 'absent', confidence=0.0)
            for p in points
        ]
        for item in answer_runs(presence):
            if item.label == 'present' and item.end_s > self.start_s and item.start_s < self.end_s:
                left, right = self._x(item.start_s), self._x(item.end_s)
                yield box(left, top, right - left, 15, class_='present')
        yield from self._weights(points, top)

    def _weights(self, points: Sequence[EvidencePoint], top: float) -> Iterator[str]:
        """Bars for measured weights: upwards from the middle in favour, downwards against."""
        measured = [p for p in points if p['weight'] is not None and p['present']]
        steps = [b['t_s'] - a['t_s'] for a, b in pairwise(measured)]
        step = median(steps) if steps else 0.5
        for point in measured:
            if not self.start_s <= point['t_s'] < self.end_s:
                continue
            weight = point['weight'] or 0.0
            left, right = self._x(point['t_s']), self._x(point['t_s'] + step)
            yield box(
                left,
                top,
                right - left,
                15,
                class_='for' if weight >= 0 else 'against',
                fill_opacity=min(abs(weight), 1.0),
            )

    def _axis(self) -> Iterator[str]:
        length = self.end_s - self.start_s
        step = next((s for s in (1, 2, 5, 10, 20, 30, 60) if length / s <= 16), 120)
        top = self.bottom
        tick = -(-self.start_s // step) * step
        while tick <= self.end_s + 1e-9:
            x = self._x(tick)
            yield element('line', x1=x, x2=x, y1=top, y2=top + 4, class_='grid')
            yield words(x, top + 16, f'{tick:g} s', text_anchor='middle', class_='soft')
            tick += step
        self.bottom = top + 18
