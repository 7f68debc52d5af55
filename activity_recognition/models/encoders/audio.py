"""AudioCNN: causal convolutions over a log-mel spectrogram, 25 tokens a second.

Shapes: B batch, A blocks (= tokens), K columns per block, M mels, C channels, T columns, F
frequencies, D width, X numbers of the past.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.config import AudioConfig, ModelConfig
from activity_recognition.models.encoders.convolutions import (
    KERNEL,
    STRIDE,
    BlockStep,
    ConvolutionalEncoder,
)
from activity_recognition.models.step_spec import Draw, Sizes, StepInput, StepSpec
from activity_recognition.models.work import FLOAT_BYTES, PER_MULTIPLY_ADD, Work
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from activity_recognition.models.system import ActivityRecognitionSystem


class SpectrogramConv(nn.Module):
    """Convolution of stride 2 in time and frequency; looks one column further back.

    Normalises each column by itself over channels and frequencies.
    """

    history = 1

    def __init__(self, inputs: int, outputs: int, out_frequencies: int) -> None:
        """Create the convolution from ``inputs`` to ``outputs`` channels.

        Args:
            inputs: channels.
            outputs: channels.
            out_frequencies: frequencies that are left.
        """
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, KERNEL, stride=STRIDE, padding=(0, 1))
        self.norm = nn.LayerNorm([outputs, out_frequencies])

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        """Convolve (B, C, T, F), T even, after the column (B, C, 1, F) before it.

        Args:
            x: (B, C, T, F), T even.
            past: the column before it, (B, C, 1, F).
        """
        x = self.conv(torch.cat((past, x), dim=2))
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return F.gelu(x)


class AudioCNN(ConvolutionalEncoder):
    """Log-mel blocks to tokens; a masked block (a hole) leaves no trace in its neighbours."""

    modality = Modality.AUDIO

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder described by ``config.audio``."""
        super().__init__(config)
        audio: AudioConfig = config.audio
        frequencies = audio.num_mels
        channels = (1, *audio.channels)
        convs, columns = [], []
        for inputs, outputs in pairwise(channels):
            columns.append((inputs, SpectrogramConv.history, frequencies))
            frequencies = (frequencies + 1) // 2
            convs.append(SpectrogramConv(inputs, outputs, frequencies))
        self.convs = nn.ModuleList(convs)
        self.embed = nn.Linear(channels[-1] * frequencies, config.hidden_dim)
        self.add_blocks(config, audio.dilations, columns, audio.columns_per_token)

    @property
    def receptive_field_s(self) -> float:
        """How far before its end a token has seen, seconds."""
        audio = self.config.audio
        # The two strided convolutions leave out the first column of the oldest block.
        columns = audio.receptive_field_tokens * audio.columns_per_token - 1
        return ((columns - 1) * audio.hop_samples + audio.fft_samples) / audio.sample_rate_hz

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the tokens (B, A, D) of a batch's spectrograms."""
        blocks = batch['spectrograms'].to(self.norm.weight.dtype)
        tokens: Tensor = self(blocks, batch['spectrogram_mask'])
        return tokens

    @classmethod
    def steps(cls) -> tuple[StepSpec, ...]:
        """Return the step of the next blocks of audio."""
        return (_CHUNK,)

    def work(self, *, length: int, held: int) -> dict[str, Work]:
        """Return the work of a chunk that completes some blocks; see :meth:`Encoder.work`.

        Args:
            length: blocks that the chunk completes.
            held: of no meaning here.
        """
        audio = self.config.audio
        bins, columns = audio.fft_samples // 2 + 1, audio.columns_per_token * length
        spectrogram = Work(
            products=PER_MULTIPLY_ADD * columns * bins * audio.num_mels,
            fourier=columns * round(2.5 * audio.fft_samples * math.log2(audio.fft_samples)),
            weight_bytes=FLOAT_BYTES * (bins * audio.num_mels + audio.frame_samples),
        )
        return {'spectrogram': spectrogram, **super().work(length=length, held=held)}

    @classmethod
    def state_size(cls, config: ModelConfig) -> int:
        """Return the size of what the convolutions still need, not less than it is."""
        audio = config.audio
        tokens = (KERNEL - 1) * sum(audio.dilations) * config.hidden_dim
        return tokens + audio.num_mels * sum(audio.channels)

    def columns_of(self, blocks: Tensor) -> Tensor:
        """Return blocks (B, A, K, M) as one channel of columns (B, 1, T, M)."""
        return blocks.flatten(1, 2).unsqueeze(1)


def _chunk_example(
    system: ActivityRecognitionSystem, sizes: Sizes, draw: Draw
) -> tuple[Tensor, ...]:
    audio = system.config.audio
    return (
        draw.normal(sizes.streams, sizes.length, audio.columns_per_token, audio.num_mels),
        draw.normal(*system.audio_encoder.new_past(sizes.streams).shape),
    )


_CHUNK = StepSpec(
    name='chunk',
    module=lambda system: BlockStep(system.audio_encoder, system.cross_attention),
    inputs=(StepInput('spectrogram', 2), StepInput('past', 1)),
    outputs=('rows', 'after'),
    length=2,
    example=_chunk_example,
)
ENCODER = AudioCNN
