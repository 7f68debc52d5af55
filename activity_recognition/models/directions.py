"""How disordered movement is: directions of what changes, remembered at their place.

Shapes: B batch, T frames, N frames of any rows, Q newest frames, S image side, D width, C channels,
G side of a grid of cells.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.config import ModelConfig
from activity_recognition.models.exposure import exposed
from activity_recognition.models.motion import (
    AT_ONCE,
    FULL_SCALE,
    FrameComparison,
    MotionState,
    grey_levels,
)
from activity_recognition.models.work import PER_MULTIPLY_ADD, Work, bytes_of
from activity_recognition.types import NANOSECONDS, to_ns

CELLS = 16
"""Cells per side in which directions are told apart."""
COARSE = 8
"""Cells per side in which the strongest change is looked for."""
DIRECTIONS = 8
"""Directions that a movement votes for, each the more the nearer it is."""
STRONGEST = 5
"""Cells with the most change whose disorder is a number of its own."""
NUMBERS = 5
"""What is read from all cells."""
_SHARPNESS = 8.0
"""Of the votes; a movement along a direction gives it 84 % of its vote."""
_SLOW_PX = 0.02
"""Movements between two frames below this have no direction: all get the same share."""
_FLAT = 4.0 / FULL_SCALE**2
"""Added to squared gradients, about what noise in an even surface has."""
_FAINT = 1e-3 / FULL_SCALE
"""Added to the change in a cell, so that one in which nothing changes counts as ordered."""
_CENTRE = (2.4, 0.65, 0.97, 0.7, 0.7)
_SPREAD = (0.7, 0.15, 0.02, 0.12, 0.15)
"""About what the five numbers are in short clips of streets, so that none outweighs the others."""


@dataclass(slots=True, eq=False)
class DirectionState(MotionState):
    """What a stream keeps to remember which ways things moved."""

    votes: deque[tuple[int, Tensor]] = field(default_factory=deque)
    """Stamps and votes (C, G, G) of the frames within the memory, in order of arrival."""

    def clear(self) -> None:
        """Forget every frame."""
        self.frames.clear()
        self.votes.clear()


class MotionDirections(FrameComparison):
    """How much changes where most does, and whether one way or all ways: five numbers.

    In each cell, least squares give the movement between two frames (Lucas & Kanade 1981), and the
    mean absolute difference votes for its direction, as in histograms of optical flow (Dalal,
    Triggs & Schmid 2006). Votes are averaged at their place over ``motion_memory_s``. The entropy
    of a cell's votes is near 0 where something passed in one direction, and near 1 where bodies and
    arms went all ways. Entropies are summed up without regard to the place; nothing normalises how
    much changed. No weight comes before these numbers, so that few recordings are enough.
    """

    axes: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Create the projection of the numbers to a token."""
        super().__init__(config)
        self.memory_ns = to_ns(config.video.motion_memory_s)
        angles = torch.arange(DIRECTIONS) * (2.0 * math.pi / DIRECTIONS)
        self.register_buffer('axes', torch.stack((angles.cos(), angles.sin())), persistent=False)
        self.project = nn.Linear(NUMBERS, config.hidden_dim)

    @property
    def receptive_field_s(self) -> float:
        """How far back the oldest frame compared with may lie, seconds."""
        return (self.memory_ns + self.longest_ns) / NANOSECONDS

    @property
    def dtype(self) -> torch.dtype:
        """Of everything before the projection: products of gradients do not fit in 16 bits."""
        return torch.promote_types(self.project.weight.dtype, torch.float32)

    def work(self) -> Work:
        """Return the work of one frame and the one that it is compared with."""
        votes = CELLS**2 * 2 * DIRECTIONS
        return Work(
            products=PER_MULTIPLY_ADD * (votes + self.project.weight.numel()),
            weight_bytes=bytes_of(self),
        )

    def forward(self, frames: Tensor, stamps_ns: Tensor, mask: Tensor) -> Tensor:
        """Encode the frames of a recording that are there.

        Args:
            frames: uint8 (B, T, S, S, 3), in order of arrival.
            stamps_ns: int64 (B, T), increasing along T.
            mask: bool (B, T), False for padding, which comes last in a row.

        Returns:
            (N, D), row by row without the padding.
        """
        index, found = self.earlier(stamps_ns, mask)
        found = found & mask
        first, count, tokens = 0, mask.shape[1], []
        held = torch.zeros(
            len(mask), 0, DIRECTIONS + 1, CELLS, CELLS, dtype=self.dtype, device=mask.device
        )
        for start in range(0, max(count, 1), AT_ONCE):
            stop = min(start + AT_ONCE, count)
            held = torch.cat((held, self._votes_of(frames, index, found, start, stop)), dim=1)
            stamps, there = stamps_ns[:, first:stop], found[:, first:stop]
            tokens.append(self.read(self._averaged(held, stamps, there, stop - start)))
            if stop < count:
                old = stamps_ns[:, stop, None] - stamps > self.memory_ns
                forgotten = old | ~there | ~mask[:, stop, None]
                drop = int(forgotten.all(0).long().cumprod(0).sum())
                held, first = held[:, drop:], first + drop
        return torch.cat(tokens, dim=1)[mask]

    def step(
        self, frames: Tensor, stamps_ns: Sequence[int], states: Sequence[DirectionState]
    ) -> Tensor:
        """Encode the next frames, uint8 (N, S, S, 3), to (N, D), and remember them.

        Args:
            frames: of any streams, those of one stream in order of arrival.
            stamps_ns: N stamps.
            states: per frame the state of its stream.
        """
        greys = grey_levels(frames, self.dtype)
        earlier, found = self.recall(greys, stamps_ns, states)
        votes = self.votes(greys, earlier, self.gain(frames))
        averaged = []
        for new, there, stamp_ns, state in zip(votes, found, stamps_ns, states, strict=True):
            kept = state.votes
            while kept and stamp_ns - kept[0][0] > self.memory_ns:
                kept.popleft()
            if there:
                # A copy: a view would keep the whole batch.
                kept.append((stamp_ns, new.clone()))
            past = [cells for _, cells in kept] or [torch.zeros_like(new)]
            averaged.append(torch.stack(past).mean(0))
        return self.read(torch.stack(averaged))

    def votes(self, grey: Tensor, earlier: Tensor, gain: Tensor | None = None) -> Tensor:
        """Return what changed in each cell between frames (N, S, S).

        Args:
            grey: levels of the frames, (N, S, S).
            earlier: levels of the frames compared with, (N, S, S).
            gain: of both frames, (N,).

        Returns:
            (N, C, G, G), levels: for each direction its share of the change, and last all of it.
        """
        right, down = _gradients(exposed((grey + earlier) / 2, gain))
        change = exposed(grey - earlier, gain)
        products = (right * right, right * down, down * down, right * change, down * change)
        means = F.adaptive_avg_pool2d(torch.stack((*products, change.abs()), dim=1), CELLS)
        xx, xy, yy, xt, yt, changed = means.unbind(1)
        xx, yy = xx + _FLAT, yy + _FLAT
        area = xx * yy - xy * xy
        moved = torch.stack(((xy * yt - yy * xt) / area, (xy * xt - xx * yt) / area), dim=-1)
        length = (moved.square().sum(-1, keepdim=True) + _SLOW_PX**2).sqrt()
        # Directions need more bits than autocast would leave them.
        with torch.autocast(grey.device.type, enabled=False):
            share = (_SHARPNESS * (moved / length) @ self.axes.to(moved.dtype)).softmax(-1)
        parts = torch.cat((share.movedim(-1, 1), torch.ones_like(changed)[:, None]), dim=1)
        return parts * changed[:, None]

    def numbers(self, votes: Tensor) -> Tensor:
        """Sum up averaged votes (..., C, G, G).

        Returns:
            (..., 5): the logarithm of the most change in a coarse cell, levels of 255; and entropy
            of direction, 0 to 1: the mean over cells, the greatest, the mean weighted by change,
            and the mean of the cells with the most change.
        """
        changed = votes[..., -1, :, :]
        sides = (COARSE, CELLS // COARSE)
        coarse = changed.unflatten(-1, sides).unflatten(-3, sides).mean((-3, -1))
        most = coarse.amax((-2, -1)) * FULL_SCALE
        share = votes[..., :-1, :, :] / (changed.unsqueeze(-3) + _FAINT)
        entropy = -(share * (share + 1e-6).log()).sum(-3).flatten(-2) / math.log(DIRECTIONS)
        weight = changed.flatten(-2)
        weighted = (entropy * weight).sum(-1) / (weight.sum(-1) + 1e-6)
        strongest = entropy.gather(-1, weight.topk(STRONGEST, dim=-1).indices).mean(-1)
        return torch.stack(
            (most.log1p(), entropy.mean(-1), entropy.amax(-1), weighted, strongest), dim=-1
        )

    def read(self, votes: Tensor) -> Tensor:
        """Read tokens (..., D) from averaged votes (..., C, G, G)."""
        found = self.numbers(votes)
        scaled = (found - found.new_tensor(_CENTRE)) / found.new_tensor(_SPREAD)
        token: Tensor = self.project(scaled.to(self.project.weight.dtype))
        return token

    def _votes_of(
        self, frames: Tensor, index: Tensor, found: Tensor, start: int, stop: int
    ) -> Tensor:
        """Return the votes (B, stop - start, C, G, G) of some frames, 0 without an earlier one."""
        size = (len(frames), stop - start, DIRECTIONS + 1, CELLS, CELLS)
        result = torch.zeros(size, dtype=self.dtype, device=frames.device)
        for some in self.pairs(frames, index, found[:, start:stop], first=start):
            result[some.row, some.place - start] = self.votes(some.grey, some.earlier, some.gain)
        return result

    def _averaged(self, votes: Tensor, stamps_ns: Tensor, found: Tensor, newest: int) -> Tensor:
        """Return the mean (B, Q, C, G, G) over the memory of each of the ``newest`` frames.

        Frame by frame, as :meth:`step` does, to the last bit: among cells that changed as much as
        each other, rounding decides which are the strongest.
        """
        first = votes.shape[1] - newest
        result = votes.new_zeros(len(votes), newest, *votes.shape[2:])
        for row, (stamps, there) in enumerate(zip(stamps_ns, found, strict=True)):
            for place in range(newest):
                last = first + place
                remembered = stamps[last] - stamps[: last + 1] <= self.memory_ns
                kept = votes[row, : last + 1][remembered & there[: last + 1]]
                if len(kept):
                    result[row, place] = kept.mean(0)
        return result


def _gradients(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return central differences to the right and down of (N, S, S), edges repeated."""
    padded = F.pad(images.unsqueeze(1), (1, 1, 1, 1), mode='replicate').squeeze(1)
    right = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    return right, down
