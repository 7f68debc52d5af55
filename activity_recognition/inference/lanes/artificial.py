"""What made-up streams of samples have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from activity_recognition.types import to_ns

ChunkT = TypeVar('ChunkT')

START_NS = 1_700_000_000_000_000_000
CHUNK_S = 0.064
"""Length of one message of a fixed rate: 1024 samples at 16 kHz, as common drivers send them."""
UTTERANCE_PERIOD_S = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What is sensed, and how often."""

    frame_rate_hz: float
    """Of the camera."""
    width_px: int = 640
    """Of the camera's images."""
    height_px: int = 480
    utterance_period_s: float = UTTERANCE_PERIOD_S
    """Between the ends of two utterances, seconds."""
    seed: int = 0
    """Of all content."""
    start_ns: int = START_NS
    """Stamp of the first sample."""

    def after(self, passed_s: float) -> int:
        """Return the stamp of a moment ``passed_s`` seconds after the start."""
        return self.start_ns + to_ns(passed_s)


def chunk_samples(rate_hz: int) -> int:
    """Return the samples of one message at a fixed rate."""
    return max(1, round(CHUNK_S * rate_hz))


def noise_chunks(
    sample_type: Callable[..., ChunkT], rate_hz: int, scene: Scene, *, shape: tuple[int, ...] = ()
) -> Iterator[ChunkT]:
    """Yield a second of noise that is repeated for ever, message by message.

    Args:
        sample_type: makes a chunk of its fields.
        rate_hz: of the samples.
        scene: when it begins, and the seed.
        shape: of one sample.
    """
    size = chunk_samples(rate_hz)
    second = np.random.default_rng(scene.seed).standard_normal((rate_hz, *shape)) * 0.1
    # Every message is one slice, also where the noise begins again.
    noise = np.resize(second.astype(np.float32), (rate_hz + size, *shape))
    sent = 0
    while True:
        first = sent % rate_hz
        yield sample_type(
            stamp_ns=scene.after(sent / rate_hz),
            arrival_ns=scene.after((sent + size) / rate_hz),
            samples=noise[first : first + size],
            sample_rate_hz=rate_hz,
        )
        sent += size
