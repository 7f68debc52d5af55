"""A CUDA graph per step: one launch instead of hundreds (cudaGraphLaunch)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.precision import Precision

_WARM_UP = 3
MOST_GRAPHS = 64
"""Shapes that are captured; further ones run without a graph."""

_log = logging.getLogger(__name__)
_Key = tuple[str, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True, slots=True, eq=False)
class _Captured:
    """A graph with the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def replay(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        for kept, new in zip(self.inputs, inputs, strict=True):
            kept.copy_(new, non_blocking=True)
        self.graph.replay()
        return self.outputs


class CudaGraphBackend:
    """Captures a step the first time that inputs of some shape come, and replays it from then on.

    A step that computes nothing (the frames of a network that looks at motion alone) has no graph.
    A result is overwritten by the next call of the same step with inputs of the same shape.
    """

    name = 'cudagraph'
    fixed = True

    def __init__(self, eager: Backend, precision: Precision) -> None:
        """Capture the steps of ``eager``.

        Args:
            eager: runs them.
            precision: device and dtype.

        Raises:
            BackendError: the device is not CUDA.
        """
        if precision.device.type != 'cuda':
            raise BackendError(
                f"the backend 'cudagraph' needs a CUDA device, got {precision.name}; "
                "set engine.backend to 'auto'"
            )
        self._eager = eager
        self._precision = precision
        # One for all graphs: cuBLAS keeps a workspace for every stream that it has seen.
        self._stream = torch.cuda.Stream(precision.device)
        self._captured: dict[_Key, _Captured | None] = {}
        # An unfinished one is kept: the allocator of PyTorch may still ask it what it captures.
        self._spoilt: list[torch.cuda.CUDAGraph] = []
        self._on_trial = self._capturing = True

    def end_trial(self) -> None:
        """Give up all graphs and their memory; what comes is captured again.

        After a capture that fails from now on no further shape is captured, and a warning says so.
        """
        self._captured.clear()
        self._on_trial = False

    def run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a step; see :class:`Backend`.

        Args:
            step: its name.
            inputs: of the step, in its order.
        """
        key = (step, tuple(tuple(tensor.shape) for tensor in inputs))
        if key in self._captured:
            return self._replay(step, self._captured[key], inputs)
        graphs = sum(captured is not None for captured in self._captured.values())
        if not self._capturing or graphs >= MOST_GRAPHS:
            return self._eager.run(step, *inputs)
        try:
            captured = self._captured[key] = self._capture(step, inputs)
        except RuntimeError as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            failed = f'the step {step!r} cannot be captured as a CUDA graph: {first}'
            if self._on_trial:
                raise BackendError(f"{failed}; set engine.backend to 'torch'") from error
            self._capturing = False
            _log.warning('%s; shapes that were not captured before run without a graph', failed)
            return self._eager.run(step, *inputs)
        return self._replay(step, captured, inputs)

    def _replay(
        self, step: str, captured: _Captured | None, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        return self._eager.run(step, *inputs) if captured is None else captured.replay(inputs)

    def _capture(self, step: str, inputs: tuple[Tensor, ...]) -> _Captured | None:
        """Return the graph of a step; None of one that computes nothing, which has no graph."""
        kept = tuple(tensor.clone() for tensor in inputs)
        return self._record(step, kept) if self._warm_up(step, kept) else None

    def _warm_up(self, step: str, kept: tuple[Tensor, ...]) -> bool:
        """Run a step some times, and return whether it computes anything."""
        device, stream = self._precision.device, self._stream
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream), self._autocast():
            results = [self._eager.run(step, *kept) for _ in range(_WARM_UP)]
        torch.cuda.current_stream(device).wait_stream(stream)
        return computes(*results[-2:])

    def _autocast(self) -> torch.autocast:
        # What autocast casts must be cast inside the graph, not be left in a cache that is emptied
        # after it.
        return torch.autocast(
            'cuda',
            dtype=self._precision.dtype,
            enabled=self._precision.dtype is not torch.float32,
            cache_enabled=False,
        )

    def _record(self, step: str, kept: tuple[Tensor, ...]) -> _Captured:
        device = self._precision.device
        graph = torch.cuda.CUDAGraph()
        # Left to itself it takes a stream of the current device, which need not be this one, and
        # forbids other threads to allocate.
        capturing = torch.cuda.graph(graph, stream=self._stream, capture_error_mode='thread_local')
        # A capture that fails would leave its stream the current one.
        before = torch.cuda.stream(torch.cuda.current_stream(device))
        self._spoilt.append(graph)
        with torch.cuda.device(device), before, capturing, self._autocast():
            outputs = self._eager.run(step, *kept)
        self._spoilt.remove(graph)
        return _Captured(graph=graph, inputs=kept, outputs=outputs)


def computes(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    """Return whether a step computes anything, from its results of two calls with the same inputs.

    Results that were computed lie in memory of their own, as long as both are kept. What lies in
    the same memory both times is a view of weights or inputs: nothing ran on the device for it.

    Args:
        one: results of the first call.
        other: results of the second call.
    """
    return any(
        first.untyped_storage().data_ptr() != second.untyped_storage().data_ptr()
        for first, second in zip(one, other, strict=True)
    )
