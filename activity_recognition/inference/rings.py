"""Rings of keys and values: of every stream the newest rows, where a step can read them.

Which rows a step may attend to is a pure function of their stamps (:func:`visible_window`).

Shapes: B slots, one per stream; n streams of a step; N capacity; V rows that a step views.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.inference.precision import host_type, upload
from activity_recognition.models.step_spec import viewed_rows
from activity_recognition.types import NANOSECONDS, to_ns

_NEVER_NS = np.iinfo(np.int64).max


class StoredStamps(NamedTuple):
    """When the rows of one stream were taken, as they lie in a ring."""

    stamps_ns: NDArray[np.int64]
    """(2 * N,), in order of arrival; anything where no row lies."""
    first: int
    """Place of the oldest row held."""
    end: int
    """Place behind the newest row held."""
    in_order: bool = False
    """Whether the stamps of the rows held are known not to fall."""


@dataclass(slots=True, eq=False)
class AttentionView:
    """What one query per stream may attend to: a view of rows, some of them masked."""

    start: list[int]
    """(n,) place of the first row of each stream's view."""
    age_s: NDArray[np.floating]
    """(n, V) ages of the rows, seconds; anything where not seen."""
    seen: NDArray[np.bool_]
    """(n, V) whether each is held and inside the window."""
    newest: list[int]
    """(n,) which row of the view is the newest one seen, -1 where none is."""
    newest_age_s: list[float]
    """(n,) its age, seconds; NaN where none is."""

    @property
    def present(self) -> list[bool]:
        """(n,) whether anything is seen."""
        return [at >= 0 for at in self.newest]

    def newest_of_all(self) -> list[int]:
        """Return the newest rows seen (n,), counted over the rows of all streams; -1 for none."""
        rows = self.seen.shape[1]
        return [at if at < 0 else at + row * rows for row, at in enumerate(self.newest)]

    def select(self, streams: Sequence[int]) -> AttentionView:
        """Return the view of some of the streams."""
        if len(streams) == len(self.start):
            return self
        return AttentionView(
            start=[self.start[i] for i in streams],
            age_s=self.age_s[streams],
            seen=self.seen[streams],
            newest=[self.newest[i] for i in streams],
            newest_age_s=[self.newest_age_s[i] for i in streams],
        )


def visible_window(
    stored: Sequence[StoredStamps],
    t_ns: Sequence[int],
    window_s: float,
    *,
    most: int | None = None,
    whole: bool = False,
    age_type: type[np.floating] = np.float32,
) -> AttentionView:
    """Return what a query of each of some streams sees.

    A row is seen when it is held, is among the newest ``most``, is not from the query's future, and
    is not older than the window. The view is as long as the stream needs that sees most.

    Args:
        stored: stamps of n streams, of rings of one capacity.
        t_ns: times of the n queries.
        window_s: largest age seen, seconds.
        most: how many of the newest rows may be seen; None for all that are held.
        whole: view all N rows, whatever is seen of them: one shape, always.
        age_type: of the ages.
    """
    window_ns = to_ns(window_s)
    firsts = [_first_young(s, t, window_ns, most) for s, t in zip(stored, t_ns, strict=True)]
    needed = max([s.end - first for s, first in zip(stored, firsts, strict=True)])
    capacity = len(stored[0].stamps_ns) // 2
    shape = (len(stored), capacity if whole else viewed_rows(needed, capacity))
    view = AttentionView([], np.empty(shape, age_type), np.zeros(shape, np.bool_), [], [])
    for stamps, first, t in zip(stored, firsts, t_ns, strict=True):
        _add_stream(view, stamps, first, t, window_ns)
    return view


def _first_young(stored: StoredStamps, t_ns: int, window_ns: int, most: int | None) -> int:
    """Return the place of the first row that may be seen and is young enough, or the end."""
    start = stored.first if most is None else max(stored.first, stored.end - most)
    stamps_ns = stored.stamps_ns[start : stored.end]
    if stored.in_order:
        return start + int(stamps_ns.searchsorted(t_ns - window_ns))
    young = stamps_ns >= t_ns - window_ns
    return start + int(young.argmax()) if young.any() else stored.end


