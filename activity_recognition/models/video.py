"""VideoTransformer: every frame becomes one token, and looks back in time.

Shapes: B batch, T frames, S image side, P patches, W spatial width, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.config import ModelConfig, VideoConfig
from activity_recognition.models.attention import (
    AgeBias,
    FeedForward,
    age_knots,
    ages_s,
    attend,
    split_projections,
    visible,
)
from activity_recognition.models.backbones import PretrainedFrameEncoder
from activity_recognition.models.directions import MotionDirections
from activity_recognition.models.motion import MotionEncoder
from activity_recognition.models.state import (
    DirectionState,
    MotionState,
    Rows,
    TokenRing,
    VideoState,
    turns,
)

QUERY_CHUNK = 256
"""Queries handled at once by a dense pass, so that memory grows with time and not its square."""
STEP_CHUNK = 64
"""Frames of all streams that a step encodes at once."""
STEP_CHUNK_CPU = 8
"""The same on a CPU, whose caches do not hold more."""


class PatchStem(nn.Sequential):
    """Stride-2 convolutions and the patch embedding (Xiao et al. 2021)."""

    def __init__(self, config: VideoConfig) -> None:
        """Create one convolution per entry of ``stem_channels`` and the embedding."""
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in config.stem_channels:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(1, outputs),
                nn.ReLU(),  # on a CPU, GELU at this resolution costs as much as a convolution
            ]
            inputs = outputs
        layers.append(nn.Conv2d(inputs, config.width, 2, stride=2))
        super().__init__(*layers)


class SpatialBlock(nn.Module):
    """Pre-norm transformer block over the patches of one frame (Dosovitskiy et al. 2021)."""

    def __init__(self, config: VideoConfig, dropout: float) -> None:
        """Create attention and feed-forward of ``config.width``."""
        super().__init__()
        self.num_heads = config.spatial_heads
        self.norm1 = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.mlp = FeedForward(config.width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Mix patch tokens (B, P, W)."""
        query, key, value = split_projections(self.qkv(self.norm1(x)), 3, self.num_heads)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class FrameEncoder(nn.Module):
    """One image to one token.

    The token is read from a summary token and from a few channels of every patch in its place.
    A mean over patches would forget where things are, which is what tells postures apart.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Create the spatial encoder of a :class:`VideoTransformer`."""
        super().__init__()
        video = config.video
        self.stem = PatchStem(video)
        self.summary = nn.Parameter(torch.zeros(1, 1, video.width))
        self.position = nn.Parameter(torch.randn(1, video.num_patches + 1, video.width) * 0.02)
        self.blocks = nn.ModuleList(
            SpatialBlock(video, config.dropout) for _ in range(video.spatial_depth)
        )
        self.norm = nn.LayerNorm(video.width)
        self.squeeze = nn.Linear(video.width, video.readout_channels)
        read = video.width + video.num_patches * video.readout_channels
        self.project = nn.Linear(read, config.hidden_dim)

    def forward(self, frames: Tensor) -> Tensor:
        """Encode uint8 images (B, S, S, 3) to tokens (B, D)."""
        return self.read(self.encode_patches(frames))

    def encode_patches(self, frames: Tensor) -> Tensor:
        """Encode uint8 images (B, S, S, 3) to a summary and patches row by row, (B, 1 + P, W)."""
        x = frames.permute(0, 3, 1, 2).to(self.position.dtype)
        x = (x - 127.5) / 64.0
        patches = self.stem(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.summary.expand(len(patches), -1, -1), patches), dim=1)
        x = x + self.position
        for block in self.blocks:
            x = block(x)
        encoded: Tensor = self.norm(x)
        return encoded

    def read(self, encoded: Tensor) -> Tensor:
        """Read the token (B, D) from what :meth:`encode_patches` returns."""
        places = self.squeeze(encoded[:, 1:]).flatten(1)
        token: Tensor = self.project(torch.cat((encoded[:, 0], places), dim=-1))
        return token


class Unseen(nn.Module):
    """Stands in for a frame encoder where single pictures are not to be read: tokens of zeros."""

    nothing: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Create a token of ``config.hidden_dim`` without weights."""
        super().__init__()
        self.register_buffer('nothing', torch.zeros(1, config.hidden_dim), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Return tokens (B, D) for images (B, S, S, 3)."""
        return self.nothing.expand(len(frames), -1)


