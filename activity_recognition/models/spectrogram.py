"""Log-mel blocks: the audio front end that the node and training share."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from activity_recognition.config import AudioConfig

FLOOR = 1e-6
"""Added to the mel energies before the logarithm."""
MEAN, SCALE = -7.0, 4.0
"""Fixed normalisation: a level in time must not depend on what came before or after it."""


class LogMelBlocks(nn.Module):
    """Samples on the token grid to log-mel blocks, ``columns_per_token`` columns each.

    The grid is anchored at the first sample (``center=False``) and nothing is normalised over
    time, so the blocks do not depend on how the samples were cut up.
    """

    def __init__(self, config: AudioConfig) -> None:
        """Create the transform of ``config``."""
        super().__init__()
        self.config = config
        self.mel = torchaudio.transforms.MelSpectrogram(
            sample_rate=config.sample_rate_hz,
            n_fft=config.fft_samples,
            win_length=config.frame_samples,
            hop_length=config.hop_samples,
            f_min=50.0,
            n_mels=config.num_mels,
            center=False,
            power=2.0,
        )

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

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Transform samples (N,), float in [-1, 1], to the blocks they fill, (A, columns, mels)."""
        blocks = self.num_blocks(len(samples))
        columns, mels = self.config.columns_per_token, self.config.num_mels
        if not blocks:
            return samples.new_zeros(0, columns, mels)
        used = samples[: self.block_span + (blocks - 1) * self.block_hop]
        # A microphone's range needs more bits than autocast would leave the mel filters.
        with torch.autocast(samples.device.type, enabled=False):
            energies = self._energies(used)
        level = (torch.log(energies + FLOOR) - MEAN) / SCALE
        return level.reshape(blocks, columns, mels)

    def _energies(self, samples: Tensor) -> Tensor:
        """Return what ``self.mel(samples).T`` would, (columns, mels), without its detours."""
        spectrogram = self.mel.spectrogram
        spectrum = torch.stft(
            samples,
            spectrogram.n_fft,
            spectrogram.hop_length,
            spectrogram.win_length,
            spectrogram.window,
            center=False,
            normalized=False,
            onesided=True,
            return_complex=True,
        )
        energies: Tensor = spectrum.abs().square().T @ self.mel.mel_scale.fb
        return energies
