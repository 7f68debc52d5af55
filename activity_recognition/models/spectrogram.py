"""Log-mel blocks: the audio front end that the node and training share.

In numpy, because a robot receives a few columns at a time: for so few, half of PyTorch's time is
spent on calling its operators.
"""

from __future__ import annotations

import numpy as np
import torch
import torchaudio
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike, NDArray

from activity_recognition.config import AudioConfig

LOWEST_HZ = 50.0
"""Lower edge of the lowest mel band."""
FLOOR = 1e-6
"""Added to the mel energies before the logarithm."""
MEAN, SCALE = -7.0, 4.0
"""Fixed normalisation: a level in time must not depend on what came before or after it."""


class LogMelBlocks:
    """Samples on the token grid to log-mel blocks, ``columns_per_token`` columns each.

    The grid is anchored at the first sample (nothing is centred or padded) and nothing is
    normalised over time, so the blocks do not depend on how the samples were cut up. The energies
    are those of ``torchaudio.transforms.MelSpectrogram`` with ``center=False``.
    """

    def __init__(self, config: AudioConfig, *, dtype: DTypeLike = np.float32) -> None:
        """Create the transform of ``config``, which computes in ``dtype``.

        Args:
            config: rate, hop and mels.
            dtype: of the spectrogram.
        """
        self.config = config
        window = torch.hann_window(config.frame_samples, dtype=torch.float64)
        self._window: NDArray[np.floating] = window.numpy().astype(dtype)
        # The window lies in the middle of the transform's samples; zeros around it add nothing, and
        # where they lie turns phases alone.
        self._offset = (config.fft_samples - config.frame_samples) // 2
        bands = torchaudio.functional.melscale_fbanks(
            config.fft_samples // 2 + 1,
            f_min=LOWEST_HZ,
            f_max=config.sample_rate_hz / 2,
            n_mels=config.num_mels,
            sample_rate=config.sample_rate_hz,
        )
        self.bands: NDArray[np.floating] = bands.numpy().astype(dtype)
        """(frequencies, mels), what each frequency's power adds to each band."""

    @property
    def block_hop(self) -> int:
        """Samples between the starts of two blocks."""
        return self.config.hop_samples * self.config.columns_per_token

    @property
    def block_span(self) -> int:
        """Samples under one block."""
        return self.block_hop + self.config.fft_samples - self.config.hop_samples

    def num_blocks(self, num_samples: int) -> int:
        """Number of whole blocks in a run of ``num_samples`` samples from the grid's anchor."""
        return max(0, (num_samples - self.block_span) // self.block_hop + 1)

    def __call__(self, samples: NDArray[np.floating]) -> NDArray[np.floating]:
        """Transform samples (N,), float in [-1, 1], to the blocks they fill, (A, columns, mels)."""
        blocks, columns = self.num_blocks(len(samples)), self.config.columns_per_token
        if not blocks:
            return np.zeros((0, columns, self.config.num_mels), self.bands.dtype)
        levels = self.energies(samples, blocks * columns)
        levels += FLOOR
        np.log(levels, out=levels)
        levels -= MEAN
        levels /= SCALE
        return levels.reshape(blocks, columns, -1)

    def energies(self, samples: NDArray[np.floating], columns: int) -> NDArray[np.floating]:
        """Return the mel energies (columns, mels) of the first columns of samples (N,).

        Args:
            samples: (N,), at the rate of the configuration.
            columns: how many.
        """
        config = self.config
        (stride,) = samples.strides
        shape = (columns, config.frame_samples)
        frames = as_strided(samples[self._offset :], shape, (config.hop_samples * stride, stride))
        spectrum = np.fft.rfft(frames * self._window, config.fft_samples)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        # numpy 1 transforms in float64 whatever it is given.
        energies: NDArray[np.floating] = power.astype(self.bands.dtype, copy=False) @ self.bands
        return energies
