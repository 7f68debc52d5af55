"""What waits of one modality for the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.modalities import QueueUnit
from activity_recognition.streams.admission import DropReason, InputCounters
from activity_recognition.streams.rings import StampedRing
from activity_recognition.types import to_ns

if TYPE_CHECKING:
    from activity_recognition.config import SyncConfig
    from activity_recognition.modalities import ModalitySpec


class InputQueue(StampedRing):
    """The samples of one modality that wait for the engine, and what became of the others.

    Only what cannot be told from the rest is counted: this is done for every message.
    """

    __slots__ = ('dropped', 'received', 'resets', 'triggers_decisions')

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
        self.received = 0
        self.resets = 0
        self.dropped = dict.fromkeys(DropReason, 0)

    def refuse(self, reason: DropReason) -> None:
        """Count a message as received and dropped."""
        self.received += 1
        self.dropped[reason] += 1

    def counters(self) -> InputCounters:
        """Return what became of every sample so far."""
        waiting = len(self)
        taken = self.received - sum(self.dropped.values()) - waiting
        gone = self.dropped[DropReason.OVERLOAD] + self.dropped[DropReason.RESET]
        return InputCounters(
            received=self.received,
            admitted=taken + waiting + gone,
            taken=taken,
            resets=self.resets,
            dropped=dict(self.dropped),
        )
