"""The window synchroniser: what arrived, in one total order, cut at the decisions.

It never waits for a modality: a silent topic leaves its place empty and holds nobody up, which an
approximate-time synchroniser cannot do. Arrivals of admitted samples increase strictly (equal ones
are moved by a nanosecond), and so do those of the timer's decisions among them. A frame's decision
shares the arrival of its frame. So a decision sees exactly the samples before it, which are those
with an arrival not later than its own.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from heapq import merge
from operator import attrgetter

from activity_recognition.config import SyncConfig
from activity_recognition.streams.admission import (
    VIDEO,
    Admission,
    DropReason,
    InputCounters,
)
from activity_recognition.streams.lanes import Lane
from activity_recognition.streams.rings import Entry
from activity_recognition.streams.schedule import DecisionSchedule
from activity_recognition.types import (
    NANOSECONDS,
    DecisionTime,
    Modality,
    Sample,
    Utterance,
    Window,
    to_ns,
)

LONGEST_SILENCE_NS = 600 * NANOSECONDS
"""A recording silent for longer than this gets no more timer decisions until its next sample: no
input of any model reaches back so far, and a damaged record time must not yield years of them."""

WAITING_DECISIONS = 1024
"""Decisions that may wait to be taken; beyond it the oldest are skipped and counted."""


@dataclasses.dataclass(slots=True)
class _Segment:
    """What was drained of one stretch between two resets."""

    number: int
    samples: list[Sample]
    decisions: list[DecisionTime]


_arrival = attrgetter('arrival_ns')
_make_window = partial(tuple.__new__, Window)
"""Takes the fields as one tuple; ``Window(…)`` would cost more than admitting a sample."""


def _place(entry: Entry) -> tuple[int, int]:
    return entry[0], entry[1].arrival_ns


class WindowSynchronizer:
    """Admits samples, keeps one ring per modality, and says when a decision is due.

    Thread-safe; ``push`` and ``poll`` are O(1) and never call out.
    """

    def __init__(self, config: SyncConfig) -> None:
        self._lock = threading.Lock()
        self._admission = Admission(config)
        self._schedule = DecisionSchedule(config)
        self._lanes = {
            Modality.VIDEO: Lane(config.queue_frames),
            Modality.AUDIO: Lane(to_ns(config.queue_audio_s)),
            Modality.TEXT: Lane(config.queue_utterances),
        }
        self._rings = tuple(lane.ring for lane in self._lanes.values())
        self._waiting = tuple(ring.waiting for ring in self._rings)
        self._decisions: deque[tuple[int, DecisionTime]] = deque()
        self._segment = 0
        self._taken_segment = 0
        self._resets = 0
        self._decisions_skipped = 0

    def update(self, config: SyncConfig) -> None:
        """Take over the settings that may change while samples come (the rates)."""
        with self._lock:
            self._admission.update(config)
            self._schedule.update(config)

    def push(self, sample: Sample) -> bool:
        """Take one received sample: admit it, drop and count it, or see a time jump in it.

        Returns:
            Whether it was admitted.
        """
        modality = sample.modality
        lane = self._lanes[modality]
        self._lock.acquire()  # A ``with`` costs twice as much, for every message.
        try:
            lane.received += 1
            if not self._admission.admit_next(sample):
                settled = self._settle(lane, sample)
                if settled is None:
                    return False
                sample = settled
            waiting = lane.ring.waiting
            # Where nothing waits there is room.
            if waiting or self._segment != self._taken_segment:
                dropped = lane.ring.append(sample)
                if dropped:
                    lane.dropped[DropReason.OVERLOAD] += dropped
            else:
                waiting.append(sample)
            schedule, arrival_ns = self._schedule, sample.arrival_ns
            if modality is VIDEO:
                if schedule.on_frame(sample.stamp_ns, arrival_ns):
                    self._decide(sample.stamp_ns, arrival_ns)
            elif schedule.due_ns is None:
                schedule.begin(arrival_ns)
            return True
        finally:
            self._lock.release()

    @property
    def thins_frames(self) -> bool:
        """Whether ``max_frame_rate_hz`` is set, so that asking about a frame can save something."""
        return self._admission.thins_frames

    def wants_frame(self, stamp_ns: int) -> bool:
        """Return whether a frame is within ``max_frame_rate_hz``; ask before decoding it.

        A frame that is not wanted is thereby received and dropped; do not push it.
        """
        with self._lock:
            if not self._admission.over_rate(stamp_ns):
                return True
            self._lanes[Modality.VIDEO].refuse(DropReason.RATE)
            return False

    def refuse(self, modality: Modality, reason: DropReason = DropReason.UNREADABLE) -> None:
        """Count a message of this modality that gave no sample, and why."""
        with self._lock:
            self._lanes[modality].refuse(reason)

    def poll(self, now_ns: int) -> None:
        """Decide now if frames have stayed away; call it several times per period.

        Args:
            now_ns: time on the clock of the arrivals. Set back by ``reset_after_s`` it is a jump.
        """
        with self._lock:
            if self._admission.clock_jumped(now_ns):
                self._reset()
            if self._schedule.on_timer(now_ns):
                self._decide(now_ns, self._admission.arrive(now_ns))

    def reset(self) -> None:
        """Begin a new time line: the next window says ``reset``."""
        with self._lock:
            self._reset()

    @property
    def due_ns(self) -> int | None:
        """When the timer decides unless a frame comes first; None before the first sample."""
        with self._lock:
            return self._schedule.due_ns

    @property
    def counters(self) -> dict[Modality, InputCounters]:
        """What became of the samples so far, per modality; a copy."""
        with self._lock:
            return {modality: lane.counters() for modality, lane in self._lanes.items()}

    @property
    def resets(self) -> int:
        """Time jumps so far, from samples, the clock and :meth:`reset`."""
        with self._lock:
            return self._resets

    @property
    def decisions_skipped(self) -> int:
        """Decisions that were due and given up for a newer one."""
        with self._lock:
            return self._decisions_skipped

    def take(self, *, newest_only: bool) -> list[Window]:
        """Remove and return everything that waits, in the order it is to be applied.

        Args:
            newest_only: live: of the decisions that wait only the newest is kept and the others
                are counted as skipped, and nothing from before a time jump is returned. The first
                window ends with that decision; a second one holds what arrived after it.
        """
        self._lock.acquire()
        try:
            if self._segment == self._taken_segment and len(self._decisions) < 2:
                return self._take_one()
            segments = self._drain()
            if newest_only:
                segments = self._newest(segments)
            taken, self._taken_segment = self._taken_segment, self._segment
        finally:
            self._lock.release()
        result: list[Window] = []
        for segment in segments:
            result.extend(_cut(segment, reset=segment.number != taken))
            taken = segment.number
        return result

    def _take_one(self) -> list[Window]:
        """Return what waits where no time jump and no second decision is in it, as is usual."""
        samples: tuple[Sample, ...] = ()
        for waiting in self._waiting:
            if waiting:
                if samples:
                    samples = tuple(sorted((*samples, *waiting), key=_arrival))
                else:
                    samples = tuple(waiting)
                waiting.clear()
        if not self._decisions:
            return [_make_window((False, samples, None))] if samples else []
        _, decision = self._decisions.popleft()
        if not samples or samples[-1].arrival_ns <= decision.arrival_ns:
            return [_make_window((False, samples, decision))]
        return list(_cut(_Segment(self._segment, list(samples), [decision]), reset=False))

    def _reset(self) -> None:
        for ring in self._rings:
            ring.close(self._segment)
        self._segment += 1
        self._resets += 1
        self._admission.reset()
        self._schedule.reset()

    def _settle(self, lane: Lane, sample: Sample) -> Sample | None:
        """Ask the whole rule; return the sample as it is admitted, or None where it is not."""
        if self._admission.is_jump(sample):
            lane.resets += 1
            self._reset()
        text = sample.text if isinstance(sample, Utterance) else ''
        reason = self._admission.refusal(sample.modality, sample.stamp_ns, text)
        if reason is not None:
            lane.dropped[reason] += 1
            return None
        arrival_ns = self._admission.admit(sample)
        if arrival_ns == sample.arrival_ns:
            return sample
        return dataclasses.replace(sample, arrival_ns=arrival_ns)

    def _decide(self, t_ns: int, arrival_ns: int) -> None:
        self._decisions.append((self._segment, DecisionTime(t_ns, arrival_ns)))
        if len(self._decisions) > WAITING_DECISIONS:
            self._decisions.popleft()
            self._decisions_skipped += 1

    def _drain(self) -> list[_Segment]:
        """Empty the rings; the current segment comes last even when nothing in it waits."""
        segments: dict[int, _Segment] = {}

        def segment(number: int) -> _Segment:
            return segments.setdefault(number, _Segment(number, [], []))

        rings = (ring.drain(self._segment) for ring in self._rings)
        for number, sample in merge(*rings, key=_place):
            segment(number).samples.append(sample)
        while self._decisions:
            number, decision = self._decisions.popleft()
            segment(number).decisions.append(decision)
        segment(self._segment)
        return [segments[number] for number in sorted(segments)]

    def _newest(self, segments: list[_Segment]) -> list[_Segment]:
        """Keep the current segment and its newest decision; count what is given up."""
        *past, current = segments
        for segment in past:
            self._decisions_skipped += len(segment.decisions)
            for sample in segment.samples:
                self._lanes[sample.modality].dropped[DropReason.RESET] += 1
        self._decisions_skipped += max(len(current.decisions) - 1, 0)
        return [_Segment(current.number, current.samples, current.decisions[-1:])]


def _cut(segment: _Segment, *, reset: bool) -> Iterator[Window]:
    """Yield one window per decision of a segment and one for what follows the last."""
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


def windows(samples: Iterable[Sample], config: SyncConfig) -> Iterator[Window]:
    """Yield the windows of a recording: those a node with no overload would have had.

    Every window but the last, and but one before a time jump, ends with a decision. Decisions of
    the timer fall exactly on their due time; a silence gets them for ten minutes.

    Args:
        samples: in order of arrival, the order in which they were recorded.
        config: the same that the node uses.
    """
    synchronizer = WindowSynchronizer(config)
    pending: list[Sample] = []
    reset = False
    for sample in samples:
        for window in _arrivals(synchronizer, sample):
            if window.reset and (pending or reset):
                yield Window(reset=reset, samples=tuple(pending))
                pending.clear()
            reset = reset or window.reset
            pending.extend(window.samples)
            if window.decision is not None:
                yield Window(reset=reset, samples=tuple(pending), decision=window.decision)
                pending.clear()
                reset = False
    if pending or reset:
        yield Window(reset=reset, samples=tuple(pending))


def _arrivals(synchronizer: WindowSynchronizer, sample: Sample) -> Iterator[Window]:
    """Let the timer run up to a sample's arrival, then push it; yield what both give."""
    due_ns = synchronizer.due_ns
    silence_ends_ns = None if due_ns is None else due_ns + LONGEST_SILENCE_NS
    while due_ns is not None and silence_ends_ns is not None and due_ns < sample.arrival_ns:
        if due_ns > silence_ends_ns:
            break
        synchronizer.poll(due_ns)
        yield from synchronizer.take(newest_only=False)
        due_ns = synchronizer.due_ns
    synchronizer.push(sample)
    yield from synchronizer.take(newest_only=False)
