"""Tempo: the same activity, done faster or slower.

Every clock of a crop runs alike. Samples with a stamp of their own keep their content; what lies on
a grid is interpolated to the grid's rate. A blocks of K columns, T columns in all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.modalities import DECISION_KEYS, SPECS, ModalitySpec
from activity_recognition.training.augmentation_config import AugmentationConfig

Arrays = dict[str, NDArray[Any]]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tempo:
    """How a crop's time runs."""

    start_ns: int
    """When nothing has changed yet."""
    rate: float
    """How many times as fast everything happens."""

    def new(self, times_ns: Int64) -> Int64:
        """Return when what happened at given times happens."""
        since = np.rint((times_ns - self.start_ns) / self.rate)
        return self.start_ns + since.astype(np.int64)

    def old(self, times_ns: NDArray[Any]) -> NDArray[np.float64]:
        """Return when what happens at given times has happened, nanoseconds since the start."""
        return (times_ns - self.start_ns) * self.rate


def change_tempo(crop: Arrays, config: AugmentationConfig, rng: np.random.Generator) -> Arrays:
    """Return a crop in which everything happens faster or slower.

    Its decisions see the same of each sensor as before, give or take a block.

    Args:
        crop: arrays of one crop; left as it is.
        config: how far.
        rng: what is drawn.
    """
    times = [crop[spec.stamps_key] for spec in SPECS if spec.stamps_key in crop]
    start_ns = min((int(stamps[0]) for stamps in times if len(stamps)), default=None)
    if config.tempo <= 0 or start_ns is None:
        return crop
    rate = float(np.exp(rng.uniform(-1, 1) * config.tempo * config.strength))
    tempo, changed = Tempo(start_ns=start_ns, rate=rate), dict(crop)
    keys = list(DECISION_KEYS)
    for spec in SPECS:
        if spec.stamps_key in crop and spec.has_holes:
            changed |= _on_grid(crop, spec, tempo)
        elif spec.stamps_key in crop:
            keys += [spec.stamps_key, spec.arrivals_key]
    return changed | {key: tempo.new(crop[key]) for key in keys if key in crop}


def _on_grid(crop: Arrays, spec: ModalitySpec, tempo: Tempo) -> Arrays:
    """Return the arrays of a modality whose samples lie on a grid, at a tempo.

    A block arrives when the last one that it is made of does; it is a hole where one of these is.
    Where no two blocks follow each other, they stay as they are and come sooner or later.
    """
    stamps, arrivals, mask = (crop[key] for key in spec.time_keys)
    period_ns = _period_ns(stamps, mask)
    if not period_ns:
        return {key: tempo.new(crop[key]) for key in (spec.stamps_key, spec.arrivals_key)}
    first_ns, last_ns = (int(time) for time in tempo.new(stamps[[0, -1]]))
    made_ns = np.arange(first_ns, last_ns + 1, period_ns)
    there = np.ones(len(made_ns), np.bool_)
    arrived_ns = np.full(len(made_ns), np.iinfo(np.int64).min)
    made: Arrays = {spec.stamps_key: made_ns}
    for array in spec.arrays:
        if array.name not in crop:
            continue
        blocks = crop[array.name]
        per_block = blocks.shape[1] if blocks.ndim > 2 else 1
        place = _places(stamps, made_ns, per_block, period_ns, tempo)
        low = np.minimum(place.astype(np.int64), per_block * len(blocks) - 2)
        columns = blocks.reshape(-1, *blocks.shape[2:]) if blocks.ndim > 2 else blocks
        share = (place - low).reshape(-1, *(1,) * (columns.ndim - 1))
        between = columns[low] * (1 - share) + columns[low + 1] * share
        made[array.name] = between.reshape(-1, *blocks.shape[1:]).astype(blocks.dtype)
        ends = np.stack([low, np.ceil(place).astype(np.int64)]).reshape(2, len(made_ns), -1)
        sources = ends // per_block
        there &= mask[sources].all(axis=(0, 2))
        np.maximum(arrived_ns, tempo.new(arrivals[sources.max(axis=(0, 2))]), out=arrived_ns)
        if follow := _follow(spec):
            made[array.name] = follow(made[array.name], tempo.rate)
    for array in spec.arrays:
        if array.name in made:
            made[array.name][~there] = 0
    return made | {spec.mask_key: there, spec.arrivals_key: arrived_ns}


def _period_ns(stamps: Int64, mask: NDArray[np.bool_]) -> int:
    """Return how far apart blocks are, 0 where none follows another.

    The blocks of a hole say nothing of it: all of them have the stamp of what comes after.
    """
    between = np.diff(stamps)[mask[1:] & mask[:-1]]
    between = between[between > 0]
    return int(np.median(between)) if len(between) else 0


def _places(
    stamps: Int64, made_ns: Int64, columns: int, period_ns: int, tempo: Tempo
) -> NDArray[np.float64]:
    """Return between which columns (T,) of the crop those of the new blocks lie.

    A block is stamped with its last column.
    """
    before_ns = np.arange(columns - 1, -1, -1) * (period_ns / columns)
    have_ns = ((stamps - tempo.start_ns)[:, None] - before_ns).reshape(-1)
    want_ns = tempo.old(made_ns[:, None] - before_ns).reshape(-1)
    places: NDArray[np.float64] = np.interp(want_ns, have_ns, np.arange(len(have_ns)))
    return places


def _follow(
    spec: ModalitySpec,
) -> Callable[[NDArray[np.float32], float], NDArray[np.float32]] | None:
    """Return what a modality's values do by themselves when everything is faster; None: nothing."""
    return getattr(import_module(f'{__package__}.{spec.name}'), 'at_tempo', None)
