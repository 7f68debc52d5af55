"""Chunks of audio: put on the grid of the spectrogram as log-mel blocks, and encoded in runs.

Shapes: A audio blocks, K columns per block, M mels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import ShapeError
from activity_recognition.inference.lanes.grid import Grid, GridFrontEnd, GridLane
from activity_recognition.inference.lanes.lane import FrontEndSettings
from activity_recognition.models.spectrogram import LogMelBlocks
from activity_recognition.types import AudioChunk, Modality


class AudioFrontEnd(GridFrontEnd[AudioChunk]):
    """Puts chunks on the token grid and turns whole blocks into log-mel."""

    modality = Modality.AUDIO

    def __init__(self, settings: FrontEndSettings) -> None:
        """Begin a grid for the network of ``settings``."""
        self._config = config = settings.config.audio
        self._log_mel = LogMelBlocks(config, dtype=settings.dtype)
        grid = Grid(
            rate_hz=config.sample_rate_hz,
            hop=self._log_mel.block_hop,
            span=self._log_mel.block_span,
            block_shape=(config.columns_per_token, config.num_mels),
            sample_shape=(),
            max_gap_s=config.max_gap_s,
            longest_hole=config.receptive_field_tokens,
        )
        super().__init__(settings, grid)

    def check(self, sample: AudioChunk) -> None:
        """Raise ShapeError for a chunk that is not finite mono float32 at the model's rate."""
        samples, rate_hz = sample.samples, self._config.sample_rate_hz
        if samples.ndim != 1 or samples.dtype != np.float32 or sample.sample_rate_hz != rate_hz:
            raise ShapeError(
                f'audio: expected mono float32 at {rate_hz} Hz, got {samples.dtype} '
                f'{samples.shape} at {sample.sample_rate_hz} Hz; decode it with sensors.audio'
            )
        if not np.isfinite(samples).all():
            raise ShapeError(
                'audio: expected samples in [-1, 1], got NaN or infinity, which the network would '
                'remember for seconds; decode it with sensors.audio'
            )

    def transform(self, samples: NDArray[np.float32], count: int) -> NDArray[np.floating]:
        """Return the log-mel blocks (A, K, M) of some samples; see :class:`GridFrontEnd`.

        Args:
            samples: all that wait.
            count: A; as many as there are.
        """
        del count
        return self._log_mel(samples)


class AudioLane(GridLane[AudioChunk]):
    """Encodes log-mel blocks."""

    modality = Modality.AUDIO
    front_end = AudioFrontEnd
    step = 'chunk'

    @classmethod
    def noise(cls, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw what an example holds; see :class:`GridLane`.

        Args:
            rng: what is drawn.
            shape: of the samples.
        """
        return rng.uniform(-1.0, 1.0, shape)


LANE = AudioLane
