"""Clocks: a driver's stamps may be late or early against those of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.config import AugmentationConfig
from activity_recognition.types import to_ns

_STAMPS = ('spectrogram_stamps', 'transcript_stamps')
"""The camera's clock is the one that decisions follow, so the others move against it."""


def skew_clocks(
    crop: dict[str, NDArray[Any]], config: AugmentationConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Return a crop in which all stamps of sound, and all of speech, are moved by a bit of time.

    Never past their arrival: what has arrived has happened.
    """
    if config.clock_skew_s <= 0:
        return crop
    changed = dict(crop)
    for name in _STAMPS:
        skew_ns = to_ns(rng.uniform(-1, 1) * config.clock_skew_s * config.strength)
        arrivals = crop[name.replace('stamps', 'arrivals')]
        if len(arrivals):
            latest_ns = int((arrivals - crop[name]).min())
            changed[name] = crop[name] + min(skew_ns, latest_ns)
    return changed
