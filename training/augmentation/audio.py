"""Sound: louder or softer, noisier, higher or lower, with holes, all on the log-mel spectrogram.

A audio blocks of K columns, M mels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.models.spectrogram import FLOOR, MEAN, SCALE
from activity_recognition.training.augmentation_config import AugmentationConfig

_DB = np.log(10) / 10
"""Natural logarithm of a power per decibel."""


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
    if 'spectrograms' not in crop:
        return {}
    return {'spectrograms': change_spectrograms(crop['spectrograms'], config, rng)}


def change_spectrograms(
    blocks: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return changed log-mel blocks.

    Args:
        blocks: (A, K, M).
        config: how far they may change.
        rng: what is drawn.
    """
    level = np.float32(rng.uniform(-1, 1) * config.level * config.strength)
    changed: NDArray[np.float32] = blocks + level
    if config.mel_shift > 0:
        reach = round(config.mel_shift * config.strength)
        changed = _shift_mels(changed, int(rng.integers(-reach, reach + 1)))
    if config.noise_db > 0:
        changed = _add_noise(changed, rng.random() * config.noise_db * config.strength, rng)
    if config.mel_masks or config.time_masks:
        changed = _mask(changed, config, rng)
    return changed


def _shift_mels(blocks: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Move everything up by ``bins`` mels, the edge repeated: another voice, another room."""
    mels = blocks.shape[-1]
    return np.ascontiguousarray(blocks[..., np.clip(np.arange(mels) - bins, 0, mels - 1)])


def _add_noise(
    blocks: NDArray[np.float32], above_floor_db: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Add stationary noise of a random colour, its power given above the spectrogram's floor."""
    mels = blocks.shape[-1]
    slope = rng.uniform(-1.0, 1.0) * np.linspace(-1, 1, mels)
    power = FLOOR * np.exp(_DB * above_floor_db * (1 + slope) / 2)
    # The power of a noise's bin is distributed exponentially.
    noise = power * rng.standard_exponential(blocks.shape)
    energy = np.exp(blocks.astype(np.float64) * SCALE + MEAN) + noise
    return ((np.log(energy) - MEAN) / SCALE).astype(np.float32)


def _mask(
    blocks: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Mask bands and intervals with the mean (SpecAugment, Park et al. 2019)."""
    if not blocks.size:
        return blocks
    spectrogram = torch.from_numpy(blocks.reshape(1, -1, blocks.shape[-1]))
    fill = float(blocks.mean())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        for count, width, axis in (
            (config.time_masks, config.time_mask_columns, 1),
            (config.mel_masks, config.mel_mask_bins, 2),
        ):
            widest = round(width * config.strength)
            for _ in range(count):
                spectrogram = torchaudio.functional.mask_along_axis(spectrogram, widest, fill, axis)
    return spectrogram.numpy().reshape(blocks.shape)
