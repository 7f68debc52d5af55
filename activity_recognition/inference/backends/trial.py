"""Hold a backend against PyTorch on made-up inputs: equal numbers, and how long each step takes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.precision import Precision
from activity_recognition.models.examples import Sizes, example_inputs, extreme_images
from activity_recognition.models.steps import STEPS
from activity_recognition.models.system import ActivityRecognitionSystem

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}
"""By the dtype of matrix products; absolute, and as much for each unit of the largest number in a
result: its smaller ones are sums of numbers as large."""
NEAR = 0.2
"""Of a step with 8-bit weights: the largest norm of its error, as a share of the norm of what
PyTorch returns. Rounding to 8 bits costs a tenth of it."""
_COMPARED = (
    Sizes(streams=1, rows=16, blocks=1),
    Sizes(streams=1, rows=64, blocks=2, decisions=4),
    Sizes(streams=3, rows=48, blocks=3, pieces=4),
)
_TIMED = Sizes(streams=1, rows=64, blocks=2)
_ROUNDS, _WARM_UP = 15, 3


def hold_against(
    backend: Backend,
    reference: Backend,
    system: ActivityRecognitionSystem,
    precision: Precision | None = None,
) -> None:
    """Compare all steps.

    Args:
        backend: what is looked at.
        reference: what it should equal.
        system: the network.
        precision: what it runs in; float32 by default.

    Raises:
        BackendError: a step gives other numbers than ``reference``.
    """
    dtype = torch.float32 if precision is None else precision.dtype
    autocast = nullcontext if precision is None else precision.autocast
    tolerance = TOLERANCE[dtype]
    for sizes in _COMPARED:
        # Of the kind that an engine passes: for tensors of another, a compiler makes kernels anew.
        with torch.inference_mode():
            inputs = example_inputs(system, sizes)
        for step in STEPS:
            with torch.inference_mode(), autocast():
                got, wanted = (_results(b, step, inputs[step]) for b in (backend, reference))
            for one, other in zip(got, wanted, strict=True):
                if one.shape != other.shape:
                    raise BackendError(
                        f'the step {step!r} by {backend.name} returns the shape '
                        f'{tuple(one.shape)}, expected {tuple(other.shape)}; it is not used'
                    )
                allowed = tolerance * (1.0 + float(other.abs().max()))
                # Not a number is no equality.
                if not bool(((one - other).abs() <= allowed).all()):
                    raise BackendError(
                        f'the step {step!r} by {backend.name} differs from PyTorch by '
                        f'{float((one - other).abs().max()):.2g}, expected at most {allowed:.2g}; '
                        'it is not used'
                    )


def hold_near(backend: Backend, reference: Backend, system: ActivityRecognitionSystem) -> None:
    """Compare all steps, in float32 on the CPU, with what 8-bit weights may change.

    Args:
        backend: what is looked at.
        reference: what it should come near.
        system: the network.

    Raises:
        BackendError: a step is further from ``reference`` than :data:`NEAR`.
    """
    size_px = system.config.video.input_size_px
    with torch.inference_mode():
        given = [example_inputs(system, sizes) for sizes in _COMPARED]
        given.append({'frame': (extreme_images(size_px),)})
        for inputs, step in itertools.product(given, STEPS):
            if step not in inputs:
                continue
            got, wanted = (_results(b, step, inputs[step]) for b in (backend, reference))
            for one, other in zip(got, wanted, strict=True):
                error, size = float((one - other).norm()), float(other.norm())
                # Not a number is not near.
                if not error <= NEAR * size:
                    raise BackendError(
                        f'the step {step!r} by {backend.name} differs from PyTorch by '
                        f'{100 * error / max(size, 1e-30):.0f} % of its size, expected at most '
                        f'{100 * NEAR:.0f} %; it is not used: export it again here with '
                        '`activity-recognition export --int8`, or set engine.backend to '
                        "'onnxruntime'"
                    )


def step_times(
    backends: Mapping[str, Backend], system: ActivityRecognitionSystem
) -> dict[str, dict[str, float]]:
    """Return the median time of each step by each backend, seconds; measured in turn.

    Returns:
        Times by step and name of the backend.
    """
    inputs = example_inputs(system, _TIMED)
    times: dict[str, dict[str, list[float]]] = {s: {b: [] for b in backends} for s in STEPS}
    for number in range(_WARM_UP + _ROUNDS):
        for step in STEPS:
            for name, backend in backends.items():
                spent_s = _timed(getattr(backend, step), inputs[step])
                if number >= _WARM_UP:
                    times[step][name].append(spent_s)
    return {
        step: {name: statistics.median(spent) for name, spent in of_step.items()}
        for step, of_step in times.items()
    }


def _timed(call: Callable[..., object], inputs: tuple[Tensor, ...]) -> float:
    before_s = time.perf_counter()
    call(*inputs)
    if inputs[0].is_cuda:
        torch.cuda.synchronize(inputs[0].device)  # work is only queued until then
    return time.perf_counter() - before_s


def _results(backend: Backend, step: str, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    result: Any = getattr(backend, step)(*inputs)
    return result if isinstance(result, tuple) else (result,)
