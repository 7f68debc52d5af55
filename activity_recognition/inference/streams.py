"""What the engine keeps of each stream beside what lies in the lanes' slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from activity_recognition.models.smoothing import SmoothingState
from activity_recognition.types import Modality, Sample


@dataclass(slots=True, eq=False)
class Stream:
    """One stream: its slot in the lanes, and what is kept of it on the host."""

    slot: int
    smoothing: SmoothingState
    first_stamp_ns: dict[Modality, int] = field(default_factory=dict)
    newest_stamp_ns: dict[Modality, int] = field(default_factory=dict)
    decisions: int = 0
    """Taken since the last reset, those without data apart."""

    def note(self, modality: Modality, samples: Sequence[Sample]) -> None:
        """Keep the earliest and the newest stamp of a modality.

        Args:
            modality: of the samples.
            samples: at least one.
        """
        stamps_ns = [sample.stamp_ns for sample in samples]
        # The earliest, not the first: text comes late, and out of order.
        first_ns = self.first_stamp_ns.get(modality, stamps_ns[0])
        self.first_stamp_ns[modality] = min(first_ns, *stamps_ns)
        self.note_newest(modality, max(stamps_ns))

    def note_newest(self, modality: Modality, stamp_ns: int) -> None:
        """Keep the newest stamp; tokens of audio are newer than the start of their chunk.

        Args:
            modality: of the token.
            stamp_ns: of the token.
        """
        newest_ns = self.newest_stamp_ns.get(modality, stamp_ns)
        self.newest_stamp_ns[modality] = max(newest_ns, stamp_ns)

    def clear(self) -> None:
        """Forget everything but the slot."""
        self.smoothing.clear()
        self.first_stamp_ns.clear()
        self.newest_stamp_ns.clear()
        self.decisions = 0
