"""What waits, put in order and cut at the decisions and the time jumps.

Between two time jumps lies a segment. Nearly always there is one, with one decision at most, and
:func:`single_window` cuts it; :func:`drain` and :func:`cut` are for whatever waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

from activity_recognition.types import DecisionTime, Sample, Window

if TYPE_CHECKING:
    from collections import deque

    from activity_recognition.streams.input_queue import Entry, StampedRing

_arrival = attrgetter('arrival_ns')
_make_window = partial(tuple.__new__, Window)
"""Takes the fields as one tuple; ``Window(…)`` would cost more than admitting a sample."""


@dataclass(slots=True)
class Segment:
    """What waited of one stretch between two time jumps."""

    number: int
    """Time jumps before it."""
    samples: list[Sample]
    """In order of arrival."""
    decisions: list[DecisionTime]
    """In order of arrival."""


def single_window(waiting: Iterable[deque[Sample]], decision: DecisionTime | None) -> list[Window]:
    """Empty queues without a time jump in them and return the windows up to one decision.

    Args:
        waiting: samples per modality, each in order of arrival.
        decision: the only one that is due, if one is.
    """
    samples: tuple[Sample, ...] = ()
    for queue in waiting:
        if queue:
            samples = tuple(sorted((*samples, *queue), key=_arrival)) if samples else tuple(queue)
            queue.clear()
    if decision is None:
        return [_make_window((False, samples, None))] if samples else []
    if not samples or samples[-1].arrival_ns <= decision.arrival_ns:
        return [_make_window((False, samples, decision))]
    return list(cut(Segment(0, list(samples), [decision]), reset=False))


def drain(
    rings: Iterable[StampedRing], decisions: deque[tuple[int, DecisionTime]], current: int
) -> list[Segment]:
    """Empty rings and decisions, and return their segments in order.

    Args:
        rings: samples per modality.
        decisions: with the number of time jumps before each.
        current: time jumps so far; that segment comes last even when nothing in it waits.
    """
    segments: dict[int, Segment] = {}

    def segment(number: int) -> Segment:
        return segments.setdefault(number, Segment(number, [], []))

    for number, sample in merge(*(ring.drain(current) for ring in rings), key=_place):
        segment(number).samples.append(sample)
    while decisions:
        number, decision = decisions.popleft()
        segment(number).decisions.append(decision)
    segment(current)
    return [segments[number] for number in sorted(segments)]


def windows_of(segments: Sequence[Segment], taken: int) -> list[Window]:
    """Return the windows of segments; the first of each new one says ``reset``.

    Args:
        segments: in order.
        taken: number of the segment that the last window taken before belonged to.
    """
    before = [taken, *(segment.number for segment in segments)]
    return [
        window
        for segment, last in zip(segments, before, strict=False)
        for window in cut(segment, reset=segment.number != last)
    ]


def cut(segment: Segment, *, reset: bool) -> Iterator[Window]:
    """Yield one window per decision of a segment and one for what follows the last.

    Args:
        segment: what waited.
        reset: whether the first window follows a time jump.
    """
    samples = segment.samples
    start = 0
    for decision in segment.decisions:
        stop = start
        while stop < len(samples) and samples[stop].arrival_ns <= decision.arrival_ns:
            stop += 1
        yield Window(reset=reset, samples=tuple(samples[start:stop]), decision=decision)
        start, reset = stop, False
    if reset or start < len(samples):
        yield Window(reset=reset, samples=tuple(samples[start:]))


def _place(entry: Entry) -> tuple[int, int]:
    return entry[0], entry[1].arrival_ns
