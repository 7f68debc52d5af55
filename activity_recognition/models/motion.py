"""What moves: one token per frame from its difference to a frame a moment ago.

Shapes: B batch, T frames, N frames of any rows, S image side, D width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from activity_recognition.config import ModelConfig
from activity_recognition.models.exposure import exposed, exposure_gain
from activity_recognition.models.work import (
    PER_MULTIPLY_ADD,
    Work,
    bytes_of,
    convolution_operations,
)
from activity_recognition.types import NANOSECONDS, to_ns

LONGEST = 4.0
"""Times ``motion_span_s`` after which a frame is too old to be compared with."""
AT_ONCE = 256
"""Frames handled at once, so that memory does not grow with a recording."""
FULL_SCALE = 64.0
"""Levels of 255 that are 1 for a network."""
_NEVER_NS = torch.iinfo(torch.int64).max


@dataclass(slots=True, eq=False)
class MotionState:
    """What a stream keeps to compare the next frames with."""

    frames: deque[tuple[int, Any]] = field(default_factory=deque)
    """Stamps and grey frames (S, S) on the device, or key points (J, 3) on the host, in order of
    arrival."""

    def clear(self) -> None:
        """Forget every frame."""
        self.frames.clear()


class Pairs(NamedTuple):
    """Some frames of padded rows, and what they are compared with."""

    row: Tensor
    """int64 (N,)."""
    place: Tensor
    """int64 (N,), in the row."""
    grey: Tensor
    """(N, S, S), levels."""
    earlier: Tensor
    """(N, S, S), levels."""
    gain: Tensor | None
    """(N,), of both; None leaves them."""


class FrameComparison(nn.Module):
    """Finds the frame that another is compared with.

    That is the newest one that is at least ``motion_span_s`` older, so that the camera's rate
    matters little. Where there is no such frame, nothing moves.
    """

    project: nn.Linear
    """The last layer, to a token; its weights have the precision."""

    def __init__(self, config: ModelConfig) -> None:
        """Take the span from ``config.video``."""
        super().__init__()
        span_s = config.video.motion_span_s
        self.span_ns = to_ns(span_s)
        self.longest_ns = to_ns(span_s * LONGEST)
        self._exposes = config.video.exposure == 'normalise'

    def gain(self, frames: Tensor) -> Tensor | None:
        """Return the gain (N,) of uint8 frames (N, S, S, 3), None where their exposure stays.

        An earlier frame gets that of the one it is compared with, or all that stands still would
        change when something bright enters.
        """
        return exposure_gain(frames) if self._exposes else None

    def recall(
        self, greys: Tensor, stamps_ns: Sequence[int], states: Sequence[MotionState]
    ) -> tuple[Tensor, list[bool]]:
        """Return what the next frames (N, S, S) are compared with, and remember them.

        Args:
            greys: of any streams, those of one stream in order of arrival.
            stamps_ns: N stamps.
            states: per frame the state of its stream.

        Returns:
            (N, S, S), the frame itself where there is no earlier one, and whether there is.
        """
        earlier, found = [], []
        for grey, stamp_ns, state in zip(greys, stamps_ns, states, strict=True):
            old = self._compared(stamp_ns, state)
            earlier.append(grey if old is None else old)
            found.append(old is not None)
            # A copy: a view would keep the whole batch.
            state.frames.append((stamp_ns, grey.clone()))
        return torch.stack(earlier), found

    def _compared(self, stamp_ns: int, state: MotionState) -> Tensor | None:
        """Return the grey frame to compare one of ``stamp_ns`` with; forgets those too old."""
        self.forget(stamp_ns, state)
        old = [past for past_ns, past in state.frames if stamp_ns - past_ns >= self.span_ns]
        return old[-1] if old else None

    def forget(self, stamp_ns: int, state: MotionState) -> None:
        """Drop the frames that are too old to be compared with.

        Args:
            stamp_ns: of the next frame.
            state: of its stream.
        """
        while state.frames and stamp_ns - state.frames[0][0] > self.longest_ns:
            state.frames.popleft()

    def earlier(self, stamps_ns: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the index of the frame that each is compared with, and whether there is one.

        Args:
            stamps_ns: int64 (B, T), increasing along T.
            mask: bool (B, T), False for padding, which comes last in a row.
        """
        ordered = stamps_ns.masked_fill(~mask, _NEVER_NS)
        latest_ns = stamps_ns - self.span_ns
        index = torch.searchsorted(ordered, latest_ns, right=True) - 1
        found = index >= 0
        index = index.clamp(min=0)
        age_ns = stamps_ns - stamps_ns.gather(1, index)
        return index, found & (age_ns <= self.longest_ns)

    def oldest(self, stamps_ns: Tensor, mask: Tensor) -> Tensor:
        """Return the index of the oldest frame that each may be compared with; perhaps its own.

        Args:
            stamps_ns: int64 (B, T), increasing along T.
            mask: bool (B, T), False for padding, which comes last in a row.
        """
        ordered = stamps_ns.masked_fill(~mask, _NEVER_NS)
        # Of padding, whatever lies in the row.
        found = torch.searchsorted(ordered, stamps_ns - self.longest_ns)
        return found.clamp(max=mask.shape[1] - 1)

    def pairs(
        self, frames: Tensor, index: Tensor, wanted: Tensor, *, first: int = 0
    ) -> Iterator[Pairs]:
        """Yield the wanted frames of padded rows, row by row, each with what it is compared with.

        Args:
            frames: uint8 (B, T, S, S, 3).
            index: int64 (B, T), of :meth:`earlier`.
            wanted: bool (B, W), of the W frames from the place ``first`` on.
            first: in 0 .. T - W.

        Yields:
            At most :data:`AT_ONCE` frames at a time; one without any where none is wanted.
        """
        for row, offset in (part.unbind(-1) for part in wanted.nonzero().split(AT_ONCE)):
            place = offset + first
            images = frames[row, place]
            yield Pairs(
                row=row,
                place=place,
                grey=grey_levels(images, self.dtype),
                earlier=grey_levels(frames[row, index[row, place]], self.dtype),
                gain=self.gain(images),
            )

    @property
    def dtype(self) -> torch.dtype:
        """Of the grey levels: that of the weights."""
        weight: Tensor = self.project.weight
        return weight.dtype


