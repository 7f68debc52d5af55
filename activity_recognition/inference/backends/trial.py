"""Compare a backend with PyTorch on made-up inputs: equal numbers, and how long each step takes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.precision import Precision
from activity_recognition.models.examples import example_inputs, extreme_inputs
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.system import ActivityRecognitionSystem

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}
"""By the dtype of matrix products; absolute, and as much for each unit of the largest number in a
result: its smaller ones are sums of numbers as large."""
NEAR = 0.2
"""Of a step with 8-bit weights: the largest norm of its error, as a share of the norm of what
PyTorch returns. Rounding to 8 bits costs a tenth of it."""
_COMPARED = (
    Sizes(streams=1, rows=16, length=1),
    Sizes(streams=1, rows=64, decisions=4),
    Sizes(streams=3, rows=48, length=4),
)
_TIMED = Sizes(streams=1, rows=64)
_ROUNDS, _WARM_UP = 15, 3


def check_equivalence(
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
        # Of the kind that an engine passes: for tensors of another, a compiler makes kernels again.
        with torch.inference_mode():
            inputs = example_inputs(system, sizes)
        for step in inputs:
            with torch.inference_mode(), autocast():
                got, wanted = (b.run(step, *inputs[step]) for b in (backend, reference))
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


def check_nearness(backend: Backend, reference: Backend, system: ActivityRecognitionSystem) -> None:
    """Compare all steps, in float32 on the CPU, with what 8-bit weights may change.

    Args:
        backend: what is looked at.
        reference: what it should come near.
        system: the network.

    Raises:
        BackendError: a step is further from ``reference`` than :data:`NEAR`.
    """
    with torch.inference_mode():
        given = [example_inputs(system, sizes) for sizes in _COMPARED]
        given.append(extreme_inputs(system))
        for step, arguments in itertools.chain(*(inputs.items() for inputs in given)):
            got, wanted = (b.run(step, *arguments) for b in (backend, reference))
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

    Args:
        backends: by name.
        system: the network.

    Returns:
        Times by step and name of the backend.
    """
    inputs = example_inputs(system, _TIMED)
    times: dict[str, dict[str, list[float]]] = {s: {b: [] for b in backends} for s in inputs}
    for number in range(_WARM_UP + _ROUNDS):
        for step in inputs:
            for name, backend in backends.items():
                spent_s = _timed(backend, step, inputs[step])
                if number >= _WARM_UP:
                    times[step][name].append(spent_s)
    return {
        step: {name: statistics.median(spent) for name, spent in of_step.items()}
        for step, of_step in times.items()
    }


def _timed(backend: Backend, step: str, inputs: tuple[Tensor, ...]) -> float:
    before_s = time.perf_counter()
    backend.run(step, *inputs)
    if inputs[0].is_cuda:
        torch.cuda.synchronize(inputs[0].device)  # work is only queued until then
    return time.perf_counter() - before_s
