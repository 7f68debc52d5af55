"""From losses to weights: optimiser, learning rate, moving average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim.swa_utils import AveragedModel

from activity_recognition.errors import ConfigError

FUSED_ON = ('cpu', 'cuda')
"""Devices on which one operator moves all weights, instead of a dozen for each."""

_LEAST_SCALE = 1.0
"""Of gradients in fp16; where this is still too much, it is not the scale that is wrong."""


class OptimisationConfig(Protocol):
    """What of a run's settings an :class:`Optimisation` needs."""

    @property
    def learning_rate(self) -> float:
        """Its peak."""

    @property
    def warmup_fraction(self) -> float:
        """Share of the run over which the learning rate rises."""

    @property
    def weight_decay(self) -> float:
        """Of matrices and kernels."""

    @property
    def gradient_clip(self) -> float:
        """Largest norm of the gradient."""

    @property
    def average_decay(self) -> float:
        """Decay of the moving average of the weights."""


class Optimisation:
    """Moves the weights of a module, and keeps the moving average of a part of it."""

    def __init__(
        self,
        module: nn.Module,
        kept: nn.Module,
        config: OptimisationConfig,
        *,
        rates: Sequence[tuple[nn.Module, float]] = (),
        scaler: GradScaler | None = None,
    ) -> None:
        """Prepare to move ``module``.

        Args:
            module: network and loss.
            kept: the part of it that is averaged.
            config: how to move it.
            rates: parts of it with a factor on the learning rate; 0 freezes a part.
            scaler: keeps gradients in the range of fp16; None where they need no scaling.
        """
        self.scaler = scaler or GradScaler('cpu', enabled=False)
        self._module = module
        self._config = config
        for part, rate in rates:
            if rate == 0:
                part.requires_grad_(False)
        self.optimiser = make_optimiser(module, config, rates=rates)
        self.average = make_average(kept, config.average_decay)
        self._kept = kept

    def backward(self, loss: Tensor) -> Tensor:
        """Replace the gradients by those of ``loss``, clipped; returns their norm before.

        Raises:
            ConfigError: the gradient is not finite.
        """
        self.begin()
        self.scaler.scale(loss).backward()
        return self.clip()

    def begin(self) -> None:
        """Forget the gradients, before those of a step are added up."""
        self.optimiser.zero_grad(set_to_none=True)

    def clip(self) -> Tensor:
        """Clip the gradients that have been added up; returns their norm before.

        Raises:
            ConfigError: the gradient is not finite, and not because fp16 is too narrow for it:
                the scaler leaves such a step out and tries a smaller scale.
        """
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self._module.parameters(), self._config.gradient_clip)
        too_wide = self.scaler.is_enabled() and self.scaler.get_scale() > _LEAST_SCALE
        if not torch.isfinite(norm) and not too_wide:
            raise ConfigError(f'expected a finite gradient, got {float(norm)}; lower learning_rate')
        return norm

    def step(self, done: float) -> float:
        """Move the weights, a share ``done`` of the run being done then; returns the rate used."""
        rate = learning_rate_at(done, self._config)
        for group in self.optimiser.param_groups:
            group['lr'] = rate * group['rate']
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update_parameters(self._kept)
        return rate


def make_optimiser(
    module: nn.Module,
    config: OptimisationConfig,
    *,
    rates: Sequence[tuple[nn.Module, float]] = (),
) -> torch.optim.AdamW:
    """Return AdamW that decays matrices and kernels, not biases, scales and embeddings' tables.

    Every group has a ``rate``, the factor on the learning rate; ``rates`` gives it to parts.

    Args:
        module: network and loss.
        config: of the run.
        rates: parts of it with a factor on the learning rate.
    """
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    owners = {id(p): place for place, (part, _) in enumerate(rates, 1) for p in part.parameters()}
    factors = (1.0, *(rate for _, rate in rates))
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            plain = parameter.ndim < 2 or id(parameter) in tables
            groups.setdefault((owners.get(id(parameter), 0), plain), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                'params': groups[key],
                'weight_decay': 0.0 if key[1] else config.weight_decay,
                'rate': factors[key[0]],
            }
            for key in sorted(groups)
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        fused=True if _has_fused_kernels(module) else None,
    )


def _has_fused_kernels(module: nn.Module) -> bool:
    """Return whether one operator can move all weights: some devices lack it."""
    devices = {parameter.device.type for parameter in module.parameters()}
    return devices <= set(FUSED_ON)


def learning_rate_at(done: float, config: OptimisationConfig) -> float:
    """Return the learning rate when a share ``done`` of the run, in (0, 1], will be done.

    Linear warm-up, then a cosine down to a hundredth (Loshchilov & Hutter 2017).

    Args:
        done: share of the run, in (0, 1].
        config: of the run.
    """
    if done < config.warmup_fraction:
        return config.learning_rate * done / config.warmup_fraction
    progress = (done - config.warmup_fraction) / (1 - config.warmup_fraction)
    floor = 0.01
    return config.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def make_average(module: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a module's weights and buffers.

    The decay is ``min(decay, (1 + n) / (10 + n))`` after n updates, so that the random weights of
    the beginning are forgotten however short the run is. Frozen weights are those of the module
    itself, not copies.

    Args:
        module: whose weights are averaged.
        decay: in [0, 1).
    """

    @torch.no_grad()
    def update(
        averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor | int
    ) -> None:
        count = int(num_averaged)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        means, values = [], []
        for mean, value in zip(averaged, current, strict=True):
            if not mean.is_floating_point():
                mean.copy_(value)
            elif mean.data_ptr() != value.data_ptr():
                means.append(mean)
                values.append(value)
        if means:
            torch._foreach_lerp_(means, values, weight)

    average = AveragedModel(module, multi_avg_fn=update, use_buffers=True)
    for mean, parameter in zip(average.module.parameters(), module.parameters(), strict=True):
        if not parameter.requires_grad:
            mean.data = parameter.data
    return average
