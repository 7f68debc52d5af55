"""Clocks: a driver's stamps may be late or early against those of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.modalities import SPECS
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.types import to_ns

_MOVED = tuple(spec for spec in SPECS if not spec.triggers_decisions)
"""The camera's clock is the one that decisions follow, so the others move against it."""


def skew_clocks(
    crop: dict[str, NDArray[Any]], config: AugmentationConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Return a crop in which the stamps of each other sensor are moved alike by a bit of time.

    Never past their arrival: what has arrived has happened.

    Args:
        crop: arrays of one crop; left as it is.
        config: how far.
        rng: what is drawn.
    """
    if config.clock_skew_s <= 0:
        return crop
    changed = dict(crop)
    for spec in _MOVED:
        if spec.stamps_key not in crop:
            continue
        skew_ns = to_ns(rng.uniform(-1, 1) * config.clock_skew_s * config.strength)
        stamps, arrivals = crop[spec.stamps_key], crop[spec.arrivals_key]
        if len(arrivals):
            changed[spec.stamps_key] = stamps + min(skew_ns, int((arrivals - stamps).min()))
    return changed
