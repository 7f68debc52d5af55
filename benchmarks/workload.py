"""A warm engine in its steady state on an artificial stream, as the benchmarks time it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from activity_recognition.config import EngineConfig
from activity_recognition.errors import BackendError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.artificial import artificial_stream
from activity_recognition.inference.backends.choice import exported
from activity_recognition.inference.lanes.artificial import START_NS
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.exporting import cache_folder, export_steps
from activity_recognition.models.quantising import QUANTISED, quantise_steps
from activity_recognition.models.steps import step_specs
from activity_recognition.types import Window, to_ns

FILL_S = 5.0
"""Seconds of input before measuring: longer than the windows of video and audio."""


OFFSET_S = 0.017
"""Between the beginnings of two streams."""
NOT_FINITE = 'the engine gave no finite decision: the time measured means nothing'
NO_TIME = 'no time was left to prepare it; give more --seconds'


class UnavailableError(Exception):
    """What is to be measured does not work here; the text says why."""


def make_engine(
    checkpoint: Checkpoint,
    *,
    threads: int,
    backend: str = 'auto',
    precision: str = 'fp32',
    device: str = 'cpu',
) -> StreamingEngine:
    """Return a warm engine, where nothing else is said with the settings that the node has.

    What the backend needs is exported first, to this machine's cache, where it is not there yet.

    Raises:
        UnavailableError: the backend does not work here.
    """
    if backend not in ('torch', 'compile') and device == 'cpu':
        ensure_exported(checkpoint, int8=backend.endswith('int8'))
    engine = StreamingEngine(
        checkpoint,
        engine=EngineConfig(
            device=device, num_threads=threads, backend=backend, precision=precision
        ),
    )
    if engine.choice.problem:
        raise UnavailableError(engine.choice.problem)
    engine.warm_up()
    return engine


def ensure_exported(checkpoint: Checkpoint, *, int8: bool = False) -> None:
    """Export the network's steps to this machine's cache where they are not there yet."""
    try:
        folder = exported(checkpoint)
    except BackendError:
        folder = cache_folder(checkpoint.system)
        print(f'exporting {checkpoint.path.name} to ONNX …', file=sys.stderr, flush=True)
        export_steps(checkpoint.system, folder, checkpoint=checkpoint.id)
    if int8 and not (folder / QUANTISED).is_dir():
        quantise_steps(folder, [spec.name for spec in step_specs(checkpoint.system.modalities)])


def steady(engine: StreamingEngine, *, frame_rate_hz: float, seed: int) -> Callable[[], None]:
    """Let an engine see an artificial stream until its rings are full; return its next step.

    A step is what one frame of 640×480 costs with the sound and the words that came since the last
    one, and its decision.
    """
    windows = artificial_stream(engine.config, frame_rate_hz=frame_rate_hz, seed=seed)
    step = partial(step_through, engine, windows)
    for _ in range(round(FILL_S * frame_rate_hz)):
        step()
    return step


def steady_streams(
    engine: MultiStreamEngine,
    count: int,
    *,
    frame_rate_hz: float,
    seed: int,
    width_px: int = 640,
    height_px: int = 480,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Callable[[], None]:
    """Let ``count`` streams join and see until their rings are full; return their next step.

    They begin at different moments, so that their sound does not come in equal runs.

    Raises:
        UnavailableError: ``may_go_on`` says no before the rings are full.
    """
    sources: dict[str, Iterator[Window]] = {}
    for index in range(count):
        name = f'stream_{index}'
        engine.join(name)
        sources[name] = artificial_stream(
            engine.config,
            frame_rate_hz=frame_rate_hz,
            width_px=width_px,
            height_px=height_px,
            seed=seed + index,
            start_ns=START_NS + to_ns(index * OFFSET_S),
        )
    engine.warm_up()

    def step() -> None:
        decisions = engine.apply({name: next(source) for name, source in sources.items()})
        if len(decisions) != count:
            raise RuntimeError(f'expected {count} decisions, got {len(decisions)}')
        if not all(np.isfinite(decision.logits).all() for decision in decisions.values()):
            raise RuntimeError(NOT_FINITE)

    for _ in range(round(FILL_S * frame_rate_hz)):
        if not may_go_on():
            raise UnavailableError(NO_TIME)
        step()
    return step


def step_through(engine: StreamingEngine, windows: Iterator[Window]) -> None:
    """Apply the next window; it must end in a decision of finite numbers."""
    decision = engine.apply(next(windows))
    if decision is None or not np.isfinite(decision.logits).all():
        raise RuntimeError(NOT_FINITE)
