"""What the engine keeps of each stream, and the network's states that all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from activity_recognition.inference.frontend import FrontEnd
from activity_recognition.inference.rings import Ring, grown
from activity_recognition.inference.uploading import upload
from activity_recognition.models.directions import DirectionState
from activity_recognition.models.motion import MotionState
from activity_recognition.models.smoothing import SmoothingState
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


class SoundState:
    """The sound encoder's past of every stream."""

    def __init__(self, system: ActivityRecognitionSystem, slots: int) -> None:
        """Allocate ``slots`` streams that have heard nothing."""
        self._encoder = system.audio_encoder
        self._past = self._encoder.new_past(slots)
        """(B, X)."""

    def of(self, slots: Sequence[int]) -> Tensor:
        """Return the past of some slots, (n, X); of one, no copy."""
        if len(slots) == 1:
            return self._past[slots[0] : slots[0] + 1]
        return self._past[upload(np.array(slots), self._past.device)]

    def store(self, slots: Sequence[int], after: Tensor) -> None:
        """Replace the past of some slots by (n, X)."""
        if len(slots) == 1:
            self._past[slots[0]] = after[0]
        else:
            self._past[upload(np.array(slots), self._past.device)] = after.to(self._past.dtype)

    def skip(self, slot: int, blocks: int) -> None:
        """Let a hole pass, which is what masked blocks leave behind: zeros."""
        columns, tokens = self._encoder.parts_of(self._past[slot : slot + 1])
        for past in columns:
            past.zero_()
        for past in tokens:
            kept = past[:, blocks:].clone()
            past.zero_()
            past[:, : kept.shape[1]] = kept

    def clear(self, slot: int) -> None:
        """Return a slot to the state before the first block."""
        self._past[slot] = 0

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all."""
        self._past = grown(self._past, slots)


class NetworkState:
    """The network's memory of all streams, one slot each."""

    def __init__(self, system: ActivityRecognitionSystem, slots: int) -> None:
        """Allocate the memory of ``slots`` streams."""
        config, like = system.config, system.classifier.weight
        layers, limits = config.video.temporal_depth, system.max_tokens
        past_shape = (layers, 2, config.hidden_dim)
        self.past = Ring(slots, limits[Modality.VIDEO], past_shape, like=like)
        """Keys and values of the temporal blocks."""
        self.sound = SoundState(system, slots)
        self.motion = [MotionState() for _ in range(slots)]
        self.directions = [DirectionState() for _ in range(slots)]
        self.memories = {
            m: Ring(slots, limits[m], (3, config.hidden_dim), like=like) for m in MODALITIES
        }
        """What decisions see of each modality."""

    def clear(self, slot: int) -> None:
        """Forget everything of one slot; the others and the memory stay."""
        for part in self._parts():
            part.clear(slot)
        self.motion[slot].clear()
        self.directions[slot].clear()

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams in all."""
        for part in self._parts():
            part.grow(slots)
        self.motion += [MotionState() for _ in range(slots - len(self.motion))]
        self.directions += [DirectionState() for _ in range(slots - len(self.directions))]

    def _parts(self) -> tuple[Ring | SoundState, ...]:
        return (self.past, self.sound, *self.memories.values())