class TemporalBlock(nn.Module):
    """Pre-norm causal block over frames; position is the age in seconds."""

    def __init__(self, config: ModelConfig) -> None:
        """Create attention and feed-forward of ``config.hidden_dim``."""
        super().__init__()
        width = config.hidden_dim
        self.num_heads = config.num_heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.age_bias = AgeBias(config.num_heads, config.video.window_s)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, config.dropout)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value of tokens (B, N, D), each (B, H, N, D / H)."""
        query, key, value = split_projections(self.qkv(self.norm1(x)), 3, self.num_heads)
        return query, key, value

    def mix(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Add attention's result and the feed-forward to the residual stream."""
        x = x + self.out(mixed)
        return x + self.mlp(self.norm2(x))


class VideoTransformer(nn.Module):
    """Per-frame spatial encoder, then causal attention over time.

    ``forward`` encodes whole recordings, ``step`` the next frames of some streams with the keys and
    values of the past kept in a :class:`VideoState`; both give the same tokens.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder described by ``config.video``, with random weights.

        Raises:
            ConfigError: a backbone is named whose architecture is missing, or that does not take
                pictures of ``input_size_px``.
        """
        super().__init__()
        self.config = config
        self.frame_encoder = _frame_encoder(config)
        self.motion = MotionEncoder(config) if config.video.motion_channels else None
        self.directions = MotionDirections(config) if config.video.motion_memory_s else None
        self.blocks = nn.ModuleList(
            TemporalBlock(config) for _ in range(config.video.temporal_depth)
        )
        self.norm = nn.LayerNorm(config.hidden_dim)

    @property
    def pretrained(self) -> nn.Module:
        """What may begin pretrained: the backbone, or else the whole frame encoder."""
        encoder = self.frame_encoder
        return encoder.backbone if isinstance(encoder, PretrainedFrameEncoder) else encoder

    @property
    def receptive_field_s(self) -> float:
        """How far back one token has seen, seconds."""
        moving = [part for part in (self.motion, self.directions) if part is not None]
        before_s = max((part.receptive_field_s for part in moving), default=0.0)
        return len(self.blocks) * self.config.video.window_s + before_s

    def forward(self, frames: Tensor, stamps_ns: Tensor, mask: Tensor) -> Tensor:
        """Encode a recording.

        Args:
            frames: uint8 (B, T, S, S, 3), RGB, in order of arrival.
            stamps_ns: int64 (B, T), increasing along T.
            mask: bool (B, T), False for padding, which comes last in a row.

        Returns:
            (B, T, D); the token at t depends on frames up to t alone.
        """
        x = self.encode_frames(frames, mask)
        for part in (self.motion, self.directions):
            if part is not None:
                moved = part(frames, stamps_ns, mask).to(x.dtype)
                x = x.index_put((mask,), moved, accumulate=True)
        for block in self.blocks:
            x = self._dense_block(block, x, stamps_ns, mask)  # type: ignore[arg-type]
        return self.norm(x)

    def encode_frames(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Encode each frame of (B, T, S, S, 3) by itself to (B, T, D); padding costs nothing."""
        there = frames[mask]
        if not len(there):
            return self.norm.weight.new_zeros(*mask.shape, self.config.hidden_dim)
        if self.training or len(there) <= QUERY_CHUNK:
            tokens = self.frame_encoder(there)
        else:
            tokens = torch.cat([self.frame_encoder(part) for part in there.split(QUERY_CHUNK)])
        padded = tokens.new_zeros(*mask.shape, tokens.shape[-1])
        padded[mask] = tokens
        return padded

    def _dense_block(
        self, block: TemporalBlock, x: Tensor, stamps_ns: Tensor, mask: Tensor
    ) -> Tensor:
        query, key, value = block.project(x)
        limit, count = self.config.video.max_tokens, x.shape[1]
        order = torch.arange(count, device=x.device).expand(x.shape[0], -1)
        mixed = []
        for start in range(0, count, QUERY_CHUNK):
            stop, first = min(start + QUERY_CHUNK, count), max(0, start - limit + 1)
            queries, tokens = slice(start, stop), slice(first, stop)
            seen = visible(
                stamps_ns[:, queries],
                order[:, queries],
                stamps_ns[:, tokens],
                order[:, tokens],
                mask[:, tokens],
                window_s=self.config.video.window_s,
                max_tokens=limit,
            )
            # A padding frame sees itself, which keeps its softmax defined; nobody sees it.
            seen = seen | (order[:, queries].unsqueeze(-1) == order[:, tokens].unsqueeze(-2))
            age_s = ages_s(stamps_ns[:, queries], stamps_ns[:, tokens], block.age_bias.table.dtype)
            mixed.append(
                attend(
                    query[:, :, queries],
                    key[:, :, tokens],
                    value[:, :, tokens],
                    block.age_bias(age_knots(age_s, self.config.video.window_s)),
                    seen,
                )
            )
        return block.mix(x, torch.cat(mixed, dim=1))

    def new_state(self, slots: int = 1) -> VideoState:
        """Return an empty state for ``step``, of ``slots`` streams."""
        ring = TokenRing.create(
            layers=len(self.blocks),
            slots=slots,
            heads=self.config.num_heads,
            capacity=self.config.video.max_tokens,
            head_dim=self.config.hidden_dim // self.config.num_heads,
            like=self.norm.weight,
        )
        return VideoState(
            ring=ring,
            motion=[MotionState() for _ in range(slots)],
            directions=[DirectionState() for _ in range(slots)],
        )

    def step(
        self, frames: Tensor, stamps_ns: Sequence[int], slots: Sequence[int], state: VideoState
    ) -> Tensor:
        """Encode the next frames of some streams.

        Args:
            frames: uint8 (N, S, S, 3), those of one stream in order of arrival.
            stamps_ns: N stamps.
            slots: N places in ``state``: which stream each frame is of.
            state: advanced.

        Returns:
            (N, D).
        """
        size = STEP_CHUNK_CPU if frames.device.type == 'cpu' else STEP_CHUNK
        x = torch.cat([self.frame_encoder(part) for part in frames.split(size)])
        if self.motion is not None:
            x = x + self.motion.step(frames, stamps_ns, [state.motion[slot] for slot in slots])
        if self.directions is not None:
            past = [state.directions[slot] for slot in slots]
            x = x + self.directions.step(frames, stamps_ns, past)
        chosen = turns(slots)
        if len(chosen) == 1:
            return self._advance(x, stamps_ns, slots, state)
        tokens = torch.empty_like(x, dtype=self.norm.weight.dtype)
        for turn in chosen:
            tokens[turn] = self._advance(
                x[turn], [stamps_ns[i] for i in turn], [slots[i] for i in turn], state
            ).to(tokens.dtype)
        return tokens

    def _advance(
        self, x: Tensor, stamps_ns: Sequence[int], slots: Sequence[int], state: VideoState
    ) -> Tensor:
        """Run one frame each (N, D) of different streams through the temporal blocks."""
        ring, x = state.ring, x.unsqueeze(1)
        dtype, device = self.norm.weight.dtype, self.norm.weight.device
        places = ring.advance(slots, stamps_ns)
        at = torch.tensor((slots, places), device=device)
        rows = Rows.of(slots, device)
        sight = ring.sight(rows, stamps_ns, self.config.video.window_s)
        age_s = torch.from_numpy(sight.age_s).to(device, dtype)[:, None]
        seen = torch.from_numpy(sight.seen).to(device)[:, None]
        knots = age_knots(age_s, self.config.video.window_s)
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, TemporalBlock)
            query, key, value = block.project(x)
            ring.write(layer, (at[0], at[1]), key[:, :, 0], value[:, :, 0])
            keys, values = ring.view(layer, rows, seen.shape[-1])
            mixed = attend(
                query, keys.to(query.dtype), values.to(query.dtype), block.age_bias(knots), seen
            )
            x = block.mix(x, mixed)
        token: Tensor = self.norm(x)
        return token.squeeze(1)


def _frame_encoder(config: ModelConfig) -> FrameEncoder | PretrainedFrameEncoder | Unseen:
    if not config.video.appearance:
        return Unseen(config)
    return PretrainedFrameEncoder(config) if config.video.backbone else FrameEncoder(config)
