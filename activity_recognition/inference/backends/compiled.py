"""torch.compile: kernels for this network on this machine, by TorchInductor."""

from __future__ import annotations

import contextlib
import shutil
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import ActivityRecognitionSystem

_STEP = 'frame'
"""What is compiled."""
_STREAMS = (1, 2)
"""Numbers of frames that are compiled for: one, and any other number."""


class CompiledBackend(EagerBackend):
    """Calls the compiled frame step, which is most of the arithmetic, and the others as they are.

    The others take inputs of many sizes, and a compiler makes kernels again for every kind of size:
    minutes in all, some of them while a robot waits.
    """

    name = 'compile'

    def __init__(self, steps: Steps, system: ActivityRecognitionSystem) -> None:
        """Compile the frame step for its device and dtype, which takes half a minute.

        Args:
            steps: of the network.
            system: the network.

        Raises:
            BackendError: there is no compiler, it does not take the step, or the network has no
                frames.
        """
        if _STEP not in {spec.name for spec in steps.specs}:
            raise BackendError(
                "the backend 'compile' compiles the step of a frame, got a network without video; "
                "set engine.backend to 'auto'"
            )
        if system.classifier.weight.device.type == 'cpu' and not _has_compiler():
            raise BackendError(
                "the backend 'compile' needs a C++ compiler on the PATH (g++ or clang++), "
                "found none; install one, or set engine.backend to 'auto'"
            )
        super().__init__(steps)
        # As one graph or not at all: past its limit of networks in one process, and where it cannot
        # follow the step, the compiler would run it as it is and say nothing.
        self._compiled = torch.compile(steps.get_submodule(_STEP), dynamic=True, fullgraph=True)
        try:
            with _without_advice():
                for streams in _STREAMS:
                    self.run(_STEP, *example_inputs(system, Sizes(streams=streams))[_STEP])
        except Exception as error:  # the compiler's errors are many
            first = str(error).strip().splitlines()[0] if str(error).strip() else ''
            raise BackendError(
                f'torch.compile does not take this network here: {type(error).__name__}: {first}; '
                "set engine.backend to 'auto'"
            ) from error

    def run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a step; see :class:`Backend`.

        Args:
            step: its name.
            inputs: of the step, in its order.
        """
        if step != _STEP:
            return super().run(step, *inputs)
        # Of one image the first stride is any number (numpy.stack), which would be compiled for,
        # while a robot waits.
        return (self._compiled(*(given.flatten().view(given.shape) for given in inputs)),)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Drop the advice to multiply in TF32; where warnings are errors it would end the compiling.

    In which precision the network runs is the user's choice.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='TensorFloat32 tensor cores')
        yield


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in ('g++', 'clang++', 'c++'))
