"""What streams remember between samples: preallocated rings of tensors, one place per stream.

The modules are stateless; a state is created by the module that uses it and is passed to its
``step``. A state serves several streams: its batch dimension are *slots*, one per stream, and a
step is about the slots it names. Shapes: B slots, n rows of a step, H heads, L layers, N capacity,
D width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.types import NANOSECONDS, to_ns

_NEVER_NS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The slots that a step is about, one row each."""

    slots: NDArray[np.int64]
    """(n,), all different."""
    index: slice | Tensor
    """The same for tensors: a slice, which copies nothing, where the slots are neighbours."""

    @classmethod
    def of(cls, slots: Sequence[int], device: torch.device) -> Rows:
        """Return the rows of ``slots``, in their order."""
        array = np.asarray(slots, np.int64)
        first, stop = int(array[0]), int(array[0]) + len(array)
        if np.array_equal(array, np.arange(first, stop)):
            return cls(slots=array, index=slice(first, stop))
        return cls(slots=array, index=torch.from_numpy(array).to(device))


def turns(slots: Sequence[int]) -> list[list[int]]:
    """Group what lies in order by turn: the first item of every slot, then the second, and so on.

    Returns:
        Positions in ``slots``; within a turn every slot occurs at most once.
    """
    seen: dict[int, int] = {}
    result: list[list[int]] = []
    for position, slot in enumerate(slots):
        turn = seen.get(slot, 0)
        seen[slot] = turn + 1
        if turn == len(result):
            result.append([])
        result[turn].append(position)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one query per row sees of a ring."""

    age_s: NDArray[np.float64]
    """(n, used) ages of the tokens, seconds; anything where none was written."""
    seen: NDArray[np.bool_]
    """(n, used) whether each is inside the window."""
    newest: NDArray[np.int64]
    """(n,) place of the newest one seen, -1 where none is."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) whether anything is seen."""
        return self.newest >= 0

    @property
    def newest_age_s(self) -> NDArray[np.float64]:
        """(n,) age of the newest token seen, seconds; NaN where none is."""
        ages_s = np.full(len(self.newest), np.nan)
        rows = np.flatnonzero(self.present)
        ages_s[rows] = self.age_s[rows, self.newest[rows]]
        return ages_s

    def select(self, rows: NDArray[np.bool_] | slice) -> Sight:
        """Return the sight of some of the queries."""
        return Sight(age_s=self.age_s[rows], seen=self.seen[rows], newest=self.newest[rows])


