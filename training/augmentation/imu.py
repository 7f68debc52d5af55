"""Inertial measurements: another way to wear the sensor, another sensor, noise, and drop-outs.

A blocks of K samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.training.augmentation_config import AugmentationConfig

NOISE = (0.2, 0.03)
"""Largest standard deviation of noise, m/s² and rad/s."""
DROP_OUT_BLOCKS = 6
"""Longest run of blocks that goes missing."""
DROP_OUT_CHANCE = 0.25


def augment(
    crop: Mapping[str, NDArray[Any]],
    config: AugmentationConfig,
    model: ModelConfig,
    rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Return the changed arrays of a crop; see :func:`activity_recognition.training.augmentation`.

    Args:
        crop: arrays of one crop; left as it is.
        config: how far they may change.
        model: the network.
        rng: what is drawn.
    """
    del model
    blocks, mask = crop['inertial_blocks'], crop['inertial_mask'].copy()
    strength = config.strength
    turn = rotation(rng, rng.uniform(-1, 1) * np.radians(config.sensor_turn_deg) * strength)
    changed = (blocks.reshape(*blocks.shape[:-1], 2, 3) @ turn.T).reshape(blocks.shape)
    scale = 1 + rng.uniform(-1, 1, 2) * config.sensor_scale * strength
    changed = changed * np.repeat(scale, 3)
    noise = np.repeat(rng.uniform(0, 1, 2) * NOISE * strength, 3)
    changed = changed + rng.standard_normal(blocks.shape) * noise
    if len(mask) and rng.random() < DROP_OUT_CHANCE * strength:
        begin = int(rng.integers(len(mask)))
        mask[begin : begin + int(rng.integers(1, DROP_OUT_BLOCKS + 1))] = False
    changed[~mask] = 0.0
    return {'inertial_blocks': changed.astype(np.float32), 'inertial_mask': mask}


def at_tempo(blocks: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Return blocks of the same movement done faster: turns are, gravity is not.

    Args:
        blocks: (A, K, 6), already shortened.
        rate: how many times as fast.
    """
    return blocks * np.repeat([1.0, rate], 3).astype(blocks.dtype)


def rotation(rng: np.random.Generator, angle_rad: float) -> NDArray[np.float64]:
    """Return a rotation about a random axis, (3, 3).

    Args:
        rng: draws the axis.
        angle_rad: how far.
    """
    axis = rng.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned = np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross
    return np.asarray(np.eye(3) + turned)
