"""PyTorch as it is: every device, precision and network; the reference of the other backends."""

from __future__ import annotations

from torch import Tensor

from activity_recognition.models.steps import Steps


class EagerBackend:
    """Calls the steps as they are written."""

    name = 'torch'
    fixed = False

    def __init__(self, steps: Steps) -> None:
        """Run ``steps``."""
        self._steps = steps
        self._by_name = dict(steps.named_children())

    def run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a step; see :class:`Backend`.

        Args:
            step: its name.
            inputs: of the step, in its order.
        """
        result: Tensor | tuple[Tensor, ...] = self._by_name[step](*inputs)
        return (result,) if isinstance(result, Tensor) else result