@dataclass(slots=True, eq=False)
class TokenRing:
    """Per slot the newest N tokens' keys and values, with stamps, in places of no meaningful order.

    Places that were never written hold finite numbers, so that masking them is enough.
    """

    keys: Tensor
    """(L, B, H, N, D): L layers of one encoder, or 1 for the fusion."""
    values: Tensor
    """(L, B, H, N, D)."""
    stamps_ns: NDArray[np.int64]
    """(B, N); kept on the host, where the decision's time is known."""
    count: NDArray[np.int64]
    """(B,), tokens ever written."""

    @classmethod
    def create(
        cls,
        *,
        layers: int,
        slots: int,
        heads: int,
        capacity: int,
        head_dim: int,
        like: Tensor,
    ) -> TokenRing:
        """Allocate empty rings on the device and in the dtype of ``like``."""
        shape = (layers, slots, heads, capacity, head_dim)
        return cls(
            keys=like.new_zeros(shape),
            values=like.new_zeros(shape),
            stamps_ns=np.zeros((slots, capacity), np.int64),
            count=np.zeros(slots, np.int64),
        )

    @property
    def capacity(self) -> int:
        """Tokens each slot can hold."""
        return self.stamps_ns.shape[1]

    @property
    def filled(self) -> NDArray[np.int64]:
        """(B,), tokens each slot holds."""
        return np.minimum(self.count, self.capacity)

    def used(self, rows: Rows) -> int:
        """Return how many places from the first on the fullest of ``rows`` has written."""
        return int(self.filled[rows.slots].max())

    def advance(self, slots: Sequence[int], stamps_ns: Sequence[int]) -> list[int]:
        """Claim the places of the next tokens, in order, and stamp them; returns the places."""
        places = []
        for slot, stamp_ns in zip(slots, stamps_ns, strict=True):
            place = int(self.count[slot]) % self.capacity
            self.stamps_ns[slot, place] = stamp_ns
            self.count[slot] += 1
            places.append(place)
        return places

    def write(self, layer: int, at: tuple[Tensor, Tensor], key: Tensor, value: Tensor) -> None:
        """Store tokens' keys and values, each (n, H, D), at slots and places, all different."""
        for ring, new in ((self.keys, key), (self.values, value)):
            ring[layer].transpose(1, 2).index_put_(at, new.to(ring.dtype))

    def view(self, layer: int, rows: Rows, used: int) -> tuple[Tensor, Tensor]:
        """Return the first ``used`` places of keys and values, each (n, H, used, D)."""
        keys, values = self.keys[layer, :, :, :used], self.values[layer, :, :, :used]
        return keys[rows.index], values[rows.index]

    def sight(self, rows: Rows, t_ns: Sequence[int], window_s: float) -> Sight:
        """Tell what one query per row, at ``t_ns``, sees of the places that any row has written."""
        filled = np.minimum(self.count[rows.slots], self.capacity)
        used = int(filled.max())
        age_ns = np.asarray(t_ns, np.int64)[:, None] - self.stamps_ns[rows.slots, :used]
        seen = (age_ns >= 0) & (age_ns <= to_ns(window_s))
        if int(filled.min()) < used:
            seen &= np.arange(used) < filled[:, None]
        newest = self._newest(rows, age_ns, seen) if used else np.full(len(filled), -1)
        return Sight(age_s=age_ns / NANOSECONDS, seen=seen, newest=newest)

    def _newest(
        self, rows: Rows, age_ns: NDArray[np.int64], seen: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return the place of the latest stamp seen; of equals the one written last."""
        youngest_ns = np.where(seen, age_ns, _NEVER_NS).min(1, keepdims=True)
        latest = seen & (age_ns == youngest_ns)
        count = np.count_nonzero(latest, axis=1)
        if count.max() > 1:
            order = (np.arange(seen.shape[1]) - self.count[rows.slots, None]) % self.capacity
            places = np.where(latest, order, -1).argmax(1)
        else:
            places = latest.argmax(1)
        return np.where(count > 0, places, -1)

    def clear(self, slot: int) -> None:
        """Forget a slot's tokens; the memory stays."""
        self.count[slot] = 0
        # Its places may be looked at, masked, beside a fuller slot's: no NaN may be left in them.
        self.keys[:, slot] = 0
        self.values[:, slot] = 0

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all; the new ones are empty."""
        self.keys, self.values = _grown(self.keys, slots, 1), _grown(self.values, slots, 1)
        more = slots - len(self.count)
        self.stamps_ns = np.pad(self.stamps_ns, ((0, more), (0, 0)))
        self.count = np.pad(self.count, (0, more))


@dataclass(slots=True, eq=False)
class MotionState:
    """What a stream keeps to compare the next frames with."""

    frames: deque[tuple[int, Tensor]] = field(default_factory=deque)
    """Stamps and grey frames (S, S), in order of arrival."""

    def clear(self) -> None:
        """Forget every frame."""
        self.frames.clear()


@dataclass(slots=True, eq=False)
class DirectionState(MotionState):
    """What a stream keeps to remember which ways things moved."""

    votes: deque[tuple[int, Tensor]] = field(default_factory=deque)
    """Stamps and votes (C, G, G) of the frames within the memory, in order of arrival."""

    def clear(self) -> None:
        """Forget every frame."""
        self.frames.clear()
        self.votes.clear()


@dataclass(slots=True, eq=False)
class VideoState:
    """State of :class:`VideoTransformer`: keys and values of its temporal blocks."""

    ring: TokenRing
    motion: list[MotionState]
    """One per slot."""
    directions: list[DirectionState]
    """One per slot."""

    def clear(self, slot: int) -> None:
        """Forget every frame of a slot."""
        self.ring.clear(slot)
        self.motion[slot].clear()
        self.directions[slot].clear()

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all."""
        self.ring.grow(slots)
        self.motion += [MotionState() for _ in range(slots - len(self.motion))]
        self.directions += [DirectionState() for _ in range(slots - len(self.directions))]


@dataclass(slots=True, eq=False)
class AudioState:
    """State of :class:`AudioCNN`: the past columns each convolution still needs."""

    columns: list[Tensor]
    """One per spectrogram convolution, (B, C, 1, F)."""
    tokens: list[Tensor]
    """One per dilated convolution, (B, 2 * dilation, D)."""

    def clear(self, slot: int) -> None:
        """Return a slot to the state before the first column."""
        for past in (*self.columns, *self.tokens):
            past[slot] = 0

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all."""
        self.columns = [_grown(past, slots, 0) for past in self.columns]
        self.tokens = [_grown(past, slots, 0) for past in self.tokens]


@dataclass(slots=True, eq=False)
class ModalityState:
    """What the fusion remembers of one modality: its tokens' keys, values and states."""

    ring: TokenRing
    tokens: Tensor
    """(B, N, D), place for place with the ring."""

    def append(
        self,
        slots: Sequence[int],
        stamps_ns: Sequence[int],
        tokens: Tensor,
        keys: Tensor,
        values: Tensor,
    ) -> None:
        """Store tokens (n, D) with keys and values (n, H, D), in order, any number per slot."""
        places = self.ring.advance(slots, stamps_ns)
        # A crowd may fill a ring more than once: of every place the last one stays.
        last = {at: row for row, at in enumerate(zip(slots, places, strict=True))}
        if len(last) < len(places):
            kept = list(last.values())
            tokens, keys, values = tokens[kept], keys[kept], values[kept]
        device = self.tokens.device
        at_slots, at_places = torch.tensor(list(last), device=device).unbind(1)
        self.tokens.index_put_((at_slots, at_places), tokens.to(self.tokens.dtype))
        self.ring.write(0, (at_slots, at_places), keys, values)

    def clear(self, slot: int) -> None:
        """Forget every token of a slot."""
        self.ring.clear(slot)
        self.tokens[slot] = 0

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all."""
        self.ring.grow(slots)
        self.tokens = _grown(self.tokens, slots, 0)


def _grown(old: Tensor, slots: int, dim: int) -> Tensor:
    """Return a tensor of ``slots`` places along ``dim`` that begins with ``old``."""
    shape = list(old.shape)
    shape[dim] = slots
    new = old.new_zeros(shape)
    new.narrow(dim, 0, old.shape[dim]).copy_(old)
    return new
