"""The sound track of a video that is written: chunks at their times, holes as silence."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.media.container import pyav
from activity_recognition.types import NANOSECONDS, AudioChunk

RATE_HZ = 48_000
"""Of the track, which every player takes."""
_SLACK_S = 0.05
"""By how much a chunk may be off its place in the track before it is put there."""
_BLOCK_S = 1
"""Silence is written in blocks of this length."""


class SoundTrack:
    """Mono, in AAC; it begins with the video."""

    def __init__(self, container: Any) -> None:
        """Add it to a container that is being written.

        Args:
            container: to which nothing was written yet.
        """
        self._container = container
        self._track = container.add_stream('aac', rate=RATE_HZ)
        self._track.layout = 'mono'
        self._resampler: Any = None
        self._rate_hz = 0
        self._place = 0
        """Samples at the chunks' rate so far."""

    def write(self, chunk: AudioChunk, origin_ns: int) -> None:
        """Append a chunk; what comes before the beginning, or twice, is left out.

        Args:
            chunk: later than those before.
            origin_ns: stamp of the beginning.
        """
        rate_hz = chunk.sample_rate_hz
        if rate_hz != self._rate_hz:
            self._place = round(self._place * rate_hz / (self._rate_hz or rate_hz))
            self._encode(self._resampler and self._resampler.resample(None))
            self._resampler = pyav().AudioResampler(format='fltp', layout='mono', rate=RATE_HZ)
            self._rate_hz = rate_hz
        due = (chunk.stamp_ns - origin_ns) * rate_hz // NANOSECONDS
        ahead = due - self._place
        samples = chunk.samples
        if abs(ahead) > _SLACK_S * rate_hz or not self._place:
            samples = samples[max(-ahead, 0) :]
            for silence in _silences(ahead, rate_hz):
                self._append(silence)
        if len(samples):
            self._append(samples)

    def finish(self) -> None:
        """Write what was held back."""
        if self._resampler is not None:
            self._encode(self._resampler.resample(None))
        self._container.mux(self._track.encode(None))

    def _append(self, samples: NDArray[np.float32]) -> None:
        frame = pyav().AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None], np.float32), format='fltp', layout='mono'
        )
        frame.sample_rate, frame.pts = self._rate_hz, self._place
        frame.time_base = Fraction(1, self._rate_hz)
        self._place += len(samples)
        self._encode(self._resampler.resample(frame))

    def _encode(self, frames: list[Any] | None) -> None:
        for frame in frames or ():
            self._container.mux(self._track.encode(frame))


def _silences(count: int, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Yield so many samples of silence, in blocks."""
    while count > 0:
        yield np.zeros(min(count, _BLOCK_S * rate_hz), np.float32)
        count -= _BLOCK_S * rate_hz
