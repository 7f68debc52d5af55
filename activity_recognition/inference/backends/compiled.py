"""torch.compile: kernels made for this network on this machine, by TorchInductor."""

from __future__ import annotations

import shutil
from typing import Any

import torch
from torch import Tensor

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.models.examples import Sizes, example_inputs
from activity_recognition.models.steps import STEPS, Steps
from activity_recognition.models.system import ActivityRecognitionSystem

_MADE_FOR = (Sizes(streams=1, rows=32, blocks=2), Sizes(streams=2, rows=48, blocks=3, decisions=4))
"""Calls of both kinds that occur; other sizes need no other kernels."""


class CompiledBackend(EagerBackend):
    """Calls the compiled steps; takes a minute or more to make, and a C++ compiler."""

    name = 'compile'

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Compile the steps of ``system`` for its device and dtype.

        Raises:
            BackendError: there is no compiler, or it does not take a step.
        """
        if system.classifier.weight.device.type == 'cpu' and not _has_compiler():
            raise BackendError(
                "the backend 'compile' needs a C++ compiler on the PATH (g++ or clang++), "
                "found none; install one, or set engine.backend to 'auto'"
            )
        steps = Steps(system).eval()
        for name in STEPS:
            compiled: Any = torch.compile(getattr(steps, name), dynamic=True)
            setattr(steps, name, compiled)
        super().__init__(steps)
        try:
            self._make(system)
        except Exception as error:  # the compiler's errors are many
            first = str(error).strip().splitlines()[0] if str(error).strip() else ''
            raise BackendError(
                f'torch.compile does not take this network here: {type(error).__name__}: {first}; '
                "set engine.backend to 'auto'"
            ) from error

    def _make(self, system: ActivityRecognitionSystem) -> None:
        """Call every step once per kind of sizes, which compiles it."""
        for sizes in _MADE_FOR:
            inputs = example_inputs(system, sizes)
            for name in STEPS:
                call: Any = getattr(self, name)
                result: Tensor | tuple[Tensor, ...] = call(*inputs[name])
                del result


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in ('g++', 'clang++', 'c++'))
