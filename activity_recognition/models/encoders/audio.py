"""AudioCNN: causal convolutions over a log-mel spectrogram, 25 tokens a second.

With a backbone that knows sounds, every token also has the embedding of the newest whole patch, or
is made of embeddings alone, one per patch (ADR 42).

Shapes: B batch, A blocks (= tokens), K columns per block, M mels, C channels, T columns, F
frequencies, D width, X numbers of the past, E numbers of an embedding and one behind them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.config import AudioConfig, ModelConfig
from activity_recognition.encoder_config import SOUND_FEATURES, SOUND_PATCH_SAMPLES
from activity_recognition.models.encoders.convolutions import (
    KERNEL,
    STRIDE,
    BesideStep,
    BlockStep,
    ConvolutionalEncoder,
)
from activity_recognition.models.encoders.encoder import Encoder
from activity_recognition.models.encoders.sound_scores import SoundScores
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


class SoundEmbedding(nn.Module):
    """Embeddings of a frozen network to vectors of the network's width.

    They are not negative, mostly 0, and a few numbers are large: the square root brings these
    closer. Behind the embedding stands a 1; where there is none yet, all are 0, and what is left is
    the bias. With ``audio.sounds``, what the frozen network's own classifier says is added.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Create it with random weights, for a network of ``config``."""
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(SOUND_FEATURES + 1, config.hidden_dim)
        self.classes = SoundScores(config) if config.audio.sounds else None

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return vectors (B, A, D) of embeddings (B, A, E)."""
        heard: Tensor = self.project(self.dropout(embeddings.clamp(min=0).sqrt()))
        return heard if self.classes is None else heard + self.classes(embeddings)


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
        if audio.tokens_are_patches:
            self.embed = SoundEmbedding(config)
        else:
            self.embed = nn.Linear(channels[-1] * frequencies, config.hidden_dim)
            if audio.backbone:
                self.embed_beside = SoundEmbedding(config)
        self.add_blocks(config, audio.dilations, columns, audio.columns_per_token)

    @property
    def sound_embedding(self) -> SoundEmbedding | None:
        """What embeds what the backbone gives; None without one."""
        audio = self.config.audio
        if not audio.backbone:
            return None
        found = self.embed if audio.tokens_are_patches else self.embed_beside
        return cast('SoundEmbedding', found)

    @property
    def receptive_field_s(self) -> float:
        """How far before its end a token has seen, seconds."""
        audio = self.config.audio
        before = 2 * sum(audio.dilations)
        if audio.tokens_are_patches:
            reach = before * audio.patch_hop_samples + SOUND_PATCH_SAMPLES
            return reach / audio.sample_rate_hz
        # The two strided convolutions leave out the first column of the oldest block.
        columns = audio.receptive_field_tokens * audio.columns_per_token - 1
        reach = (columns - 1) * audio.hop_samples + audio.fft_samples
        if audio.backbone:
            held = audio.patch_blocks * audio.block_hop_samples + audio.block_overlap_samples
            held += audio.patch_hop_samples - audio.block_hop_samples
            reach = max(reach, before * audio.block_hop_samples + held)
        return reach / audio.sample_rate_hz

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the tokens (B, A, D) of a batch's spectrograms, embeddings, or both."""
        audio, dtype, mask = self.config.audio, self.norm.weight.dtype, batch['spectrogram_mask']
        embeddings = batch['sound_embeddings'].to(dtype) if audio.backbone else None
        if audio.tokens_are_patches:
            tokens: Tensor = self(embeddings, mask)
        else:
            tokens = self(batch['spectrograms'].to(dtype), mask, embeddings)
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
        if audio.backbone:
            # A frozen network computes the most of it, by a runtime of its own.
            return Encoder.work(self, length=length, held=held)
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
        """Return blocks (B, A, K, M) as one channel of columns (B, 1, T, M).

        Embeddings (B, A, E) have a channel per number, and a column each.
        """
        if self.config.audio.tokens_are_patches:
            return blocks.transpose(1, 2)
        return blocks.flatten(1, 2).unsqueeze(1)


def _chunk_example(
    system: ActivityRecognitionSystem, sizes: Sizes, draw: Draw
) -> tuple[Tensor, ...]:
    audio, runs = system.config.audio, (sizes.streams, sizes.length)
    blocks = []
    if audio.channels:
        blocks.append(draw.normal(*runs, audio.columns_per_token, audio.num_mels))
    if audio.backbone:
        blocks.append(draw.normal(*runs, SOUND_FEATURES + 1).abs())
    return (*blocks, draw.normal(*system.audio_encoder.new_past(sizes.streams).shape))


def _chunk_module(system: ActivityRecognitionSystem) -> nn.Module:
    audio = system.config.audio
    step = BesideStep if audio.backbone and audio.channels else BlockStep
    return step(system.audio_encoder, system.cross_attention)


def _chunk_inputs(system: ActivityRecognitionSystem) -> tuple[StepInput, ...]:
    audio = system.config.audio
    there = {'spectrogram': audio.channels, 'embeddings': audio.backbone}
    return (*(StepInput(name, 2) for name, used in there.items() if used), StepInput('past', 1))


_CHUNK = StepSpec(
    name='chunk',
    module=_chunk_module,
    inputs=(StepInput('spectrogram', 2), StepInput('past', 1)),
    inputs_of=_chunk_inputs,
    outputs=('rows', 'after'),
    length=2,
    example=_chunk_example,
)
ENCODER = AudioCNN
