"""What a stream remembers between samples: preallocated rings of tensors.

The modules are stateless; a stream's state is created by the module that uses it and is passed to
its ``step``. Shapes: B streams, H heads, N capacity, D width.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.types import NANOSECONDS, to_ns


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one query sees of a ring."""

    age_s: NDArray[np.float64]
    """(n,) ages of the filled slots, seconds."""
    seen: NDArray[np.bool_]
    """(n,) whether each is inside the window."""
    newest: int
    """Slot of the newest one seen, -1 when none is."""

    @property
    def newest_age_s(self) -> float:
        """Age of the newest token seen, seconds; NaN when none is."""
        return float(self.age_s[self.newest]) if self.newest >= 0 else float('nan')


@dataclass(slots=True, eq=False)
class TokenRing:
    """The newest N tokens' keys and values, with stamps, in slots of no meaningful order."""

    keys: Tensor
    """(L, B, H, N, D): L layers of one encoder, or 1 for the fusion."""
    values: Tensor
    """(L, B, H, N, D)."""
    stamps_ns: NDArray[np.int64]
    """(N,); kept on the host, where the decision's time is known."""
    count: int = 0
    """Tokens ever written."""

    @classmethod
    def create(
        cls,
        *,
        layers: int,
        heads: int,
        capacity: int,
        head_dim: int,
        like: Tensor,
    ) -> TokenRing:
        """Allocate an empty ring on the device and in the dtype of ``like``."""
        shape = (layers, 1, heads, capacity, head_dim)
        return cls(
            keys=like.new_zeros(shape),
            values=like.new_zeros(shape),
            stamps_ns=np.zeros(capacity, np.int64),
        )

    @property
    def capacity(self) -> int:
        """Tokens the ring can hold."""
        return len(self.stamps_ns)

    @property
    def filled(self) -> int:
        """Tokens the ring holds."""
        return min(self.count, self.capacity)

    def advance(self, stamp_ns: int) -> int:
        """Claim the slot of the next token and stamp it; returns the slot."""
        slot = self.count % self.capacity
        self.stamps_ns[slot] = stamp_ns
        self.count += 1
        return slot

    def write(self, layer: int, slot: int, key: Tensor, value: Tensor) -> None:
        """Store one token's key and value, each (B, H, 1, D)."""
        self.keys[layer, :, :, slot] = key[:, :, 0]
        self.values[layer, :, :, slot] = value[:, :, 0]

    def view(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return the filled part of keys and values, each (B, H, filled, D)."""
        used = self.filled
        return self.keys[layer, :, :, :used], self.values[layer, :, :, :used]

    def sight(self, t_ns: int, window_s: float) -> Sight:
        """Tell what a query at ``t_ns`` sees of the filled slots."""
        age_ns = t_ns - self.stamps_ns[: self.filled]
        seen = (age_ns >= 0) & (age_ns <= to_ns(window_s))
        newest = -1
        if seen.any():
            # The latest stamp; of equals the one written last, as in a dense pass.
            written = (np.arange(self.filled) - self.count) % self.capacity
            candidates = np.flatnonzero(seen & (age_ns == age_ns[seen].min()))
            newest = int(candidates[written[candidates].argmax()])
        return Sight(age_s=age_ns / NANOSECONDS, seen=seen, newest=newest)

    def clear(self) -> None:
        """Forget every token; the memory stays."""
        self.count = 0


@dataclass(slots=True, eq=False)
class MotionState:
    """What a stream keeps to compare the next frames with."""

    frames: deque[tuple[int, Tensor]] = field(default_factory=deque)
    """Stamps and grey frames (B, S, S), in order of arrival."""

    def clear(self) -> None:
        """Forget every frame."""
        self.frames.clear()


@dataclass(slots=True, eq=False)
class VideoState:
    """State of :class:`VideoTransformer`: keys and values of its temporal blocks."""

    ring: TokenRing
    motion: MotionState = field(default_factory=MotionState)

    def clear(self) -> None:
        """Forget every frame."""
        self.ring.clear()
        self.motion.clear()


@dataclass(slots=True, eq=False)
class AudioState:
    """State of :class:`AudioCNN`: the past columns each convolution still needs."""

    columns: list[Tensor] = field(default_factory=list)
    """One per spectrogram convolution, (B, C, 1, F)."""
    tokens: list[Tensor] = field(default_factory=list)
    """One per dilated convolution, (B, 2 * dilation, D)."""

    def clear(self) -> None:
        """Return to the state before the first column."""
        self.columns = [torch.zeros_like(past) for past in self.columns]
        self.tokens = [torch.zeros_like(past) for past in self.tokens]


@dataclass(slots=True, eq=False)
class ModalityState:
    """What the fusion remembers of one modality: its tokens' keys, values and states."""

    ring: TokenRing
    tokens: Tensor
    """(B, N, D), slot for slot with the ring."""

    def append(self, token: Tensor, key: Tensor, value: Tensor, stamp_ns: int) -> None:
        """Store a token (B, 1, D) and its key and value, each (B, H, 1, D)."""
        slot = self.ring.advance(stamp_ns)
        self.tokens[:, slot] = token[:, 0]
        self.ring.write(0, slot, key, value)

    def clear(self) -> None:
        """Forget every token."""
        self.ring.clear()
