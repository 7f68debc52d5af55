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
    from activity_recognition.types import Sample


class InputQueue(StampedRing):
    """The samples of one modality that wait for the engine, and what became of the others.

    Only what cannot be told from the rest is counted: this is done for every message.
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
