"""A warm engine in its steady state on an artificial stream, as the benchmarks time it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from activity_recognition.config import EngineConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.artificial import artificial_stream
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.types import Window

FILL_S = 5.0
"""Seconds of input before measuring: longer than the windows of sight and sound."""


def make_engine(checkpoint: Checkpoint, *, threads: int) -> StreamingEngine:
    """Return a warm engine on the CPU with the settings the node has by default."""
    engine = StreamingEngine(checkpoint, engine=EngineConfig(device='cpu', num_threads=threads))
    engine.warm_up()
    return engine


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


def step_through(engine: StreamingEngine, windows: Iterator[Window]) -> None:
    """Apply the next window; it must end in a decision of finite numbers."""
    decision = engine.apply(next(windows))
    if decision is None or not np.isfinite(decision.logits).all():
        raise RuntimeError('the engine gave no finite decision: the time measured means nothing')
