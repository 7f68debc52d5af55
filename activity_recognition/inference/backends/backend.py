"""The interface of a backend: it runs the steps of :mod:`activity_recognition.models.steps`."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Backend(Protocol):
    """Runs the steps of one network. Tensors lie on the network's device."""

    name: str
    """As in ``engine.backend``."""
    fixed: bool
    """Whether it wants views of one shape: whole rings."""

    def run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a step.

        Args:
            step: its name.
            inputs: what :class:`StepSpec` says of it.

        Returns:
            Its outputs, which may be overwritten by the next call of the same step: copy what is to
            stay.

        Raises:
            BackendError: it does not run.
        """
        ...
