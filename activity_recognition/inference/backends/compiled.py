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
from activity_recognition.models.examples import Sizes, example_inputs
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import ActivityRecognitionSystem

_STREAMS = (1, 2)
"""Numbers of frames that are compiled for: one, and any other number."""


class CompiledBackend(EagerBackend):
    """Calls the compiled frame step, which is most of the arithmetic, and the others as they are.

    The others take inputs of many sizes, and a compiler makes kernels anew for every kind of size:
    minutes in all, some of them while a robot waits.
    """

    name = 'compile'

    def __init__(self, steps: Steps, system: ActivityRecognitionSystem) -> None:
        """Compile the steps of ``system``, for its device and dtype, which takes half a minute.

        Raises:
            BackendError: there is no compiler, or it does not take the step.
        """
        if system.classifier.weight.device.type == 'cpu' and not _has_compiler():
            raise BackendError(
                "the backend 'compile' needs a C++ compiler on the PATH (g++ or clang++), "
                "found none; install one, or set engine.backend to 'auto'"
            )
        super().__init__(steps)
        # In one piece or not at all: past its limit of networks in one process, and where it cannot
        # follow the step, the compiler would run it as it is and say nothing.
        self._frame = torch.compile(self._steps.frame, dynamic=True, fullgraph=True)
        try:
            with _without_advice():
                for streams in _STREAMS:
                    self.frame(*example_inputs(system, Sizes(streams=streams))['frame'])
        except Exception as error:  # the compiler's errors are many
            first = str(error).strip().splitlines()[0] if str(error).strip() else ''
            raise BackendError(
                f'torch.compile does not take this network here: {type(error).__name__}: {first}; '
                "set engine.backend to 'auto'"
            ) from error

    def frame(self, images: Tensor) -> Tensor:
        """Do :class:`FrameStep`."""
        # Of one image the first stride is any number (numpy.stack), which would be compiled for,
        # while a robot waits.
        tokens: Tensor = self._frame(images.flatten().view(images.shape))
        return tokens


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
