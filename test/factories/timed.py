"""Samples and windows told by milliseconds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from activity_recognition.types import AudioChunk, Frame, Utterance, Window

EPOCH_NS = 1_700_000_000_000_000_000
IMAGE = np.zeros((2, 2, 3), np.uint8)
MS = 1_000_000


def frame(stamp_ms: float, arrival_ms: float | None = None) -> Frame:
    late = stamp_ms if arrival_ms is None else arrival_ms
    return Frame(
        stamp_ns=EPOCH_NS + round(stamp_ms * MS),
        arrival_ns=EPOCH_NS + round(late * MS),
        image=IMAGE,
    )


def chunk(stamp_ms: float, arrival_ms: float | None = None, *, length_ms: int = 20) -> AudioChunk:
    late = stamp_ms + length_ms if arrival_ms is None else arrival_ms
    return AudioChunk(
        stamp_ns=EPOCH_NS + round(stamp_ms * MS),
        arrival_ns=EPOCH_NS + round(late * MS),
        samples=np.zeros(length_ms * 16, np.float32),
        sample_rate_hz=16000,
    )


def words(stamp_ms: float, arrival_ms: float | None = None, text: str = 'hello') -> Utterance:
    late = stamp_ms if arrival_ms is None else arrival_ms
    return Utterance(
        stamp_ns=EPOCH_NS + round(stamp_ms * MS), arrival_ns=EPOCH_NS + round(late * MS), text=text
    )


def at(milliseconds: float) -> int:
    return EPOCH_NS + round(milliseconds * MS)


def decisions_of(trace: Iterable[Window]) -> list[int]:
    """Decision times in milliseconds from the epoch used here."""
    return [(w.decision.t_ns - EPOCH_NS) // MS for w in trace if w.decision is not None]
