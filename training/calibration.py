"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_BOUNDS = (0.05, 20.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A fitted temperature and what it changed."""

    temperature: float = 1.0
    """Logits are divided by it."""
    nll_before: float | None = None
    """Mean negative log-likelihood at temperature 1, nats; None when nothing was fitted."""
    nll_after: float | None = None


def fit_temperature(logits: Tensor, targets: Tensor) -> Calibration:
    """Find the temperature with the smallest negative log-likelihood.

    Args:
        logits: raw logits, (N, C).
        targets: true classes, (N,); negative ones are left out.

    Returns:
        temperature 1 when there is nothing to fit on; it lies in [0.05, 20] otherwise, so that
        logits that separate the classes perfectly do not drive it to zero.
    """
    counted = targets >= 0
    logits, targets = logits[counted].double(), targets[counted]
    if not len(targets):
        return Calibration()
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(logits * torch.exp(-log_temperature), targets)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    temperature = min(max(math.exp(log_temperature.item()), _BOUNDS[0]), _BOUNDS[1])
    return Calibration(
        temperature=temperature,
        nll_before=functional.cross_entropy(logits, targets).item(),
        nll_after=functional.cross_entropy(logits / temperature, targets).item(),
    )
