"""What waits for the engine: a bounded queue per modality, put in order and cut into windows.

Between two time jumps lies a segment. Nearly always there is one, with one decision at most, and
:func:`single_window` cuts it; :func:`drain` and :func:`cut` are for whatever waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from activity_recognition.modalities import SPECS, QueueUnit
from activity_recognition.streams.admission import DropReason, InputCounters
from activity_recognition.types import DecisionTime, Sample, Window, to_ns

if TYPE_CHECKING:
    from activity_recognition.config import SyncConfig
    from activity_recognition.modalities import ModalitySpec


Entry: TypeAlias = tuple[int, Sample]
"""The number of time jumps before a waiting sample, and the sample."""


_TIMED = tuple(spec.sample_type for spec in SPECS if spec.queue.unit is QueueUnit.SECONDS)


def cost_of(sample: Sample) -> int:
    """Return how much of a ring a sample fills: its nanoseconds where they count, else one."""
    return sample.end_ns - sample.stamp_ns if isinstance(sample, _TIMED) else 1


class StampedRing:
    """Samples of one modality in the order of their arrival; appending and taking are O(1)."""

    __slots__ = ('_capacity', '_cost', '_past', 'appended', 'waiting')

    def __init__(self, capacity: int) -> None:
        """Hold samples of at most ``capacity`` in total, and always the newest one."""
        self._capacity = capacity
        self.appended = 0
        """Samples that ever were."""
        self._cost = 0
        """Of everything that waits, once there are two."""
        self._past: deque[Entry] = deque()
        self.waiting: deque[Sample] = deque()
        """What came since the last time jump, oldest first; who takes all of it clears it."""

    def append(self, sample: Sample) -> int:
        """Add a sample and return how many of the oldest were dropped for it."""
        self.appended += 1
        waiting = self.waiting
        if waiting or self._past:
            waiting.append(sample)
            return self._make_room(sample)
        # There is room for one whatever it costs: where all is taken at once, nobody adds up.
        waiting.append(sample)
        return 0

    def close(self, segment: int) -> None:
        """See a time jump: what waits came after ``segment`` jumps, what follows after one more."""
        self._past.extend((segment, sample) for sample in self.waiting)
        self.waiting.clear()

    def drain(self, segment: int) -> list[Entry]:
        """Remove and return everything, oldest first.

        Args:
            segment: jumps before what waits.
        """
        entries = [*self._past, *((segment, sample) for sample in self.waiting)]
        self._past.clear()
        self.waiting.clear()
        return entries

    def _make_room(self, newest: Sample) -> int:
        if len(self) == 2:
            self._cost = cost_of(self._past[0][1] if self._past else self.waiting[0])
        self._cost += cost_of(newest)
        dropped = 0
        while self._cost > self._capacity and len(self) > 1:
            gone = self._past.popleft()[1] if self._past else self.waiting.popleft()
            self._cost -= cost_of(gone)
            dropped += 1
        return dropped

    def __len__(self) -> int:
        return len(self._past) + len(self.waiting)


class InputQueue(StampedRing):
    """The samples of one modality that wait for the engine, and what became of the others.

    Only what does not follow from the rest is counted: this is done for every message.
    """

    __slots__ = ('_dropped', '_jumps', 'triggers_decisions')

    def __init__(self, spec: ModalitySpec, config: SyncConfig) -> None:
        """Let as many samples wait as the settings say.

        Args:
            spec: of the modality.
            config: has its queue's length.
        """
        length = getattr(config, spec.queue.setting)
        super().__init__(to_ns(length) if spec.queue.unit is QueueUnit.SECONDS else length)
        self.triggers_decisions = spec.triggers_decisions
        """Whether a decision may be due when a sample comes."""
        self._jumps = 0
        self._dropped = dict.fromkeys(DropReason, 0)

    def refuse(self, reason: DropReason) -> None:
        """Count a message that was received and dropped, or a sample that waited in vain."""
        self._dropped[reason] += 1

    def note_jump(self) -> None:
        """Count a time jump that a sample of this modality showed."""
        self._jumps += 1

    def counters(self) -> InputCounters:
        """Return what became of every sample so far."""
        gone = self._dropped[DropReason.OVERLOAD] + self._dropped[DropReason.RESET]
        return InputCounters(
            received=self.appended + sum(self._dropped.values()) - gone,
            admitted=self.appended,
            taken=self.appended - len(self) - gone,
            resets=self._jumps,
            dropped=dict(self._dropped),
        )

    def _make_room(self, newest: Sample) -> int:
        dropped = super()._make_room(newest)
        self._dropped[DropReason.OVERLOAD] += dropped
        return dropped


_arrival = attrgetter('arrival_ns')
_make_window = partial(tuple.__new__, Window)
"""Takes the fields as one tuple; ``Window(…)`` would cost more than admitting a sample."""


@dataclass(slots=True)
class Segment:
    """What waited between two time jumps."""

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
