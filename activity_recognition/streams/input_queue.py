"""What waits of one modality for the engine: a bounded queue that drops its oldest entries."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from activity_recognition.modalities import SPECS, QueueUnit
from activity_recognition.streams.admission import DropReason, InputCounters
from activity_recognition.types import Sample, to_ns

if TYPE_CHECKING:
    from activity_recognition.config import SyncConfig
    from activity_recognition.modalities import ModalitySpec


Entry: TypeAlias = tuple[int, Sample]
"""The number of time jumps before a waiting sample, and the sample."""


_TIMED = tuple(spec.sample_type for spec in SPECS if spec.queue_unit is QueueUnit.SECONDS)


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
        length = getattr(config, spec.queue_setting)
        super().__init__(to_ns(length) if spec.queue_unit is QueueUnit.SECONDS else length)
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
