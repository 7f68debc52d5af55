"""Causal convolutions over a grid of blocks, each of which becomes a token.

What the convolutions still need of the past is passed in and out. A masked block (a hole) leaves no
trace in its neighbours.

Shapes: B batch, A blocks (= tokens), K columns per block, C channels, T columns, D width, X numbers
of the past.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import zip_longest
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.config import ModelConfig
from activity_recognition.models.encoders.encoder import Encoder
from activity_recognition.models.fusion import CrossModalAttention
from activity_recognition.models.work import PER_MULTIPLY_ADD, Work, bytes_of

KERNEL = 3
"""Taps along time of every convolution over tokens."""
STRIDE = 2
"""Of every convolution over columns."""


class ColumnConv(Protocol):
    """A convolution over columns that halves their number."""

    history: int
    """Columns before the first that it reads."""

    def __call__(self, x: Tensor, past: Tensor) -> Tensor:
        """Convolve (B, C, T, ...), T even, after the columns (B, C, history, ...) before it."""
        ...


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


class ConvolutionalEncoder(Encoder):
    """Convolutions over columns, of stride 2, then dilated ones over tokens.

    A subclass makes ``convs`` and ``embed``, in the order in which its weights are to be drawn, and
    ``embed_beside`` where something else is known of each block; then it calls :meth:`add_blocks`.
    """

    convs: nn.ModuleList
    embed: nn.Module
    """(B, A, numbers of a block after the convolutions) to (B, A, D)."""
    embed_beside: nn.Module
    """What is known beside the blocks to (B, A, D)."""

    def add_blocks(
        self,
        config: ModelConfig,
        dilations: Sequence[int],
        columns: Sequence[tuple[int, ...]],
        columns_per_token: int,
    ) -> None:
        """Create what computes with tokens.

        Args:
            config: of the network.
            dilations: of the convolutions, in tokens.
            columns: what each of ``convs`` still needs of the past, (C, history, ...).
            columns_per_token: K.
        """
        self.config = config
        width = config.hidden_dim
        self.blocks = nn.ModuleList(
            DilatedBlock(width, dilation, config.dropout) for dilation in dilations
        )
        self.norm = nn.LayerNorm(width)
        self._columns_per_token = columns_per_token
        self._past_shapes = [*columns, *(((KERNEL - 1) * d, width) for d in dilations)]
        self._past_sizes = [math.prod(shape) for shape in self._past_shapes]

    def work(self, *, length: int, held: int) -> dict[str, Work]:
        """Return the work of a chunk that completes some blocks; see :meth:`Encoder.work`.

        Args:
            length: blocks that the chunk completes.
            held: of no meaning here.
        """
        del held
        embed = cast('nn.Linear', self.embed)
        columns, products = self._columns_per_token, embed.weight.numel()
        # How large a column is after each convolution says what the next one keeps of the past.
        rows = [math.prod(shape[2:]) for shape in self._past_shapes[1 : len(self.convs)]]
        for conv, kept in zip_longest(self.convs, rows):
            kernel = cast('nn.Conv1d | nn.Conv2d', conv.conv)
            columns //= STRIDE
            high = kept or embed.in_features // kernel.out_channels
            products += columns * high * kernel.weight.numel()
        for block in self.blocks:
            assert isinstance(block, DilatedBlock)
            products += block.conv.weight.numel() + block.project.weight.numel()
        encoder = Work(products=PER_MULTIPLY_ADD * length * products, weight_bytes=bytes_of(self))
        return {f'{self.modality} encoder': encoder}

    @property
    def columns_per_block(self) -> list[int]:
        """How many columns of a block each of ``convs`` reads."""
        return [self._columns_per_token // STRIDE**level for level in range(len(self.convs))]

    @abstractmethod
    def columns_of(self, blocks: Tensor) -> Tensor:
        """Return blocks (B, A, K, ...) as columns (B, C, T, ...), zero where they are zero."""

    def new_past(self, rows: int = 1) -> Tensor:
        """Return what lies before the first block, for ``rows`` streams, (rows, X) zeros."""
        return self.norm.weight.new_zeros(rows, sum(self._past_sizes))

    def parts_of(self, past: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return views of the past (B, X): columns (B, C, history, ...) and tokens (B, k, D)."""
        flat = past.split(self._past_sizes, dim=1)
        parts = [
            part.unflatten(1, shape) for part, shape in zip(flat, self._past_shapes, strict=True)
        ]
        return parts[: len(self.convs)], parts[len(self.convs) :]

    def merge_operators(self) -> None:
        """Arrange kernels over tokens tap by tap."""
        for index, block in enumerate(self.blocks):
            assert isinstance(block, DilatedBlock)
            self.blocks[index] = TapByTap(block)

    def forward(self, blocks: Tensor, mask: Tensor, beside: Tensor | None = None) -> Tensor:
        """Encode a recording's blocks to tokens (B, A, D).

        Args:
            blocks: (B, A, K, ...).
            mask: bool (B, A), False for a hole.
            beside: what else is known of each block, (B, A, ...); None where nothing is.
        """
        past = self.new_past().expand(len(blocks), -1)
        return self.advance(blocks, past, mask, beside)[0]

    def advance(
        self,
        blocks: Tensor,
        past: Tensor,
        mask: Tensor | None = None,
        beside: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Encode the next blocks of some streams.

        Args:
            blocks: (B, A, K, ...), any A >= 1.
            past: (B, X), what lies before them; zeros are a hole, or nothing. Stays as it is.
            mask: bool (B, A); None says that nothing is masked.
            beside: what else is known of each block, (B, A, ...); None where nothing is.

        Returns:
            Tokens (B, A, D), and what lies before the next blocks, (B, X).
        """
        columns_per_token = self._columns_per_token
        weight = None if mask is None else mask.to(blocks.dtype)
        if weight is not None:
            blocks = blocks * _for_dims(weight, blocks.dim())
        x = self.columns_of(blocks)
        columns, tokens = self.parts_of(past)
        after = []
        for module, before in zip(self.convs, columns, strict=True):
            conv, past_columns = cast(ColumnConv, module), before.to(x.dtype)
            after.append(_newest(conv.history, past_columns, x))
            x = conv(x, past_columns)
            columns_per_token //= STRIDE
            if weight is not None:
                column_mask = weight.repeat_interleave(columns_per_token, dim=1)
                x = x * _for_dims(column_mask.unsqueeze(1), x.dim()).to(x.dtype)
        x = self.embed(x.transpose(1, 2).flatten(2))
        if beside is not None:
            x = x + self.embed_beside(beside)
        for block, before in zip(self.blocks, tokens, strict=True):
            assert isinstance(block, DilatedBlock)
            inputs = block.inputs(x, weight)
            padded = torch.cat((before.to(inputs.dtype), inputs), dim=1)
            after.append(padded[:, -block.history :])
            x = block(x, padded)
        return self.norm(x), torch.cat([part.flatten(1).to(past.dtype) for part in after], 1)


def _for_dims(mask: Tensor, dims: int) -> Tensor:
    """Return a mask with dimensions of size 1 after its own, ``dims`` in all."""
    return mask.reshape(*mask.shape, *(1,) * (dims - mask.dim()))


def _newest(count: int, before: Tensor, x: Tensor) -> Tensor:
    """Return the last ``count`` columns of what came before and of ``x``, which has at least 1."""
    return x[:, :, -1:] if count == 1 else torch.cat((before, x), dim=2)[:, :, -count:]


class BlockStep(nn.Module):
    """The next blocks of a stream."""

    def __init__(self, encoder: ConvolutionalEncoder, fusion: CrossModalAttention) -> None:
        """Step with the weights of ``encoder``, towards ``fusion``.

        Args:
            encoder: of the blocks.
            fusion: takes the tokens.
        """
        super().__init__()
        self.encoder, self.fusion = encoder, fusion

    def forward(self, blocks: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Encode blocks.

        Args:
            blocks: (B, A, K, ...), any A >= 1.
            past: (B, X), what the last call returned; see :class:`ConvolutionalEncoder`.

        Returns:
            Rows (B, A, 3, D), and the past of the next call (B, X).
        """
        tokens, after = self.encoder.advance(blocks, past)
        return self.fusion.project_key_value(self.encoder.modality, tokens), after


class BesideStep(BlockStep):
    """The next blocks of a stream, and what else is known of each."""

    def forward(  # type: ignore[override]
        self, blocks: Tensor, beside: Tensor, past: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode blocks.

        Args:
            blocks: (B, A, K, ...), any A >= 1.
            beside: (B, A, ...).
            past: (B, X), what the last call returned; see :class:`ConvolutionalEncoder`.

        Returns:
            Rows (B, A, 3, D), and the past of the next call (B, X).
        """
        tokens, after = self.encoder.advance(blocks, past, beside=beside)
        return self.fusion.project_key_value(self.encoder.modality, tokens), after
