"""How a step of the network is described, once: for backends, exports, examples and timings.

A step is a function of tensors alone, with the state passed in and out. Each encoder describes its
own (:meth:`Encoder.steps`); :mod:`activity_recognition.models.steps` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from activity_recognition.models.system import ActivityRecognitionSystem


RING_ROOM = 2
"""A ring has room for so many times the rows that it holds."""
VIEW_ROWS = 16
"""A view of the past has a multiple of so many rows, so that few shapes occur: what plans memory or
kernels by shape plans them seldom."""


def viewed_rows(needed: int, capacity: int) -> int:
    """Return how many rows of the past a step computes with.

    Args:
        needed: rows that it may see.
        capacity: rows that are kept; there is room for :data:`RING_ROOM` times as many, of which a
            view is a part.
    """
    return min(-(-max(needed, 1) // VIEW_ROWS) * VIEW_ROWS, RING_ROOM * capacity)


@dataclass(frozen=True, slots=True)
class StepInput:
    """One tensor that goes into a step."""

    name: str
    free: int
    """How many leading dimensions may change from call to call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Sizes that differ from call to call."""

    streams: int = 1
    rows: int = 64
    """Of the past and of each memory; no more than the rings have room for is needed, nor less."""
    length: int = 0
    """How much one stream brings at once, such as blocks of a spectrogram or subword tokens; 0 for
    what is typical of each step."""
    decisions: int = 1


class Draw:
    """Seeded numbers on the device and in the dtype of a network's weights."""

    def __init__(self, like: Tensor, seed: int) -> None:
        """Draw tensors like ``like``.

        Args:
            like: one of the weights.
            seed: of everything that is drawn.
        """
        self._like = like
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Return numbers with a mean of 0 and a variance of 1."""
        return torch.randn(shape, generator=self._generator).to(self._like)

    def mask(self, *shape: int) -> Tensor:
        """Return bool, seven in ten True."""
        return (torch.rand(shape, generator=self._generator) < 0.7).to(self._like.device)

    def ages(self, horizon_s: float, *shape: int) -> Tensor:
        """Return ages in [0, ``horizon_s``) seconds.

        Args:
            horizon_s: above the greatest, seconds.
            shape: of the result.
        """
        return (torch.rand(shape, generator=self._generator) * horizon_s).to(self._like)

    def integers(self, limit: int, *shape: int) -> Tensor:
        """Return int64 in [0, ``limit``).

        Args:
            limit: above the greatest.
            shape: of the result.
        """
        drawn = torch.randint(0, limit, shape, generator=self._generator)
        return drawn.to(self._like.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSpec:
    """One step: its module, what goes in and comes out, and made-up inputs."""

    name: str
    module: Callable[[ActivityRecognitionSystem], nn.Module]
    """Makes it with the weights of a network."""
    inputs: tuple[StepInput, ...]
    outputs: tuple[str, ...]
    variadic_from: int | None = None
    """Index of the first of the inputs that the module takes as ``*inputs``; None for none."""
    length: int = 1
    """Typical of :attr:`Sizes.length`."""
    example: Callable[[ActivityRecognitionSystem, Sizes, Draw], tuple[Tensor, ...]]
    """Makes inputs of the sizes given."""
    extremes: Callable[[ActivityRecognitionSystem], tuple[Tensor, ...]] | None = None
    """Makes inputs unlike noise, where there are such."""
    inputs_of: Callable[[ActivityRecognitionSystem], tuple[StepInput, ...]] | None = None
    """Describes the inputs where they depend on the network; None takes :attr:`inputs`."""

    def of(self, system: ActivityRecognitionSystem) -> StepSpec:
        """Return the step of a network, with the inputs that it has there."""
        return self if self.inputs_of is None else replace(self, inputs=self.inputs_of(system))

    def inputs_for(
        self, system: ActivityRecognitionSystem, sizes: Sizes, *, seed: int = 0
    ) -> tuple[Tensor, ...]:
        """Return seeded inputs on the device and in the dtype of the weights.

        Args:
            system: the network.
            sizes: that differ from call to call.
            seed: of the numbers.
        """
        sizes = replace(sizes, length=sizes.length or self.length)
        return self.example(system, sizes, Draw(system.classifier.weight, seed))
