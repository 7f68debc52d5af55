"""Chunks of audio: put on the grid of the spectrogram as log-mel blocks, and encoded in runs.

With a backbone, blocks have its embeddings beside them, or are one embedding each.

Shapes: A audio blocks, K columns per block, M mels, E numbers of an embedding and one behind them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from activity_recognition.encoder_config import SOUND_PATCH_SAMPLES
from activity_recognition.errors import ShapeError
from activity_recognition.inference.lanes.grid import Grid, GridFrontEnd, GridLane
from activity_recognition.inference.lanes.lane import FrontEndSettings
from activity_recognition.inference.lanes.sound_patches import (
    EMBEDDING_SHAPE,
    HeldEmbeddings,
    embed_patches,
    load_backbone,
)
from activity_recognition.models.spectrogram import LogMelBlocks
from activity_recognition.types import AudioChunk, Modality


class AudioFrontEnd(GridFrontEnd[AudioChunk]):
    """Puts chunks on the token grid and turns whole blocks into log-mel, patches to embeddings."""

    modality = Modality.AUDIO

    def __init__(self, settings: FrontEndSettings) -> None:
        """Begin a grid for the network of ``settings``."""
        self._config = config = settings.config.audio
        self._log_mel = LogMelBlocks(config, dtype=settings.dtype)
        self._backbone = load_backbone(config) if config.backbone else None
        self._held: HeldEmbeddings | None = None
        alone = config.tokens_are_patches
        if self._backbone is not None and not alone:
            self._held = HeldEmbeddings(self._backbone, config)
        grid = Grid(
            rate_hz=config.sample_rate_hz,
            hop=config.patch_hop_samples if alone else self._log_mel.block_hop,
            span=SOUND_PATCH_SAMPLES if alone else self._log_mel.block_span,
            block_shape=(EMBEDDING_SHAPE if alone else (config.columns_per_token, config.num_mels)),
            sample_shape=(),
            max_gap_s=config.max_gap_s,
            longest_hole=config.receptive_field_tokens,
            beside_shape=EMBEDDING_SHAPE if self._held is not None else None,
        )
        super().__init__(settings, grid)

    def anchor(self) -> None:
        """Forget the samples before: no patch spans a hole."""
        if self._held is not None:
            self._held.clear()

    def beside(self, count: int) -> NDArray[np.floating] | None:
        """Return the embedding that each block has (A, E); see :class:`GridFrontEnd`.

        Args:
            count: A.
        """
        return None if self._held is None else self._held.advance(count)

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

        Where tokens are patches, their embeddings (A, E).

        Args:
            samples: all that wait.
            count: A; as many as there are.
        """
        if self._held is not None:
            self._held.take(samples)
        elif self._backbone is not None:
            return embed_patches(self._backbone, samples, count, self.grid.hop)
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