class MotionEncoder(FrameComparison):
    """Convolutions over a difference of grey levels; pooled, so that it matters little where.

    Differences tell a movement from a background from few examples (compare the temporal stream of
    Simonyan & Zisserman 2014).
    """

    def __init__(self, config: ModelConfig) -> None:
        """Create one stride-2 convolution per entry of ``video.motion_channels``."""
        super().__init__(config)
        layers: list[nn.Module] = []
        inputs = 2
        for outputs in config.video.motion_channels:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(1, outputs),
                nn.ReLU(),
            ]
            inputs = outputs
        self.convolutions = nn.Sequential(*layers)
        self._size_px = config.video.input_size_px
        self.project = nn.Linear(2 * inputs, config.hidden_dim)

    @property
    def receptive_field_s(self) -> float:
        """How far back the frame compared with may lie, seconds."""
        return self.longest_ns / NANOSECONDS

    def work(self) -> Work:
        """Return the work of one frame and the one that it is compared with."""
        return Work(
            products=PER_MULTIPLY_ADD * self.project.weight.numel()
            + convolution_operations(self.convolutions, self._size_px),
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
        tokens = [
            self.encode(some.grey, some.earlier, found[some.row, some.place], some.gain)
            for some in self.pairs(frames, index, mask)
        ]
        return torch.cat(tokens)

    def step(
        self, frames: Tensor, stamps_ns: Sequence[int], states: Sequence[MotionState]
    ) -> Tensor:
        """Encode the next frames, uint8 (N, S, S, 3), to (N, D), and remember them.

        Args:
            frames: of any streams, those of one stream in order of arrival.
            stamps_ns: N stamps.
            states: per frame the state of its stream.
        """
        greys = grey_levels(frames, self.dtype)
        earlier, found = self.recall(greys, stamps_ns, states)
        # Pinned, or a GPU would make the host wait for all that it was asked before.
        there = torch.tensor(found, pin_memory=greys.is_cuda)
        there = there.to(greys.device, non_blocking=True)
        return self.encode(greys, earlier, there, self.gain(frames))

    def encode(
        self, grey: Tensor, earlier: Tensor, found: Tensor, gain: Tensor | None = None
    ) -> Tensor:
        """Encode differences of (N, S, S) to (N, D), of nothing where ``found`` (N,) is False.

        Args:
            grey: levels of the frames, (N, S, S).
            earlier: levels of the frames compared with, (N, S, S).
            found: whether there is an earlier frame, bool (N,).
            gain: of both frames, (N,).
        """
        change = exposed(grey - earlier, gain) * found[:, None, None].to(grey.dtype)
        x = self.convolutions(torch.stack((change, change.abs()), dim=1))
        pooled = torch.cat((x.mean((-2, -1)), x.amax((-2, -1))), dim=-1)
        token: Tensor = self.project(pooled)
        return token


def grey_levels(frames: Tensor, dtype: torch.dtype) -> Tensor:
    """Return uint8 frames (N, S, S, 3) as levels (N, S, S) around 0.

    Args:
        frames: uint8 (N, S, S, 3).
        dtype: of the result.
    """
    return (frames.to(dtype).mean(-1) - 127.5) / FULL_SCALE
