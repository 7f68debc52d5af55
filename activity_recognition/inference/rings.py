"""Rings: of every stream the newest rows of numbers, with stamps, where a step can read them.

Shapes: B slots, one per stream; n streams of a step; N capacity; V rows that a step views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.models.steps import viewed_rows
from activity_recognition.types import NANOSECONDS, to_ns

_NEVER_NS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one query per stream sees of a ring: a view of its rows, some of them masked."""

    start: NDArray[np.int64]
    """(n,) place of the first row of each stream's view."""
    age_s: NDArray[np.float64]
    """(n, V) ages of the rows, seconds; anything where not seen."""
    seen: NDArray[np.bool_]
    """(n, V) whether each is there and inside the window."""
    newest: NDArray[np.int64]
    """(n,) which row of the view is the newest one seen, -1 where none is."""
    newest_age_s: NDArray[np.float64]
    """(n,) its age, seconds; NaN where none is."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) whether anything is seen."""
        return self.newest >= 0

    def select(self, streams: NDArray[np.bool_]) -> Sight:
        """Return the sight of some of the streams, a mask (n,)."""
        return Sight(
            start=self.start[streams],
            age_s=self.age_s[streams],
            seen=self.seen[streams],
            newest=self.newest[streams],
            newest_age_s=self.newest_age_s[streams],
        )


