"""Optimiser, learning rate and moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from activity_recognition.config import TrainConfig


def make_optimiser(module: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW that decays matrices and kernels, not biases, scales and embeddings' tables."""
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in module.parameters():
        if parameter.requires_grad:
            plain = parameter.ndim < 2 or id(parameter) in tables
            (free if plain else decayed).append(parameter)
    groups = [
        {'params': decayed, 'weight_decay': config.weight_decay},
        {'params': free, 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def learning_rate_at(done: float, config: TrainConfig) -> float:
    """Return the learning rate when a share ``done`` of the run, in (0, 1], will be done.

    Linear warm-up, then a cosine down to a hundredth (Loshchilov & Hutter 2017).
    """
    if done < config.warmup_fraction:
        return config.learning_rate * done / config.warmup_fraction
    progress = (done - config.warmup_fraction) / (1 - config.warmup_fraction)
    floor = 0.01
    return config.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def make_average(module: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a module's weights and buffers.

    The decay is ``min(decay, (1 + n) / (10 + n))`` after n updates, so that the random weights of
    the beginning are forgotten however short the run is.
    """

    @torch.no_grad()
    def update(
        averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor | int
    ) -> None:
        count = int(num_averaged)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)

    return AveragedModel(module, multi_avg_fn=update, use_buffers=True)
