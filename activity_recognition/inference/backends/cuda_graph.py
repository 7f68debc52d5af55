"""A CUDA graph per step: one launch instead of hundreds (cudaGraphLaunch)."""

from __future__ import annotations

import logging
from collections.abc import Callable
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

    A result is overwritten by the next call of the same step with inputs of the same shape.
    """

    name = 'cudagraph'
    fixed = True

    def __init__(self, eager: Backend, precision: Precision) -> None:
        """Capture the steps of ``eager``.

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
        self._captured: dict[_Key, _Captured] = {}
        # An unfinished one is kept: the allocator of PyTorch may still ask it what it captures.
        self._spoilt: list[torch.cuda.CUDAGraph] = []
        self._on_trial = self._capturing = True

    def end_trial(self) -> None:
        """Give up all graphs and their memory; what comes is captured anew.

        After a capture that fails from now on no further shape is captured, and a warning says so.
        """
        self._captured.clear()
        self._on_trial = False

    def frame(self, images: Tensor) -> Tensor:
        """Do :class:`FrameStep`."""
        return self._run('frame', lambda *x: (self._eager.frame(*x),), images)[0]

    def look_back(
        self, tokens: Tensor, past: Tensor, age_s: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Do :class:`LookBackStep`."""
        rows, own = self._run('look_back', self._eager.look_back, tokens, past, age_s, seen)
        return rows, own

    def sound(self, blocks: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Do :class:`SoundStep`."""
        rows, after = self._run('sound', self._eager.sound, blocks, past)
        return rows, after

    def utterance(self, pieces: Tensor, there: Tensor) -> Tensor:
        """Do :class:`UtteranceStep`."""
        return self._run('utterance', lambda *x: (self._eager.utterance(*x),), pieces, there)[0]

    def decision(self, newest: Tensor, *memories: Tensor) -> Tensor:
        """Do :class:`DecisionStep`."""
        return self._run('decision', lambda *x: (self._eager.decision(*x),), newest, *memories)[0]

    def _run(
        self, step: str, call: Callable[..., tuple[Tensor, ...]], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        key = (step, tuple(tuple(tensor.shape) for tensor in inputs))
        captured = self._captured.get(key)
        if captured is not None:
            return captured.replay(inputs)
        if not self._capturing or len(self._captured) >= MOST_GRAPHS:
            return call(*inputs)
        try:
            captured = self._captured[key] = self._capture(call, inputs)
        except RuntimeError as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            failed = f'the step {step!r} cannot be captured as a CUDA graph: {first}'
            if self._on_trial:
                raise BackendError(f"{failed}; set engine.backend to 'torch'") from error
            self._capturing = False
            _log.warning('%s; shapes that were not captured before run without a graph', failed)
            return call(*inputs)
        return captured.replay(inputs)

    def _capture(
        self, call: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...]
    ) -> _Captured:
        kept = tuple(tensor.clone() for tensor in inputs)
        device = self._precision.device
        # What autocast casts must be cast inside the graph, not be left in a cache that is emptied
        # after it.
        autocast = torch.autocast(
            'cuda',
            dtype=self._precision.dtype,
            enabled=self._precision.dtype is not torch.float32,
            cache_enabled=False,
        )
        stream = self._stream
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream), autocast:
            for _ in range(_WARM_UP):
                call(*kept)
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Left to itself it takes a stream of the current device, which need not be this one, and
        # forbids other threads to allocate.
        capturing = torch.cuda.graph(graph, stream=stream, capture_error_mode='thread_local')
        # A capture that fails would leave its stream the current one.
        before = torch.cuda.stream(torch.cuda.current_stream(device))
        self._spoilt.append(graph)
        with torch.cuda.device(device), before, capturing, autocast:
            outputs = call(*kept)
        self._spoilt.remove(graph)
        return _Captured(graph=graph, inputs=kept, outputs=outputs)
