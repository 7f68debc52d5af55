"""What the synchroniser keeps of one modality."""

from __future__ import annotations

from activity_recognition.streams.admission import DropReason, InputCounters
from activity_recognition.streams.rings import StampedRing


class Lane:
    """The waiting samples of one modality, and what became of the others.

    Only what cannot be told from the rest is counted: this is done for every message.
    """

    __slots__ = ('dropped', 'received', 'resets', 'ring')

    def __init__(self, capacity: int) -> None:
        """Let samples of at most ``capacity`` wait, as the ring measures it."""
        self.ring = StampedRing(capacity)
        self.received = 0
        self.resets = 0
        self.dropped = dict.fromkeys(DropReason, 0)

    def refuse(self, reason: DropReason) -> None:
        """Count a message as received and dropped."""
        self.received += 1
        self.dropped[reason] += 1

    def counters(self) -> InputCounters:
        """Return what became of every sample so far."""
        waiting = len(self.ring)
        taken = self.received - sum(self.dropped.values()) - waiting
        gone = self.dropped[DropReason.OVERLOAD] + self.dropped[DropReason.RESET]
        return InputCounters(
            received=self.received,
            admitted=taken + waiting + gone,
            taken=taken,
            resets=self.resets,
            dropped=dict(self.dropped),
        )
