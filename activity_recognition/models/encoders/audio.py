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
from activity_recognition.models.encoders.encoder import Encoder
from activity_recognition.models.fusion import CrossModalAttention
from activity_recognition.models.step_spec import Draw, Sizes, StepInput, StepSpec
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from activity_recognition.models.system import ActivityRecognitionSystem

KERNEL = 3
"""Taps along time of every convolution."""


class SpectrogramConv(nn.Module):
    """Convolution of stride 2 in time and frequency; looks one column further back.

    Normalises each column by itself over channels and frequencies.
    """

    def __init__(self, inputs: int, outputs: int, out_frequencies: int) -> None:
        """Create the convolution from ``inputs`` to ``outputs`` channels.

        Args:
            inputs: channels.
            outputs: channels.
            out_frequencies: frequencies that are left.
        """
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, KERNEL, stride=2, padding=(0, 1))
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


class DilatedBlock(nn.Module):
    """Residual causal convolution over tokens (compare WaveNet, van den Oord et al. 2016)."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        """Create a block that looks ``2 * dilation`` tokens back.

        Args:
            width: of a token.
            dilation: distance of the taps, tokens.
            dropout: share of values that training drops.
        """
        super().__init__()
        self.dilation = dilation
        self.history = (KERNEL - 1) * dilation
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, KERNEL, dilation=dilation)
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def inputs(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """Return what the convolution reads of tokens (B, A, D): normalised, zero where masked.

        Args:
            x: (B, A, D).
            weight: 0 where masked, else 1, (B, A); None where nothing is.
        """
        x = self.norm(x)
        return x if weight is None else x * weight.unsqueeze(-1)

    def convolve(self, taps: list[Tensor]) -> Tensor:
        """Return the convolution (B, A, D) of what each tap reads.

        As one matrix product over the taps: a convolution call costs more than its arithmetic for
        the two or three tokens that a step brings.
        """
        # Channel by channel like the kernel, which is larger and so had better not be rearranged.
        taps_last = torch.stack(taps, dim=-1).flatten(2)
        return F.linear(taps_last, self.conv.weight.flatten(1), self.conv.bias)

    def forward(self, x: Tensor, padded: Tensor) -> Tensor:
        """Add the convolution of ``padded`` (B, history + A, D) to tokens (B, A, D).

        Args:
            x: (B, A, D).
            padded: what :meth:`inputs` gave, with its history before it, (B, history + A, D).
        """
        count = x.shape[1]
        taps = [padded.narrow(1, tap * self.dilation, count) for tap in range(KERNEL)]
        return x + self.dropout(self.project(F.gelu(self.convolve(taps))))


class TapByTap(DilatedBlock):
    """A block whose kernel is arranged tap by tap, so that tokens are joined end on."""

    def __init__(self, block: DilatedBlock) -> None:
        """Take over what ``block`` has learnt."""
        super().__init__(block.project.in_features, block.dilation, dropout=0.0)
        self.load_state_dict(block.state_dict())
        self.kernel = self.conv.weight.detach().permute(0, 2, 1).flatten(1).contiguous()

    def convolve(self, taps: list[Tensor]) -> Tensor:
        """Return the convolution (B, A, D) of what each tap reads."""
        return nn.functional.linear(torch.cat(taps, -1), self.kernel, self.conv.bias)


class AudioCNN(Encoder):
    """Log-mel blocks to tokens; a masked block (a hole) leaves no trace in its neighbours."""

    modality = Modality.AUDIO

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder described by ``config.audio``."""
        super().__init__(config)
        audio: AudioConfig = config.audio
        self.config = config
        frequencies = audio.num_mels
        channels = (1, *audio.channels)
        convs = []
        # What each convolution still needs of the past: columns (C, 1, F), tokens (k, D).
        self._past_shapes: list[tuple[int, ...]] = []
        for inputs, outputs in pairwise(channels):
            self._past_shapes.append((inputs, 1, frequencies))
            frequencies = (frequencies + 1) // 2
            convs.append(SpectrogramConv(inputs, outputs, frequencies))
        self.convs = nn.ModuleList(convs)
        self.embed = nn.Linear(channels[-1] * frequencies, config.hidden_dim)
        self.blocks = nn.ModuleList(
            DilatedBlock(config.hidden_dim, dilation, config.dropout)
            for dilation in audio.dilations
        )
        self.norm = nn.LayerNorm(config.hidden_dim)
        self._past_shapes += [
            ((KERNEL - 1) * dilation, config.hidden_dim) for dilation in audio.dilations
        ]
        self._past_sizes = [math.prod(shape) for shape in self._past_shapes]

    @property
    def receptive_field_s(self) -> float:
        """How far before its end a token has heard, seconds."""
        audio = self.config.audio
        # The two strided convolutions leave out the first column of the oldest block.
        columns = audio.receptive_field_tokens * audio.columns_per_token - 1
        return ((columns - 1) * audio.hop_samples + audio.fft_samples) / audio.sample_rate_hz

    def new_past(self, rows: int = 1) -> Tensor:
        """Return what lies before the first block, for ``rows`` streams, (rows, X) zeros."""
        return self.norm.weight.new_zeros(rows, sum(self._past_sizes))

    def parts_of(self, past: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return views of the past (B, X): columns (B, C, 1, F) and tokens (B, k, D)."""
        flat = past.split(self._past_sizes, dim=1)
        parts = [
            part.unflatten(1, shape) for part, shape in zip(flat, self._past_shapes, strict=True)
        ]
        return parts[: len(self.convs)], parts[len(self.convs) :]

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the tokens (B, A, D) of a batch's spectrograms."""
        blocks = batch['spectrograms'].to(self.norm.weight.dtype)
        tokens: Tensor = self(blocks, batch['spectrogram_mask'])
        return tokens

    @classmethod
    def steps(cls) -> tuple[StepSpec, ...]:
        """Return the step of the next blocks of sound."""
        return (_CHUNK,)

    @classmethod
    def state_size(cls, config: ModelConfig) -> int:
        """Return the size of what the convolutions still need, not less than it is."""
        audio = config.audio
        tokens = (KERNEL - 1) * sum(audio.dilations) * config.hidden_dim
        return tokens + audio.num_mels * sum(audio.channels)

    def merge_operators(self) -> None:
        """Arrange kernels over tokens tap by tap."""
        for index, block in enumerate(self.blocks):
            assert isinstance(block, DilatedBlock)
            self.blocks[index] = TapByTap(block)

    def forward(self, blocks: Tensor, mask: Tensor) -> Tensor:
        """Encode a recording's blocks (B, A, K, M) with mask (B, A) to tokens (B, A, D).

        Args:
            blocks: log-mel, (B, A, K, M).
            mask: False for a hole, bool (B, A).
        """
        past = self.new_past().expand(len(blocks), -1)
        return self.advance(blocks, past, mask)[0]

    def advance(
        self, blocks: Tensor, past: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode the next blocks of some streams.

        Args:
            blocks: (B, A, K, M), any A >= 1.
            past: (B, X), what lies before them; zeros are a hole, or nothing. Stays as it is.
            mask: bool (B, A); None says that nothing is masked.

        Returns:
            Tokens (B, A, D), and what lies before the next blocks, (B, X).
        """
        columns_per_token = self.config.audio.columns_per_token
        weight = None if mask is None else mask.to(blocks.dtype)
        if weight is not None:
            blocks = blocks * weight[..., None, None]
        x = blocks.flatten(1, 2).unsqueeze(1)
        columns, tokens = self.parts_of(past)
        after = []
        for conv, before in zip(self.convs, columns, strict=True):
            after.append(x[:, :, -1:])
            x = conv(x, before.to(x.dtype))
            columns_per_token //= 2
            if weight is not None:
                column_mask = weight.repeat_interleave(columns_per_token, dim=1)
                x = x * column_mask[:, None, :, None].to(x.dtype)
        x = self.embed(x.transpose(1, 2).flatten(2))
        for block, before in zip(self.blocks, tokens, strict=True):
            assert isinstance(block, DilatedBlock)
            inputs = block.inputs(x, weight)
            padded = torch.cat((before.to(inputs.dtype), inputs), dim=1)
            after.append(padded[:, -block.history :])
            x = block(x, padded)
        return self.norm(x), torch.cat([part.flatten(1).to(past.dtype) for part in after], 1)


class ChunkStep(nn.Module):
    """The next blocks of a spectrogram."""

    def __init__(self, encoder: AudioCNN, fusion: CrossModalAttention) -> None:
        """Step with the weights of ``encoder``, towards ``fusion``.

        Args:
            encoder: whose weights it uses.
            fusion: makes keys and values of the tokens.
        """
        super().__init__()
        self.audio, self.fusion = encoder, fusion

    def forward(self, spectrogram: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Encode log-mel blocks.

        Args:
            spectrogram: (B, A, K, M), any A >= 1.
            past: (B, X), what the last call returned; see :class:`AudioCNN`.

        Returns:
            Rows (B, A, 3, D), and the past of the next call (B, X).
        """
        tokens, after = self.audio.advance(spectrogram, past)
        return self.fusion.project_key_value(Modality.AUDIO, tokens), after


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
    module=lambda system: ChunkStep(system.audio_encoder, system.cross_attention),
    inputs=(StepInput('spectrogram', 2), StepInput('past', 1)),
    outputs=('rows', 'after'),
    length=2,
    example=_chunk_example,
)
ENCODER = AudioCNN