class Ring:
    """Per slot the newest N rows, in order of arrival and in one piece of memory.

    There is room for twice as many: rows are appended until the room is full, then the newest N
    move to its beginning. So what a step sees is a slice, and is not copied for a single stream.
    Room that was never written holds finite numbers, so that masking it is enough.
    """

    def __init__(self, slots: int, capacity: int, shape: Sequence[int], *, like: Tensor) -> None:
        """Allocate empty slots for rows of ``shape``, with device and dtype of ``like``."""
        self.capacity = capacity
        self.rows = like.new_zeros((slots, 2 * capacity, *shape))
        """(B, 2 * N, ...)."""
        # On the host, where the decision's time is known.
        self._stamps_ns = np.zeros((slots, 2 * capacity), np.int64)
        self._filled = [0] * slots
        self._end = [0] * slots
        # Whether a slot's stamps came in order: sight and sound always do.
        self._in_order = [True] * slots

    @property
    def filled(self) -> list[int]:
        """Rows that each slot holds."""
        return list(self._filled)

    def stamps_ns(self, slot: int) -> NDArray[np.int64]:
        """Return the stamps of what a slot holds, in order of arrival."""
        end = self._end[slot]
        return self._stamps_ns[slot, end - self._filled[slot] : end]

    def held(self, slot: int) -> Tensor:
        """Return what a slot holds, in order of arrival, (filled, ...)."""
        end = self._end[slot]
        return self.rows[slot, end - self._filled[slot] : end]

    def append(self, slot: int, stamps_ns: Sequence[int], rows: Tensor) -> None:
        """Store rows (k, ...) of one stream, in order of arrival; the newest N stay."""
        count = len(stamps_ns)
        if count > self.capacity:
            stamps_ns, rows = stamps_ns[-self.capacity :], rows[-self.capacity :]
            count = self.capacity
        if self._end[slot] + count > 2 * self.capacity:
            self._move_to_the_beginning(slot, self.capacity - count)
        start, end = self._end[slot], self._end[slot] + count
        newest_ns = self._stamps_ns[slot, start - 1] if self._filled[slot] else stamps_ns[0]
        for stamp_ns in stamps_ns:
            self._in_order[slot] &= bool(newest_ns <= stamp_ns)
            newest_ns = stamp_ns
        self.rows[slot, start:end] = rows
        self._stamps_ns[slot, start:end] = stamps_ns
        self._end[slot] = end
        self._filled[slot] = min(self._filled[slot] + count, self.capacity)

    def _move_to_the_beginning(self, slot: int, keep: int) -> None:
        """Move the newest rows, ``keep`` of them or as many as there are; the others are lost."""
        keep, end = min(keep, self._filled[slot]), self._end[slot]
        # They lie behind the middle, so nothing is overwritten before it was read.
        self.rows[slot, :keep] = self.rows[slot, end - keep : end]
        self._stamps_ns[slot, :keep] = self._stamps_ns[slot, end - keep : end]
        self._end[slot] = self._filled[slot] = keep

    def sight(
        self,
        slots: Sequence[int],
        t_ns: Sequence[int],
        window_s: float,
        *,
        most: int | None = None,
        whole: bool = False,
    ) -> Sight:
        """Tell what one query per stream, at ``t_ns``, sees.

        Args:
            slots: n slots.
            t_ns: n times.
            window_s: largest age seen, seconds.
            most: how many of the newest rows may be seen; None for all that are held.
            whole: view all N rows, whatever is seen of them: one shape, always.
        """
        window_ns = to_ns(window_s)
        firsts = [
            self._first(slot, t, window_ns, most) for slot, t in zip(slots, t_ns, strict=True)
        ]
        needed = max(self._end[slot] - first for slot, first in zip(slots, firsts, strict=True))
        count = self.capacity if whole else viewed_rows(needed, self.capacity)
        views = [
            self._look(slot, first, t, window_ns, count)
            for slot, first, t in zip(slots, firsts, t_ns, strict=True)
        ]
        starts, age_ns, seen, newest = zip(*views, strict=True)
        ages_s = [
            age[place] / NANOSECONDS if place >= 0 else np.nan
            for age, place in zip(age_ns, newest, strict=True)
        ]
        return Sight(
            start=np.array(starts),
            age_s=_rows(age_ns) / NANOSECONDS,
            seen=_rows(seen),
            newest=np.array(newest),
            newest_age_s=np.array(ages_s),
        )

    def _first(self, slot: int, t_ns: int, window_ns: int, most: int | None) -> int:
        """Return the place of the first row that may be seen and is young enough, or the end."""
        end, filled = self._end[slot], self._filled[slot]
        start = end - (filled if most is None else min(filled, most))
        stamps_ns = self._stamps_ns[slot, start:end]
        if self._in_order[slot]:
            return start + int(stamps_ns.searchsorted(t_ns - window_ns))
        young = stamps_ns >= t_ns - window_ns
        return start + int(young.argmax()) if young.any() else end

    def _look(
        self, slot: int, first: int, t_ns: int, window_ns: int, count: int
    ) -> tuple[int, NDArray[np.int64], NDArray[np.bool_], int]:
        """View ``count`` rows of a stream, of which those before ``first`` are not seen.

        Returns:
            Where the view starts, and what :class:`Sight` holds of it, ages in nanoseconds.
        """
        end = self._end[slot]
        start = max(0, end - count)
        age_ns = t_ns - self._stamps_ns[slot, start : start + count]
        seen = age_ns >= 0
        seen[: first - start] = False
        seen[end - start :] = False
        if not self._in_order[slot]:
            seen &= age_ns <= window_ns
            youngest_ns = np.where(seen, age_ns, _NEVER_NS)[::-1]
            newest = count - 1 - int(youngest_ns.argmin())
            return start, age_ns, seen, newest if seen[newest] else -1
        # In order, what is seen lies in one piece, up to the end or to the first from the future.
        newest = end - 1 - start
        while newest >= 0 and not seen[newest]:
            newest -= 1
        return start, age_ns, seen, newest

    def view(self, slots: Sequence[int], sight: Sight) -> Tensor:
        """Return the rows that ``sight`` speaks of, (n, V, ...); of a single stream, no copy."""
        count = sight.seen.shape[1]
        if len(slots) == 1:
            slot, start = slots[0], int(sight.start[0])
            return self.rows[slot : slot + 1, start : start + count]
        first = np.array(slots)[:, None] * (2 * self.capacity) + sight.start[:, None]
        places = torch.from_numpy(first + np.arange(count)).to(self.rows.device)
        return self.rows.flatten(0, 1)[places]

    def clear(self, slot: int) -> None:
        """Forget a slot's rows; the memory stays."""
        self._filled[slot] = self._end[slot] = 0
        self._in_order[slot] = True
        # Its room may be looked at, masked: no NaN may be left in it.
        self.rows[slot] = 0

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all; the new ones are empty."""
        more = slots - len(self.rows)
        self.rows = grown(self.rows, slots)
        self._stamps_ns = np.pad(self._stamps_ns, ((0, more), (0, 0)))
        self._filled += [0] * more
        self._end += [0] * more
        self._in_order += [True] * more


def _rows(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def grown(old: Tensor, slots: int) -> Tensor:
    """Return a tensor of ``slots`` slots that begins with those of ``old``."""
    new = old.new_zeros((slots, *old.shape[1:]))
    new[: len(old)] = old
    return new
