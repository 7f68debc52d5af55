"""Chunks of an inertial sensor: cut into blocks, and encoded in runs.

Shapes: A blocks, K samples per block, N samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import ShapeError
from activity_recognition.inference.lanes.grid import Grid, GridFrontEnd, GridLane
from activity_recognition.inference.lanes.lane import FrontEndSettings
from activity_recognition.types import InertialChunk, Modality

_QUANTITIES = 6


class ImuFrontEnd(GridFrontEnd[InertialChunk]):
    """Cuts chunks into blocks on the token grid."""

    modality = Modality.IMU

    def __init__(self, settings: FrontEndSettings) -> None:
        """Begin a grid for the network of ``settings``."""
        self._config = config = settings.config.imu
        grid = Grid(
            rate_hz=config.sample_rate_hz,
            hop=config.samples_per_token,
            span=config.samples_per_token,
            block_shape=(config.samples_per_token, _QUANTITIES),
            sample_shape=(_QUANTITIES,),
            max_gap_s=config.max_gap_s,
            longest_hole=config.receptive_field_tokens,
        )
        super().__init__(settings, grid)

    def check(self, sample: InertialChunk) -> None:
        """Raise ShapeError for a chunk that is not finite (N, 6) float32 at the model's rate."""
        samples, rate_hz = sample.samples, self._config.sample_rate_hz
        wrong = samples.ndim != 2 or samples.shape[1] != _QUANTITIES or samples.dtype != np.float32
        if wrong or sample.sample_rate_hz != rate_hz:
            raise ShapeError(
                f'imu: expected (N, {_QUANTITIES}) float32 at {rate_hz} Hz, got {samples.dtype} '
                f'{samples.shape} at {sample.sample_rate_hz} Hz; decode it with sensors.imu'
            )
        if not np.isfinite(samples).all():
            raise ShapeError(
                'imu: expected finite numbers, got NaN or infinity, which the network would '
                'remember for seconds; decode it with sensors.imu'
            )

    def transform(self, samples: NDArray[np.float32], count: int) -> NDArray[np.floating]:
        """Return the first blocks (A, K, 6) of some samples; see :class:`GridFrontEnd`.

        Args:
            samples: (N, 6), all that wait.
            count: A.
        """
        shape = (count, *self.grid.block_shape)
        return samples[: count * self.grid.hop].reshape(shape).astype(self.settings.dtype)


class ImuLane(GridLane[InertialChunk]):
    """Encodes blocks of samples."""

    modality = Modality.IMU
    front_end = ImuFrontEnd
    step = 'movement'

    @classmethod
    def noise(cls, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw what an example holds; see :class:`GridLane`.

        Args:
            rng: what is drawn.
            shape: of the samples.
        """
        return rng.normal(0.0, 10.0, shape)


LANE = ImuLane
