"""What the engine keeps of each stream, and the network's states that all of them share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from activity_recognition.inference.frontend import FrontEnd
from activity_recognition.models.smoothing import SmoothingState
from activity_recognition.models.state import AudioState, ModalityState, TokenRing, VideoState
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import MODALITIES, Modality, Sample, modality_of


@dataclass(slots=True, eq=False)
class Stream:
    """One stream: its slot in the network's states, and what is kept of it on the host."""

    slot: int
    front_end: FrontEnd
    smoothing: SmoothingState
    first_stamp_ns: dict[Modality, int] = field(default_factory=dict)
    newest_stamp_ns: dict[Modality, int] = field(default_factory=dict)
    decisions: int = 0
    """Taken since the last reset, those without data apart."""

    def note(self, samples: Iterable[Sample]) -> None:
        """Keep the earliest and the newest stamp of each modality."""
        for sample in samples:
            modality = modality_of(sample)
            # The earliest, not the first: text comes late, and out of order.
            first_ns = self.first_stamp_ns.get(modality, sample.stamp_ns)
            self.first_stamp_ns[modality] = min(first_ns, sample.stamp_ns)
            self.note_newest(modality, sample.stamp_ns)

    def note_newest(self, modality: Modality, stamp_ns: int) -> None:
        """Keep the newest stamp; tokens of sound are newer than the start of their chunk."""
        newest_ns = self.newest_stamp_ns.get(modality, stamp_ns)
        self.newest_stamp_ns[modality] = max(newest_ns, stamp_ns)

    def clear(self) -> None:
        """Forget everything but the slot."""
        self.front_end.clear()
        self.smoothing.clear()
        self.first_stamp_ns.clear()
        self.newest_stamp_ns.clear()
        self.decisions = 0


@dataclass(slots=True, eq=False)
class NetworkState:
    """The network's memory of all streams, one slot each."""

    video: VideoState
    audio: AudioState
    fusion: dict[Modality, ModalityState]

    @classmethod
    def create(cls, system: ActivityRecognitionSystem, slots: int) -> NetworkState:
        """Allocate the memory of ``slots`` streams."""
        return cls(
            video=system.video_encoder.new_state(slots),
            audio=system.audio_encoder.new_state(slots),
            fusion={m: _modality_state(system, m, slots) for m in MODALITIES},
        )

    def clear(self, slot: int) -> None:
        """Forget everything of one slot; the others and the memory stay."""
        for part in self._parts():
            part.clear(slot)

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams in all."""
        for part in self._parts():
            part.grow(slots)

    def _parts(self) -> tuple[VideoState | AudioState | ModalityState, ...]:
        return (self.video, self.audio, *self.fusion.values())


def _modality_state(
    system: ActivityRecognitionSystem, modality: Modality, slots: int
) -> ModalityState:
    like, config = system.classifier.weight, system.config
    capacity = system.max_tokens[modality]
    ring = TokenRing.create(
        layers=1,
        slots=slots,
        heads=config.num_heads,
        capacity=capacity,
        head_dim=config.hidden_dim // config.num_heads,
        like=like,
    )
    return ModalityState(ring=ring, tokens=like.new_zeros(slots, capacity, config.hidden_dim))
