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
from typing import TYPE_CHECKING

from activity_recognition.modalities import SPECS
from activity_recognition.streams.admission import Admission, DropReason, InputCounters
from activity_recognition.streams.schedule import DecisionSchedule
from activity_recognition.streams.waiting import (
    InputQueue,
    Segment,
    drain,
    single_window,
    windows_of,
)
from activity_recognition.types import DecisionTime, Modality, Sample, Window

if TYPE_CHECKING:
    from activity_recognition.config import SyncConfig

WAITING_DECISIONS = 1024
"""Decisions that may wait to be taken; beyond it the oldest are skipped and counted."""


class WindowSynchronizer:
    """Admits samples, keeps one queue per modality, and says when a decision is due.

    Thread-safe; ``push`` and ``poll`` are O(1) and never call out.
    """

    def __init__(self, config: SyncConfig) -> None:
        """Make one that nothing has come to.

        Args:
            config: of admission, queues and decisions.
        """
        self._lock = threading.Lock()
        self._admission = Admission(config)
        self._schedule = DecisionSchedule(config)
        self._queues = {spec.modality: InputQueue(spec, config) for spec in SPECS}
        # By type, because finding a member of an Enum takes longer than comparing all stamps.
        self._queue_of = {spec.sample_type: self._queues[spec.modality] for spec in SPECS}
        self._waiting = tuple(queue.waiting for queue in self._queues.values())
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
        queue = self._queue_of[type(sample)]
        self._lock.acquire()  # A ``with`` costs twice as much, for every message.
        try:
            if not self._admission.admit_next(sample):
                settled = self._settle(queue, sample)
                if settled is None:
                    return False
                sample = settled
            queue.append(sample)
            schedule, arrival_ns = self._schedule, sample.arrival_ns
            if queue.triggers_decisions:
                if schedule.on_frame(sample.stamp_ns, arrival_ns):
                    self._decide(sample.stamp_ns, arrival_ns)
            elif schedule.due_ns is None:
                schedule.begin(arrival_ns)
            return True
        finally:
            self._lock.release()

    def thins(self, modality: Modality) -> bool:
        """Return whether a rate is set, so that asking about a sample can save decoding it."""
        return self._admission.thins(modality)

    def wants(self, modality: Modality, stamp_ns: int) -> bool:
        """Return whether a sample is within its modality's rate; ask before decoding it.

        A sample that is not wanted is thereby received and dropped; do not push it.

        Args:
            modality: of the sample.
            stamp_ns: its stamp.
        """
        with self._lock:
            if not self._admission.over_rate(modality, stamp_ns):
                return True
            self._queues[modality].refuse(DropReason.RATE)
            return False

    def refuse(self, modality: Modality, reason: DropReason = DropReason.UNREADABLE) -> None:
        """Count a message that gave no sample.

        Args:
            modality: of the sample that it did not give.
            reason: why.
        """
        with self._lock:
            self._queues[modality].refuse(reason)

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
            return {modality: queue.counters() for modality, queue in self._queues.items()}

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
            decisions = self._decisions
            if self._segment == self._taken_segment and len(decisions) < 2:
                decision = decisions.popleft()[1] if decisions else None
                return single_window(self._waiting, decision)
            segments = drain(self._queues.values(), decisions, self._segment)
            if newest_only:
                segments = [self._newest(segments)]
            taken, self._taken_segment = self._taken_segment, self._segment
        finally:
            self._lock.release()
        return windows_of(segments, taken)

    def _reset(self) -> None:
        for queue in self._queues.values():
            queue.close(self._segment)
        self._segment += 1
        self._resets += 1
        self._admission.reset()
        self._schedule.reset()

    def _settle(self, queue: InputQueue, sample: Sample) -> Sample | None:
        """Ask the whole rule; return the sample as it is admitted, or None where it is not."""
        if self._admission.is_jump(sample):
            queue.note_jump()
            self._reset()
        reason = self._admission.refusal(sample)
        if reason is not None:
            queue.refuse(reason)
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

    def _newest(self, segments: list[Segment]) -> Segment:
        """Return the current segment with its newest decision; count what is given up."""
        *past, current = segments
        for segment in past:
            self._decisions_skipped += len(segment.decisions)
            for sample in segment.samples:
                self._queues[sample.modality].refuse(DropReason.RESET)
        self._decisions_skipped += max(len(current.decisions) - 1, 0)
        return Segment(current.number, current.samples, current.decisions[-1:])
