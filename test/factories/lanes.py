"""What an engine keeps between steps: its lanes, their rings, and every tensor."""

from __future__ import annotations

from torch import Tensor

from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.lanes import Lane
from activity_recognition.inference.rings import KeyValueRing
from activity_recognition.types import Modality


def lanes_of(engine: StreamingEngine | MultiStreamEngine) -> dict[Modality, Lane]:
    """Return the lanes of an engine by modality."""
    inner = engine._engine if isinstance(engine, StreamingEngine) else engine
    return inner._lanes


def rings_of(engine: StreamingEngine | MultiStreamEngine) -> list[KeyValueRing]:
    """Return the ring of the temporal blocks and those that decisions see."""
    lanes = lanes_of(engine)
    return [lanes[Modality.VIDEO].past, *(lane.memory for lane in lanes.values())]


def kept_tensors(engine: StreamingEngine | MultiStreamEngine) -> list[Tensor]:
    """Return all tensors that are kept of the first stream."""
    past = lanes_of(engine)[Modality.AUDIO].past
    return [*(ring.rows for ring in rings_of(engine)), *past.of([0])]
