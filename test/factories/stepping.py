"""Encoders run step by step, as an engine runs them, without one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from activity_recognition.inference.rings import KeyValueRing
from activity_recognition.models.encoders.audio import AudioCNN
from activity_recognition.models.encoders.video import VideoTransformer


def new_past(encoder: VideoTransformer, slots: int = 1) -> KeyValueRing:
    """Return a ring for the keys and values of frames."""
    config = encoder.config
    shape = (config.video.temporal_depth, 2, config.hidden_dim)
    return KeyValueRing(slots, config.video.max_tokens, shape, like=encoder.norm.weight)


def look_through(
    encoder: VideoTransformer,
    frames: Tensor,
    stamps_ns: Tensor,
    ring: KeyValueRing | None = None,
    *,
    whole: bool = False,
) -> Tensor:
    """Encode recordings, uint8 (B, T, S, S, 3) and int64 (B, T), frame by frame to (B, T, D)."""
    slots = range(len(frames))
    ring = new_past(encoder, len(frames)) if ring is None else ring
    tokens = []
    with torch.no_grad():
        for images, now_ns in zip(frames.unbind(1), stamps_ns.unbind(1), strict=True):
            times = now_ns.tolist()
            window = ring.visible_window(
                slots, times, encoder.config.video.window_s, most=ring.capacity - 1, whole=whole
            )
            token, own = encoder.temporal_attention(
                encoder.frame_encoder(images),
                ring.view(slots, window),
                torch.from_numpy(window.age_s).to(ring.rows),
                torch.from_numpy(window.seen),
            )
            ring.append(slots, [(time_ns,) for time_ns in times], own.unsqueeze(1))
            tokens.append(token)
    return torch.stack(tokens, 1)


def listen_through(
    encoder: AudioCNN, blocks: Tensor, mask: Tensor | None, sizes: Sequence[int]
) -> Tensor:
    """Encode blocks (B, A, K, M), masked (B, A), in steps of ``sizes`` to tokens (B, A, D)."""
    masks = [None] * len(sizes) if mask is None else mask.split(list(sizes), 1)
    past = encoder.new_past(len(blocks))
    tokens = []
    with torch.no_grad():
        for part, part_mask in zip(blocks.split(list(sizes), 1), masks, strict=True):
            heard, past = encoder.advance(part, past, part_mask)
            tokens.append(heard)
    return torch.cat(tokens, dim=1)