def _add_stream(
    view: AttentionView, stored: StoredStamps, first: int, t_ns: int, window_ns: int
) -> None:
    """Add to ``view`` what one more stream sees, no row before the place ``first``."""
    row, (_, count) = len(view.start), view.seen.shape
    end, seen = stored.end, view.seen[row]
    start = max(0, end - count)
    age_ns = t_ns - stored.stamps_ns[start : start + count]
    np.divide(age_ns, NANOSECONDS, out=view.age_s[row], casting='same_kind')
    view.start.append(start)
    if stored.in_order:
        # What is seen is contiguous, up to the end or to the first from the future.
        newest = end - 1 - start
        while newest >= first - start and age_ns[newest] < 0:
            newest -= 1
        seen[first - start : newest + 1] = True
    else:
        held = slice(first - start, end - start)
        seen[held] = (age_ns[held] >= 0) & (age_ns[held] <= window_ns)
        youngest_ns = np.where(seen, age_ns, _NEVER_NS)[::-1]
        newest = count - 1 - int(youngest_ns.argmin())
    present = bool(seen[newest])
    view.newest.append(newest if present else -1)
    view.newest_age_s.append(int(age_ns[newest]) / NANOSECONDS if present else math.nan)


class KeyValueRing:
    """Per slot the newest N rows, in order of arrival and contiguous in memory.

    There is room for twice as many: rows are appended until the room is full, then the newest N
    move to its beginning. So what a step sees is a slice, and is not copied for a single stream.
    Room that was never written holds finite numbers, so that masking it is enough.
    """

    def __init__(self, slots: int, capacity: int, shape: Sequence[int], *, like: Tensor) -> None:
        """Allocate empty slots.

        Args:
            slots: one per stream.
            capacity: N, rows held of each.
            shape: of a row.
            like: gives device and dtype.
        """
        self.capacity = capacity
        self.rows = like.new_zeros((slots, 2 * capacity, *shape))
        """(B, 2 * N, ...)."""
        # On the host, where the decision's time is known.
        self._stamps_ns = np.zeros((slots, 2 * capacity), np.int64)
        self._filled = [0] * slots
        self._end = [0] * slots
        # Whether a slot's stamps came in order: those of a sensor always do.
        self._in_order = [True] * slots
        # The same memory, by which a CPU reads and writes; None on a GPU.
        self._shared = _array_over(self.rows)
        self._age_type = host_type(like.dtype)

    @property
    def filled(self) -> list[int]:
        """Rows that each slot holds."""
        return list(self._filled)

    def stored(self, slot: int) -> StoredStamps:
        """Return when the rows of a slot were taken."""
        end = self._end[slot]
        return StoredStamps(
            self._stamps_ns[slot], end - self._filled[slot], end, self._in_order[slot]
        )

    def stamps_ns(self, slot: int) -> NDArray[np.int64]:
        """Return the stamps of what a slot holds, in order of arrival."""
        end = self._end[slot]
        return self._stamps_ns[slot, end - self._filled[slot] : end]

    def held(self, slot: int) -> Tensor:
        """Return what a slot holds, in order of arrival, (filled, ...)."""
        end = self._end[slot]
        return self.rows[slot, end - self._filled[slot] : end]

    def append(
        self, slots: Sequence[int], stamps_ns: Sequence[Sequence[int]], rows: Tensor
    ) -> None:
        """Store k rows of each of n different streams, in order of arrival; the newest N stay.

        Args:
            slots: n slots.
            stamps_ns: of each of them k stamps.
            rows: (n, k, ...), of any floating type.
        """
        if rows.shape[1] > self.capacity:
            stamps_ns = [stamps[-self.capacity :] for stamps in stamps_ns]
            rows = rows[:, -self.capacity :]
        starts = [self._make_room(slot, run) for slot, run in zip(slots, stamps_ns, strict=True)]
        count = rows.shape[1]
        rows = rows.to(self.rows.dtype)
        if self._shared is not None:
            for slot, start, run in zip(slots, starts, rows.numpy(), strict=True):
                self._shared[slot, start : start + count] = run
        elif len(slots) == 1:
            self.rows[slots[0], starts[0] : starts[0] + count] = rows[0]
        else:
            self.rows.flatten(0, 1)[self._places(slots, starts, count)] = rows

    def append_newest(self, slots: Sequence[int], stamps_ns: Sequence[int], rows: Tensor) -> None:
        """Store the next row of each of n different streams; the newest N stay.

        Args:
            slots: n slots.
            stamps_ns: of each of them a stamp.
            rows: (n, ...), of any floating type.
        """
        runs_ns = [(stamp_ns,) for stamp_ns in stamps_ns]
        if self._shared is None or rows.dtype is not self.rows.dtype:
            self.append(slots, runs_ns, rows.unsqueeze(1))
            return
        for slot, run_ns, row in zip(slots, runs_ns, rows.numpy(), strict=True):
            self._shared[slot, self._make_room(slot, run_ns)] = row

    def _make_room(self, slot: int, stamps_ns: Sequence[int]) -> int:
        """Note the stamps of a slot's next rows, and return the place of the first."""
        count = len(stamps_ns)
        if self._end[slot] + count > 2 * self.capacity:
            self._move_to_the_beginning(slot, self.capacity - count)
        start, end = self._end[slot], self._end[slot] + count
        newest_ns = self._stamps_ns[slot, start - 1] if self._filled[slot] else stamps_ns[0]
        for stamp_ns in stamps_ns:
            if stamp_ns < newest_ns:
                self._in_order[slot] = False
            newest_ns = stamp_ns
        self._stamps_ns[slot, start:end] = stamps_ns
        self._end[slot] = end
        self._filled[slot] = min(self._filled[slot] + count, self.capacity)
        return start

    def _places(self, slots: Sequence[int], starts: Sequence[int], count: int) -> Tensor:
        """Return where ``count`` rows of each slot lie among those of all, int64 (n, count)."""
        first = np.array(slots) * (2 * self.capacity) + np.array(starts)
        return upload(first[:, None] + np.arange(count), self.rows.device)

    def _move_to_the_beginning(self, slot: int, keep: int) -> None:
        """Move the newest rows, ``keep`` of them or as many as there are; the others are lost."""
        keep, end = min(keep, self._filled[slot]), self._end[slot]
        # They lie behind the middle, so nothing is overwritten before it was read.
        self.rows[slot, :keep] = self.rows[slot, end - keep : end]
        self._stamps_ns[slot, :keep] = self._stamps_ns[slot, end - keep : end]
        self._end[slot] = self._filled[slot] = keep

    def visible_window(
        self,
        slots: Sequence[int],
        t_ns: Sequence[int],
        window_s: float,
        *,
        most: int | None = None,
        whole: bool = False,
    ) -> AttentionView:
        """Return what a query of each of n streams sees; see :func:`visible_window`.

        Args:
            slots: of the streams.
            t_ns: times of the queries.
            window_s: largest age seen, seconds.
            most: how many of the newest rows may be seen; None for all that are held.
            whole: view all N rows, whatever is seen of them.
        """
        stored = [self.stored(slot) for slot in slots]
        return visible_window(
            stored, t_ns, window_s, most=most, whole=whole, age_type=self._age_type
        )

    def view(self, slots: Sequence[int], window: AttentionView) -> Tensor:
        """Return the rows of a view (n, V, ...); of a single stream, no copy.

        Args:
            slots: of the n streams.
            window: of the same streams.
        """
        count = window.seen.shape[1]
        if len(slots) == 1:
            slot, start = slots[0], window.start[0]
            if self._shared is not None:
                return torch.from_numpy(self._shared[slot : slot + 1, start : start + count])
            return self.rows[slot : slot + 1, start : start + count]
        return self.rows.flatten(0, 1)[self._places(slots, window.start, count)]

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
        self._shared = _array_over(self.rows)
        self._stamps_ns = np.pad(self._stamps_ns, ((0, more), (0, 0)))
        self._filled += [0] * more
        self._end += [0] * more
        self._in_order += [True] * more


def _array_over(tensor: Tensor) -> NDArray[np.floating] | None:
    """Return an array over a tensor's memory, which is quicker to index; None on a GPU."""
    return tensor.numpy() if tensor.device.type == 'cpu' else None


def grown(old: Tensor, slots: int) -> Tensor:
    """Return a tensor of ``slots`` slots that begins with those of ``old``.

    Args:
        old: slots first.
        slots: at least as many as it has.
    """
    new = old.new_zeros((slots, *old.shape[1:]))
    new[: len(old)] = old
    return new
