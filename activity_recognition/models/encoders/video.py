"""VideoTransformer: every frame becomes one token, and looks back in time.

Shapes: B batch, T frames, S image side, J joints, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from activity_recognition.config import ModelConfig
from activity_recognition.models.attention import (
    NUM_KNOTS,
    QUERY_CHUNK,
    AgeBias,
    FeedForward,
    age_knots,
    ages_s,
    attend,
    attend_once,
    head_places,
    split_projections,
    visible,
)
from activity_recognition.models.backbones import PretrainedFrameEncoder
from activity_recognition.models.directions import MotionDirections
from activity_recognition.models.encoders.encoder import Encoder
from activity_recognition.models.frame_encoders import (
    FrameEncoder,
    extreme_images,
    make_frame_encoder,
)
from activity_recognition.models.fusion import CrossModalAttention
from activity_recognition.models.key_points import (
    KeyPointEncoder,
    KeyPointMotion,
    extreme_key_points,
)
from activity_recognition.models.motion import LONGEST, MotionEncoder
from activity_recognition.models.step_spec import (
    Draw,
    Sizes,
    StepInput,
    StepSpec,
    viewed_rows,
)
from activity_recognition.models.work import (
    BLOCK_WEIGHTS,
    FLOAT_BYTES,
    PER_MULTIPLY_ADD,
    Work,
    attention_operations,
    bytes_of,
)
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from activity_recognition.models.system import ActivityRecognitionSystem


class TemporalBlock(nn.Module):
    """Pre-norm causal block over frames; position is the age in seconds."""

    heads: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Create attention and feed-forward of ``config.hidden_dim``."""
        super().__init__()
        width = config.hidden_dim
        self.num_heads = config.num_heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.age_bias = AgeBias(config.num_heads, config.video.window_s)
        if config.video.heads_by_age:
            self.age_bias.part_ages()
        self.register_buffer('heads', head_places(self.num_heads, width), persistent=False)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, config.dropout)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value of tokens (B, N, D), each (B, H, N, D / H)."""
        query, key, value = split_projections(self.qkv(self.norm1(x)), 3, self.num_heads)
        return query, key, value

    def mix(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Add attention's result and the feed-forward to the residual stream.

        Args:
            x: the residual stream.
            mixed: result of the attention, of the same shape.
        """
        x = x + self.out(mixed)
        return x + self.mlp(self.norm2(x))


