"""Which backend runs the steps: what is asked for, or the fastest that gives PyTorch's numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.backends.compiled import CompiledBackend
from activity_recognition.inference.backends.cuda_graph import CudaGraphBackend
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.inference.backends.trial import (
    check_equivalence,
    check_nearness,
    step_times,
)
from activity_recognition.inference.precision import Precision
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.exporting import cache_folder, read_description
from activity_recognition.models.quantising import QUANTISED
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import ActivityRecognitionSystem

ONNX_FOLDER = 'onnx'
"""Of exported steps beside a checkpoint."""
TORCH, ONNX, INT8, CUDA_GRAPH = 'torch', 'onnxruntime', 'onnxruntime-int8', 'cudagraph'


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What runs the steps, and why."""

    backend: Backend
    reason: str
    """One sentence."""
    problem: str = ''
    """Why it is not what was asked for; empty where it is."""
    times_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of each step by each backend, where they were measured."""


class MixedBackend:
    """Each step by the backend that is fastest at it."""

    def __init__(self, by_step: Mapping[str, Backend]) -> None:
        """Run each step by the backend given for it."""
        names = sorted({backend.name for backend in by_step.values()})
        self.name = '+'.join(names)
        self.fixed = any(backend.fixed for backend in by_step.values())
        self._by_step = dict(by_step)

    def run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a step; see :class:`Backend`.

        Args:
            step: its name.
            inputs: of the step, in its order.
        """
        return self._by_step[step].run(step, *inputs)


def choose_backend(
    name: str, checkpoint: Checkpoint, precision: Precision, *, num_threads: int
) -> Choice:
    """Return what runs the steps of a network that lies on its device already.

    Args:
        name: ``engine.backend``. What cannot be had is replaced by PyTorch, and said.
        checkpoint: the network; steps exported beside it or to the cache are used.
        precision: device and dtype.
        num_threads: of ONNX Runtime, within an operator.
    """
    system = checkpoint.system
    steps = precision.with_cast_weights(Steps(system).eval())
    eager = EagerBackend(steps)
    if name == TORCH:
        return Choice(backend=eager, reason='torch, as asked for')
    if name == 'auto':
        return _fastest(steps, checkpoint, precision, num_threads)
    try:
        backend = _make(name, steps, checkpoint, precision, num_threads)
        if name == INT8:
            check_nearness(backend, eager, system)
        else:
            check_equivalence(backend, eager, system, precision)
        if isinstance(backend, CudaGraphBackend):
            backend.end_trial()  # its shapes do not come again
    except BackendError as error:
        return Choice(backend=eager, reason=f'torch instead of {name}', problem=str(error))
    reason = f'{name}, as asked for'
    if isinstance(backend, OnnxRuntimeBackend) and backend.precise:
        reason += (
            '; in the precise mode of ONNX Runtime, because its faster products of 8-bit integers '
            'saturate on this processor, which lacks VNNI'
        )
    return Choice(backend=backend, reason=reason)


def exported(checkpoint: Checkpoint) -> Path:
    """Return the folder with a network's exported steps, beside its checkpoint or in the cache.

    Raises:
        BackendError: there is none.
    """
    beside = checkpoint.path / ONNX_FOLDER
    folder = beside if beside.is_dir() else cache_folder(checkpoint.system)
    read_description(folder, checkpoint.system)
    return folder


def _fastest(
    steps: Steps, checkpoint: Checkpoint, precision: Precision, num_threads: int
) -> Choice:
    """Compare with ONNX Runtime on a CPU, with graphs on CUDA. Neither compiles nor quantises."""
    eager = EagerBackend(steps)
    rival = CUDA_GRAPH if precision.device.type == 'cuda' else ONNX
    if rival == ONNX and importlib.util.find_spec('onnxruntime') is None:
        return Choice(backend=eager, reason='torch: onnxruntime is not installed')
    system = checkpoint.system
    try:
        other = _make(rival, steps, checkpoint, precision, num_threads)
        check_equivalence(other, eager, system, precision)
        with torch.inference_mode(), precision.autocast():
            times_s = step_times({TORCH: eager, rival: other}, system)
        if isinstance(other, CudaGraphBackend):
            other.end_trial()
    except (BackendError, RuntimeError) as error:  # CUDA's own errors are RuntimeErrors
        return Choice(backend=eager, reason=f'torch: {error}')
    faster = {step: other if t[rival] < t[TORCH] else eager for step, t in times_s.items()}
    measured = ', '.join(
        f'{step} {faster[step].name} ({t[TORCH] * 1e3:.2f} and {t[rival] * 1e3:.2f} ms)'
        for step, t in times_s.items()
    )
    return Choice(
        backend=MixedBackend(faster),
        reason=f'the faster of torch and {rival} for each step: {measured}',
        times_s=times_s,
    )


def _make(
    name: str, steps: Steps, checkpoint: Checkpoint, precision: Precision, num_threads: int
) -> Backend:
    system: ActivityRecognitionSystem = checkpoint.system
    if name == 'compile':
        with torch.inference_mode(), precision.autocast():
            return CompiledBackend(steps, system)
    if name == CUDA_GRAPH:
        return CudaGraphBackend(EagerBackend(steps), precision)
    like = system.classifier.weight
    if precision.device.type != 'cpu' or precision.dtype is not torch.float32:
        raise BackendError(
            f'{name} runs float32 on the CPU, got {precision.name}; '
            "set engine.backend to 'torch' or 'auto'"
        )
    if like.dtype is not torch.float32:
        raise BackendError(f'{name} runs float32 weights, got {like.dtype}')
    folder, names = exported(checkpoint), [spec.name for spec in steps.specs]
    if name == INT8:
        if not (folder / QUANTISED).is_dir():
            raise BackendError(
                f'expected steps with 8-bit weights in {folder / QUANTISED}, found none; '
                'export them with `activity-recognition export --int8`'
            )
        return OnnxRuntimeBackend(folder / QUANTISED, names, num_threads=num_threads, name=INT8)
    return OnnxRuntimeBackend(folder, names, num_threads=num_threads)
