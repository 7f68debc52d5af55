"""Encoders of single frames: one image to one token, by itself.

Shapes: B batch, S image side, P patches, W spatial width, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.config import ModelConfig, VideoConfig
from activity_recognition.models.attention import FeedForward, split_projections
from activity_recognition.models.backbones import PretrainedFrameEncoder
from activity_recognition.models.exposure import expose
from activity_recognition.models.work import (
    BLOCK_WEIGHTS,
    PER_MULTIPLY_ADD,
    Work,
    attention_operations,
    bytes_of,
    convolution_operations,
)

PIXEL_MEAN, PIXEL_SCALE = 127.5, 64.0
"""Normalisation of 8-bit images; weights can take over the scale exactly, a power of two."""


class WholeNorm(nn.Module):
    """``GroupNorm`` of one group, in operators that a runtime does not take apart."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        """Take over what ``norm`` has learnt."""
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each of (B, C, H, W) over all its numbers."""
        flat = x.flatten(1)
        normal = nn.functional.layer_norm(flat, flat.shape[1:], eps=self.eps).view_as(x)
        return normal * self.weight[:, None, None] + self.bias[:, None, None]


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
        """Create attention and feed-forward of ``config.width``.

        Args:
            config: width and heads.
            dropout: share of values that training drops.
        """
        super().__init__()
        self.num_heads = config.spatial_heads
        self.norm1 = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.mlp = FeedForward(config.width, dropout)

    def forward(self, x: Tensor, patches: int) -> Tensor:
        """Mix the patch tokens of each frame, (B * P, W): ``patches`` of them after each other.

        Args:
            x: (B * P, W).
            patches: P, of one frame.
        """
        projected = self.qkv(self.norm1(x)).unflatten(0, (-1, patches))
        query, key, value = split_projections(projected, 3, self.num_heads)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).flatten(2).flatten(0, 1))
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
        self.scale = PIXEL_SCALE
        self._size_px = video.input_size_px
        self._exposes = video.exposes
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

    def work(self) -> Work:
        """Return the work of one image."""
        tokens, width = self.position.shape[1:]
        blocks = len(self.blocks) * tokens * BLOCK_WEIGHTS * width**2
        read = (tokens - 1) * self.squeeze.weight.numel() + self.project.weight.numel()
        return Work(
            products=PER_MULTIPLY_ADD * (blocks + read)
            + convolution_operations(self.stem, self._size_px),
            attention=len(self.blocks) * attention_operations(tokens, tokens, width),
            weight_bytes=bytes_of(self),
        )

    def merge_operators(self) -> None:
        """Put the scale of pixels into the first convolution; normalise images in one operator."""
        first = self.stem[0]
        assert isinstance(first, nn.Conv2d)
        with torch.no_grad():
            first.weight.div_(self.scale)
        self.scale = 1.0
        for index, layer in enumerate(self.stem):
            if isinstance(layer, nn.GroupNorm) and layer.num_groups == 1:
                self.stem[index] = WholeNorm(layer)

    def encode_patches(self, frames: Tensor) -> Tensor:
        """Encode uint8 images (B, S, S, 3) to a summary and patches row by row, (B, 1 + P, W)."""
        levels = (
            expose(frames, self.position.dtype) if self._exposes else frames.to(self.position.dtype)
        )
        x = levels.permute(0, 3, 1, 2).sub_(PIXEL_MEAN)  # in a copy of the frames
        if self.scale != 1.0:
            x = x / self.scale
        patches = self.stem(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.summary.expand(patches.shape[0], -1, -1), patches), dim=1)
        x, count = x + self.position, x.shape[1]
        x = x.flatten(0, 1)
        for block in self.blocks:
            x = block(x, count)
        encoded: Tensor = self.norm(x).unflatten(0, (-1, count))
        return encoded

    def read(self, encoded: Tensor) -> Tensor:
        """Read the token (B, D) from what :meth:`encode_patches` returns."""
        places = self.squeeze(encoded[:, 1:]).flatten(1)
        token: Tensor = self.project(torch.cat((encoded[:, 0], places), dim=-1))
        return token


class Unseen(nn.Module):
    """Stands in for a frame encoder where single images are not to be read: tokens of zeros."""

    nothing: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Create a token of ``config.hidden_dim`` without weights."""
        super().__init__()
        self.register_buffer('nothing', torch.zeros(1, config.hidden_dim), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Return tokens (B, D) for images (B, S, S, 3)."""
        return self.nothing.expand(frames.shape[0], -1)


def make_frame_encoder(config: ModelConfig) -> FrameEncoder | PretrainedFrameEncoder | Unseen:
    """Return the encoder of single frames that ``config.video`` describes, with random weights.

    Raises:
        ConfigError: a backbone is named whose architecture is missing, or that does not take
            images of ``input_size_px``.
    """
    if not config.video.appearance:
        return Unseen(config)
    return PretrainedFrameEncoder(config) if config.video.backbone else FrameEncoder(config)


def extreme_images(size_px: int) -> Tensor:
    """Return images unlike noise, uint8 (5, S, S, 3): dark, bright, and with large edges."""
    across = torch.arange(size_px).expand(size_px, size_px)
    images = torch.zeros((5, size_px, size_px, 3), dtype=torch.uint8)
    images[1] = 255
    images[2, :, size_px // 2 :] = 255
    images[3] = (255 * ((across // 8 + across.T // 8) % 2)).to(torch.uint8).unsqueeze(-1)
    images[4, ..., 0] = (across * 255 // size_px).to(torch.uint8)
    return images
