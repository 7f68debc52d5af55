"""A temperature and one offset per class, fitted on data that was not trained on.

Guo et al. 2017, "On Calibration of Modern Neural Networks": a temperature on logits that got a
bias of their own, the part of vector scaling that cannot overfit a few recordings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_BOUNDS = (0.05, 20.0)
_RIDGE = 1e-2
"""Weight of the offsets' mean square, so that classes told apart perfectly keep finite ones."""

_FOLDS = 5

SUPPORT = 3
"""Labelled spans in which every class must occur for offsets to be fitted."""
SUPPORTING_GROUPS = 5
"""Groups of recordings that there must be: what is said of one person or place is not of others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A fitted temperature, the offsets fitted before it, and what the temperature changed."""

    offsets: tuple[float, ...] = ()
    """Were added to the logits, one per class; empty when there was too little to fit them on."""
    temperature: float = 1.0
    """Logits are divided by it."""
    nll_before: float | None = None
    """Mean negative log-likelihood at temperature 1, nats; None when nothing was fitted."""
    nll_after: float | None = None


def supports_offsets(
    targets: Iterable[NDArray[np.int64]], num_classes: int, *, groups: int
) -> bool:
    """Tell whether there is enough to fit offsets on.

    Offsets move the answers. From few segments they would learn which class went with which of
    them, and nothing relates a class that does not occur to those that do. From few groups they
    would learn what their people or places have in common.

    Args:
        targets: true classes of each segment of a recording; negative ones are left out.
        num_classes: C.
        groups: of how many groups the recordings are; one in no group is a group of its own.
    """
    if groups < SUPPORTING_GROUPS:
        return False
    occurrences = np.zeros(num_classes, np.int64)
    for segment in targets:
        occurrences[np.unique(segment[segment >= 0])] += 1
    return bool((occurrences >= SUPPORT).all())


def fit_offsets(logits: Tensor, targets: Tensor) -> Tensor:
    """Find what to add to the logits so that no class is named too rarely for its evidence.

    Every class counts alike, however often it occurs.

    Args:
        logits: raw logits, (N, C).
        targets: true classes, (N,); negative ones are left out.

    Returns:
        float64 offsets (C,) with a sum of 0; a class without a target keeps 0.
    """
    counted = targets >= 0
    logits, targets = logits[counted].double(), targets[counted]
    number = torch.bincount(targets, minlength=logits.shape[-1]).double()
    occurs = number > 0
    weight = torch.where(occurs, 1 / number.clamp(min=1), 0.0)
    free = torch.zeros(logits.shape[-1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([free], max_iter=100, line_search_fn='strong_wolfe')

    def offsets() -> Tensor:
        centred = free - free[occurs].mean() if bool(occurs.any()) else free
        return centred.where(occurs, 0.0)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(logits + offsets(), targets, weight=weight)
        loss = loss + _RIDGE * offsets().square().mean()
        loss.backward()
        return loss

    if len(targets):
        with torch.enable_grad():
            optimiser.step(closure)
    return offsets().detach()


def offsets_generalise(logits: Tensor, targets: Tensor, spans: Tensor) -> bool:
    """Tell whether offsets also help where they were not fitted, by cross-validation over spans.

    Each span is left out once, a fifth of each label's at a time. What all classes, counting alike,
    gain on what was left out has to be more than one standard error over the spans.

    Args:
        logits: raw logits, (N, C).
        targets: true classes, (N,), from 0.
        spans: number of the span that each decision lies in, (N,); a span has one class.
    """
    if not len(targets):
        return False
    spans = spans.unique(return_inverse=True)[1]
    folds = _folds(targets, spans)
    number = torch.bincount(targets, minlength=logits.shape[-1]).double()
    weights = (1 / number.clamp(min=1))[targets]
    gains = torch.zeros(len(targets), dtype=torch.float64)
    for fold in range(_FOLDS):
        held_out = folds[spans] == fold
        found = fit_offsets(logits[~held_out], targets[~held_out])
        before, after = (
            functional.cross_entropy(tried[held_out], targets[held_out], reduction='none')
            for tried in (logits.double(), logits.double() + found)
        )
        gains[held_out] = weights[held_out] * (before - after)
    per_span = torch.zeros(int(spans.max()) + 1, dtype=torch.float64).index_add(0, spans, gains)
    count = len(per_span)
    spread = (per_span - per_span.mean()).square().sum() * count / max(1, count - 1)
    return float(per_span.sum()) > math.sqrt(float(spread))


def _folds(targets: Tensor, spans: Tensor) -> Tensor:
    """Deal the spans of each class to folds, (J,).

    Args:
        targets: true classes, (N,).
        spans: of each decision, (N,), from 0 without a gap.
    """
    classes = targets.new_zeros(int(spans.max()) + 1).scatter(0, spans, targets)
    folds = torch.zeros_like(classes)
    for index in classes.unique():
        places = (classes == index).nonzero()[:, 0]
        folds[places] = torch.arange(len(places)) % _FOLDS
    return folds


def fit_temperature(logits: Tensor, targets: Tensor, *, ridge: float = 0.0) -> Calibration:
    """Find the temperature with the smallest negative log-likelihood.

    Args:
        logits: raw logits, (N, C).
        targets: true classes, (N,); negative ones are left out.
        ridge: weight of the square of the temperature's logarithm, which keeps it near 1.

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
        loss = loss + ridge * log_temperature.square()
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
