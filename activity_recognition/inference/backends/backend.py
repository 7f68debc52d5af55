"""The interface of a backend: the five steps of :mod:`activity_recognition.models.steps`."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Backend(Protocol):
    """Runs the steps of one network. Tensors lie on the network's device.

    What is returned may be overwritten by the next call of the same step: copy what is to stay.
    """

    name: str
    """As in ``engine.backend``."""
    fixed: bool
    """Whether it wants views of one shape: whole rings."""

    def frame(self, images: Tensor) -> Tensor:
        """Do :class:`FrameStep`."""
        ...

    def look_back(
        self, tokens: Tensor, past: Tensor, age_s: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Do :class:`LookBackStep`."""
        ...

    def sound(self, blocks: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Do :class:`SoundStep`."""
        ...

    def utterance(self, pieces: Tensor, there: Tensor) -> Tensor:
        """Do :class:`UtteranceStep`."""
        ...

    def decision(self, newest: Tensor, *memories: Tensor) -> Tensor:
        """Do :class:`DecisionStep`."""
        ...
