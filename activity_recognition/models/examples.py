"""Made-up inputs of the steps: to export them, to hold a backend against another, to time them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import MODALITIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Sizes that differ from call to call."""

    streams: int = 1
    rows: int = 64
    """Of the past and of each memory; no more than the rings have room for is needed, nor less."""
    blocks: int = 2
    pieces: int = 7
    decisions: int = 1


StepInputs = dict[str, tuple[Tensor, ...]]
"""Arguments by the name of a step, as in :class:`~activity_recognition.models.steps.Steps`."""


def example_inputs(system: ActivityRecognitionSystem, sizes: Sizes, *, seed: int = 0) -> StepInputs:
    """Return seeded inputs of every step, on the device and in the dtype of the weights."""
    config, like = system.config, system.classifier.weight
    generator = torch.Generator().manual_seed(seed)
    streams, rows, width = sizes.streams, sizes.rows, config.hidden_dim

    def number(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(like)

    def chosen(*shape: int) -> Tensor:
        return (torch.rand(shape, generator=generator) < 0.7).to(like.device)

    def ages(horizon_s: float) -> Tensor:
        return (torch.rand((streams, rows), generator=generator) * horizon_s).to(like)

    def whole(limit: int, *shape: int) -> Tensor:
        return torch.randint(0, limit, shape, generator=generator).to(like.device)

    size_px, audio = config.video.input_size_px, config.audio
    past_shape = (config.video.temporal_depth, 2, width)
    memories: list[Tensor] = []
    for modality in MODALITIES:
        memories += (
            number(streams, rows, 3, width),
            ages(system.windows_s[modality]),
            chosen(streams, sizes.decisions, rows),
        )
    newest = whole(rows + 1, streams, sizes.decisions, 3) - 1
    first = rows * torch.arange(streams, device=newest.device)[:, None, None]
    newest = torch.where(newest < 0, newest, newest + first)
    there = torch.arange(sizes.pieces) < whole(sizes.pieces, streams, 1).cpu() + 1
    return {
        'frame': (whole(256, streams, size_px, size_px, 3).to(torch.uint8),),
        'look_back': (
            number(streams, width),
            number(streams, rows, *past_shape),
            ages(config.video.window_s),
            chosen(streams, rows),
        ),
        'sound': (
            number(streams, sizes.blocks, audio.columns_per_token, audio.num_mels),
            number(*system.audio_encoder.new_past(streams).shape),
        ),
        'utterance': (
            whole(config.text.vocab_size, streams, sizes.pieces),
            there.to(like.device),
        ),
        'decision': (newest, *memories),
    }


def extreme_images(size_px: int) -> Tensor:
    """Return images unlike noise, uint8 (5, S, S, 3): dark, bright, and with large edges."""
    across = torch.arange(size_px).expand(size_px, size_px)
    images = torch.zeros((5, size_px, size_px, 3), dtype=torch.uint8)
    images[1] = 255
    images[2, :, size_px // 2 :] = 255
    images[3] = (255 * ((across // 8 + across.T // 8) % 2)).to(torch.uint8).unsqueeze(-1)
    images[4, ..., 0] = (across * 255 // size_px).to(torch.uint8)
    return images