class VideoTransformer(Encoder):
    """Per-frame spatial encoder, then causal attention over time.

    ``forward`` encodes whole recordings, ``frame_encoder`` and :meth:`temporal_attention` the next
    frame of some streams with the keys and values of earlier ones; both give the same tokens.
    """

    modality = Modality.VIDEO
    pretrained_rate = 'frame_encoder_rate'

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder described by ``config.video``, with random weights.

        Raises:
            ConfigError: a backbone is named whose architecture is missing, or that does not take
                images of ``input_size_px``.
        """
        super().__init__(config)
        self.frame_encoder: nn.Module
        self.motion: MotionEncoder | KeyPointMotion | None
        if config.video.key_points:
            self.frame_encoder, self.motion = KeyPointEncoder(config), KeyPointMotion(config)
        else:
            self.frame_encoder = make_frame_encoder(config)
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

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the tokens (B, T, D) of a batch's frames."""
        tokens: Tensor = self(
            batch['frames'], batch['frame_stamps'], batch['frame_mask'], batch.get('images')
        )
        return tokens

    @classmethod
    def steps(cls) -> tuple[StepSpec, ...]:
        """Return the steps of a frame by itself, and of its attention to those before it."""
        return _FRAME, _TEMPORAL_ATTENTION

    def work(self, *, length: int, held: int) -> dict[str, Work]:
        """Return the work of one frame; see :meth:`Encoder.work`.

        The temporal blocks compute with this frame and a view of those before it, whose width is
        rounded up (:func:`viewed_rows`), and mask what it holds beside them.

        Args:
            length: 1, of no meaning here.
            held: frames in the window, this one included.
        """
        del length
        parts: dict[str, Work] = {}
        if isinstance(self.frame_encoder, FrameEncoder | KeyPointEncoder):
            parts['frame encoder'] = self.frame_encoder.work()
        if self.motion is not None:
            parts['motion'] = self.motion.work()
        if self.directions is not None:
            parts['directions'] = self.directions.work()
        return {**parts, 'temporal blocks': self._temporal_work(held)}

    def _temporal_work(self, held: int) -> Work:
        depth, width, heads = len(self.blocks), self.config.hidden_dim, self.config.num_heads
        viewed = viewed_rows(held - 1, self.max_tokens)
        per_block = BLOCK_WEIGHTS * width**2 + NUM_KNOTS * heads * viewed
        return Work(
            products=PER_MULTIPLY_ADD * depth * per_block,
            attention=depth * attention_operations(heads, viewed, width),
            weight_bytes=bytes_of(self.blocks, self.norm),
            cache_bytes=FLOAT_BYTES * 2 * depth * viewed * width,
        )

    @classmethod
    def past_size(cls, config: ModelConfig) -> int:
        """Return the size of a frame's keys and values in the temporal blocks."""
        return config.video.temporal_depth * 2 * config.hidden_dim

    def merge_operators(self) -> None:
        """Put the scale of pixels into the first convolution; normalise images in one operator."""
        if isinstance(self.frame_encoder, FrameEncoder):
            self.frame_encoder.merge_operators()

    def forward(
        self, frames: Tensor, stamps_ns: Tensor, mask: Tensor, images: Tensor | None = None
    ) -> Tensor:
        """Encode a recording.

        Args:
            frames: uint8 (B, T, S, S, 3), RGB, or key points (B, T, J, 3), in order of arrival.
            stamps_ns: int64 (B, T), increasing along T.
            mask: bool (B, T), False for padding, which comes last in a row.
            images: uint8 (B, T, S, S, 3), what key points were found in, for a network that takes
                both.

        Returns:
            (B, T, D); the token at t depends on frames up to t alone.
        """
        x = self.encode_frames(frames, mask)
        seen = frames if images is None else images
        for part, content in ((self.motion, frames), (self.directions, seen)):
            if part is not None:
                moved = part(content, stamps_ns, mask).to(x.dtype)
                x = x.index_put((mask,), moved, accumulate=True)
        for block in self.blocks:
            x = self._dense_block(block, x, stamps_ns, mask)  # type: ignore[arg-type]
        return self.norm(x)

    def encode_frames(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Encode each frame of a recording by itself to (B, T, D); padding costs nothing.

        Args:
            frames: uint8 (B, T, S, S, 3), or key points (B, T, J, 3).
            mask: False for padding, bool (B, T).
        """
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

    def temporal_attention(
        self, tokens: Tensor, past: Tensor, age_s: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let one frame of each stream attend to the frames before it.

        Args:
            tokens: (B, D), of the frames by themselves.
            past: (B, N, L, 2, D), keys and values of earlier frames in the L temporal blocks.
            age_s: (B, N), how much older they are, seconds.
            seen: bool (B, N), which of them are seen.

        Returns:
            The frames' tokens (B, D), and their own keys and values (B, L, 2, D).
        """
        if not self.blocks:
            return self.norm(tokens), past[:, 0]
        x, own, width = tokens, [], tokens.shape[-1]
        # Slices of one axis: of several, an exporter takes apart and copies all of them.
        flat = past.flatten(2)
        biases = self._biases_of_rows(age_s, seen).split(self.config.num_heads, 1)
        for layer, (block, bias) in enumerate(zip(self.blocks, biases, strict=True)):
            assert isinstance(block, TemporalBlock)
            query, key, value = block.qkv(block.norm1(x)).split(width, -1)
            own += [key, value]
            mixed = attend_once(
                query,
                flat.narrow(2, 2 * layer * width, width),
                flat.narrow(2, (2 * layer + 1) * width, width),
                bias,
                block.heads,
                always=(key, value),
            )
            x = block.mix(x, mixed)
        return self.norm(x), torch.cat(own, -1).unflatten(-1, past.shape[2:])

    def _biases_of_rows(self, age_s: Tensor, seen: Tensor) -> Tensor:
        """Return what is added to the scores of earlier frames in all blocks, (B, L * H, N).

        Args:
            age_s: (B, N), how much older they are, seconds.
            seen: bool (B, N).
        """
        # Over that of the frame itself, whose age is 0: the softmax knows differences alone.
        tables = []
        for block in self.blocks:
            assert isinstance(block, TemporalBlock)
            tables.append(block.age_bias.table - block.age_bias.table[0])
        knots = age_knots(age_s, self.config.video.window_s).to(tables[0].dtype)
        biases = torch.cat(tables, 1).T @ knots.transpose(1, 2)
        return biases.masked_fill(~seen.unsqueeze(1), float('-inf'))


class FrameStep(nn.Module):
    """Images by themselves."""

    def __init__(self, encoder: VideoTransformer) -> None:
        """Step with the weights of ``encoder``."""
        super().__init__()
        self.encoder = encoder.frame_encoder

    def forward(self, frames: Tensor) -> Tensor:
        """Encode uint8 images (B, S, S, 3) to tokens (B, D)."""
        tokens: Tensor = self.encoder(frames)
        return tokens


class KeyPointStep(nn.Module):
    """Key points, with those that they are compared with."""

    def __init__(self, encoder: KeyPointEncoder, motion: KeyPointMotion) -> None:
        """Step with the weights of two encoders.

        Args:
            encoder: of single frames.
            motion: of differences.
        """
        super().__init__()
        self.encoder, self.motion = encoder, motion

    def forward(
        self, points: Tensor, earlier: Tensor, oldest: Tensor, earlier_age_s: Tensor
    ) -> Tensor:
        """Encode key points to tokens (B, D).

        Args:
            points: (B, J, 3).
            earlier: of the frames compared with, (B, J, 3).
            oldest: of the oldest frames, (B, J, 3).
            earlier_age_s: of the frames compared with, (B,), seconds.
        """
        now, others = self.motion.measure(points, earlier, oldest)
        tokens = self.encoder.encode(points.to(self.motion.dtype), now)
        return tokens + self.motion.encode(now, others, earlier_age_s)


def _frame_step(system: ActivityRecognitionSystem) -> nn.Module:
    encoder = system.video_encoder
    if isinstance(encoder.motion, KeyPointMotion):
        assert isinstance(encoder.frame_encoder, KeyPointEncoder)
        return KeyPointStep(encoder.frame_encoder, encoder.motion)
    # Differences of images keep more of a stream than a step takes: they run beside it.
    return FrameStep(encoder)


class TemporalAttentionStep(nn.Module):
    """One frame of each stream attends to those before it."""

    def __init__(self, encoder: VideoTransformer, fusion: CrossModalAttention) -> None:
        """Step with the weights of ``encoder``, towards ``fusion``.

        Args:
            encoder: whose weights it uses.
            fusion: makes keys and values of the tokens.
        """
        super().__init__()
        self.video, self.fusion = encoder, fusion

    def forward(
        self, tokens: Tensor, past: Tensor, age_s: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            tokens: (B, D), from :class:`FrameStep`.
            past: (B, N, T, 2, D), what earlier calls returned.
            age_s: (B, N), how much older than the frame each of them is, seconds.
            seen: bool (B, N), which of them lie in the window.

        Returns:
            Rows (B, 3, D), and what to pass as one of the past from now on (B, T, 2, D).
        """
        attended, own = self.video.temporal_attention(tokens, past, age_s, seen)
        return self.fusion.project_key_value(Modality.VIDEO, attended), own


def _frame_inputs(system: ActivityRecognitionSystem) -> tuple[StepInput, ...]:
    if not system.config.video.key_points:
        return (StepInput('images', 1),)
    return tuple(
        StepInput(name, 1) for name in ('key_points', 'earlier', 'oldest', 'earlier_age_s')
    )


def _frame_example(
    system: ActivityRecognitionSystem, sizes: Sizes, draw: Draw
) -> tuple[Tensor, ...]:
    video = system.config.video
    if joints := video.joints:
        points = [draw.normal(sizes.streams, len(joints), 3).float() for _ in range(3)]
        return *points, draw.ages(LONGEST * video.motion_span_s, sizes.streams)
    side = video.input_size_px
    return (draw.integers(256, sizes.streams, side, side, 3).to(torch.uint8),)


def _frame_extremes(system: ActivityRecognitionSystem) -> tuple[Tensor, ...]:
    video = system.config.video
    if video.key_points:
        points, like = extreme_key_points(len(video.joints)), system.classifier.weight
        ages_s = torch.linspace(0.0, 1.0, len(points), dtype=like.dtype)
        return points, points.roll(1, 0), points.roll(2, 0), ages_s
    return (extreme_images(video.input_size_px),)


def _temporal_example(
    system: ActivityRecognitionSystem, sizes: Sizes, draw: Draw
) -> tuple[Tensor, ...]:
    config, streams, rows = system.config, sizes.streams, sizes.rows
    return (
        draw.normal(streams, config.hidden_dim),
        draw.normal(streams, rows, config.video.temporal_depth, 2, config.hidden_dim),
        draw.ages(config.video.window_s, streams, rows),
        draw.mask(streams, rows),
    )


_FRAME = StepSpec(
    name='frame',
    module=_frame_step,
    inputs=(StepInput('images', 1),),
    outputs=('tokens',),
    example=_frame_example,
    extremes=_frame_extremes,
    inputs_of=_frame_inputs,
)
_TEMPORAL_ATTENTION = StepSpec(
    name='temporal_attention',
    module=lambda system: TemporalAttentionStep(system.video_encoder, system.cross_attention),
    inputs=(
        StepInput('tokens', 1),
        StepInput('past', 2),
        StepInput('age_s', 2),
        StepInput('seen', 2),
    ),
    outputs=('rows', 'own'),
    example=_temporal_example,
)
ENCODER = VideoTransformer
