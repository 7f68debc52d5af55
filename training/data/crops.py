"""Seeded random crops of recordings, and batches of them.

Everything drawn follows from the seed, the epoch and the crop's place in it, so that a resumed run
sees what an uninterrupted one would have seen.

Q decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.modalities import SPEC, SPECS
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.preprocessing import WIDE
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import IGNORE
from activity_recognition.types import NANOSECONDS, Modality, seconds_between, to_ns

THINNED = frozenset(spec.modality for spec in SPECS if spec.triggers_decisions)
"""Modalities that cost the most, of which a crop keeps some samples only, and decides at each."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CropPlan:
    """What to cut; cutting it twice gives the same crop."""

    segment: int
    """Index of the segment."""
    start_ns: int
    end_ns: int
    key: tuple[int, ...]
    """Seeds whatever is drawn while cutting."""
    hidden: frozenset[Modality] = frozenset()
    """Modalities that the crop goes without."""
    counts: bool = True
    """False for one that only keeps a process busy: nothing in it is labelled."""


def plan_epoch(
    segments: Sequence[LabelledSegment], config: TrainConfig, epoch: int
) -> list[list[CropPlan]]:
    """Plan the batches of one epoch.

    Every segment gives as many crops as fit into it, one at random in each part of equal
    length, so that an epoch covers the recordings about once. Crops without video share
    batches: those cost next to nothing, while one frame in a batch would pad all its rows.

    Args:
        segments: what is trained on.
        config: length, number and hiding of crops.
        epoch: number of the epoch, from 0.
    """
    rng = np.random.default_rng([config.seed, epoch])
    plans: list[CropPlan] = []
    for index, segment in enumerate(segments):
        for start_ns in _crop_starts(segment, config.crop_s, rng):
            plans.append(
                CropPlan(
                    segment=index,
                    start_ns=start_ns,
                    end_ns=start_ns + to_ns(config.crop_s),
                    key=(config.seed, epoch, len(plans)),
                    hidden=_hide(segment, config, rng),
                )
            )
    order = [plans[i] for i in rng.permutation(len(plans))]
    batches: list[list[CropPlan]] = []
    for blind in (False, True):
        alike = [plan for plan in order if (not THINNED.isdisjoint(plan.hidden)) == blind]
        size = config.batch_size
        batches += [alike[i : i + size] for i in range(0, len(alike), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def plan_regularly(segments: Sequence[LabelledSegment], config: TrainConfig) -> list[CropPlan]:
    """Plan crops at even places, with every modality; nothing is drawn.

    Args:
        segments: what is cut from, in this order.
        config: length of crops.
    """
    length_ns = to_ns(config.crop_s)
    return [
        CropPlan(segment=index, start_ns=start_ns, end_ns=start_ns + length_ns, key=())
        for index, segment in enumerate(segments)
        for start_ns in _crop_starts(segment, config.crop_s, None)
    ]


def cut_crop(
    segment: LabelledSegment,
    plan: CropPlan,
    config: TrainConfig,
    model: ModelConfig,
    *,
    at_random: bool = True,
) -> Arrays:
    """Cut the arrays of one crop: the keys of the network's ``forward`` without a batch axis.

    Frames, which cost the most, begin with the crop; other modalities one window before it, as far
    as the recording reaches. ``targets`` (Q,) holds the classes. Frames keep their margin where the
    recipe's views are cropped from it.

    Args:
        segment: what to cut from; tokenised.
        plan: what to cut.
        config: how to thin frames, and which decisions count.
        model: its windows matter.
        at_random: whether frames are thinned and decisions come at random, as in training; all
            frames and regular decisions otherwise.
    """
    rng = np.random.default_rng(plan.key) if at_random else None
    crop: Arrays = {}
    for modality in segment.modalities:
        spec = SPEC[modality]
        if modality in THINNED and rng is not None:
            chosen = _thinned(segment, modality, plan, config, rng)
        else:
            before_s = 0.0 if modality in THINNED else getattr(model, spec.name).window_s
            arrivals = segment.arrays[spec.arrivals_key]
            chosen = _arrived(arrivals, plan.start_ns - to_ns(before_s), plan.end_ns)
        if modality in plan.hidden and not spec.has_holes:
            chosen = chosen[:0]
        crop |= _cut(segment, modality, chosen, wide=config.wide_px(model) > 0)
        if modality in plan.hidden:
            crop[spec.mask_key][:] = False
    stamps, arrivals = _decisions(segment, crop, plan, config, rng)
    return {
        **crop,
        'decision_stamps': stamps,
        'decision_arrivals': arrivals,
        'targets': _targets(segment, stamps, plan, config),
    }


def _cut(
    segment: LabelledSegment, modality: Modality, chosen: NDArray[np.int64], *, wide: bool
) -> Arrays:
    """Return the arrays of a modality's chosen samples, copied."""
    spec = SPEC[modality]
    names = [array.name for array in spec.arrays if array.name in segment.arrays]
    contents = {name: _content(segment, name, wide=wide) for name in names}
    times = {key: segment.arrays[key] for key in spec.stored_keys}
    cut = {name: np.asarray(value[chosen]) for name, value in {**contents, **times}.items()}
    if spec.mask_key not in cut:
        cut[spec.mask_key] = np.ones(len(chosen), dtype=np.bool_)
    return cut


def collate(crops: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Stack crops along a new batch axis, padded with zeros, False and, in targets, IGNORE."""
    batch: Arrays = {}
    for key, first in crops[0].items():
        longest = np.array([crop[key].shape for crop in crops]).max(axis=0)
        fill = IGNORE if key == 'targets' else 0
        stacked = np.full((len(crops), *longest), fill, dtype=first.dtype)
        for padded, crop in zip(stacked, crops, strict=True):
            padded[tuple(slice(length) for length in crop[key].shape)] = crop[key]
        batch[key] = stacked
    return batch


def _content(segment: LabelledSegment, name: str, *, wide: bool) -> NDArray[Any]:
    """Return an array to cut from: frames with their margin where views are cropped from it."""
    if name == 'frames' and wide:
        assert WIDE in segment.arrays, 'the recordings were read without a margin'
        return segment.arrays[WIDE]
    return segment.arrays[name]


def _crop_starts(
    segment: LabelledSegment, crop_s: float, rng: np.random.Generator | None
) -> list[int]:
    """Draw where crops begin; a segment shorter than a crop gives one that holds all of it."""
    starts = []
    for begin_ns, end_ns in segment.busy:
        spare_ns = end_ns - begin_ns - to_ns(crop_s)
        if spare_ns <= 0:
            starts.append(begin_ns)
            continue
        count = max(1, round(seconds_between(end_ns, begin_ns) / crop_s))
        within = np.full(count, 0.5) if rng is None else rng.random(count)
        places = (np.arange(count) + within) / count
        starts += [begin_ns + int(place * spare_ns) for place in places]
    return starts


def _targets(
    segment: LabelledSegment, stamps: NDArray[np.int64], plan: CropPlan, config: TrainConfig
) -> NDArray[np.int64]:
    if not plan.counts:
        return np.full(stamps.shape, IGNORE, dtype=np.int64)
    return segment.labels.at(stamps, ignore_boundary_s=config.ignore_boundary_s)


def _hide(
    segment: LabelledSegment, config: TrainConfig, rng: np.random.Generator
) -> frozenset[Modality]:
    """Draw the modalities to hide, leaving at least one of those that the segment has."""
    modalities = segment.modalities
    drawn = rng.random(len(modalities)) < config.modality_dropout
    there = [m for m in modalities if segment.length(m)]
    hidden = {m for m, hide in zip(modalities, drawn, strict=True) if hide}
    surplus = len(there) - config.modalities_at_once
    if surplus > 0:
        hidden.update(there[i] for i in rng.permutation(len(there))[:surplus])
    if there and hidden.issuperset(there):
        hidden.discard(there[int(rng.integers(len(there)))])
    return frozenset(hidden)


def _arrived(arrivals: NDArray[np.int64], start_ns: int, end_ns: int) -> NDArray[np.int64]:
    """Return the indices of samples that arrived in [start, end)."""
    first, last = np.searchsorted(arrivals, [start_ns, end_ns])
    return np.arange(first, last)


def _thinned(
    segment: LabelledSegment,
    modality: Modality,
    plan: CropPlan,
    config: TrainConfig,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw the indices of the samples kept, at most ``crop_s * frame_rate_hz`` of them.

    The rate is drawn between half the mean rate and the native one, so that the network meets many
    rates; evenly or at random, as slow cameras and lossy links do. Where the rate is too high for
    the crop's share of frames, the camera starts late or stops early.
    """
    stamps = segment.arrays[SPEC[modality].stamps_key]
    indices = _arrived(segment.arrays[SPEC[modality].arrivals_key], plan.start_ns, plan.end_ns)
    if not len(indices):
        return indices
    native_hz = max(segment.rate_hz(modality), 1e-3)
    low_hz = min(config.frame_rate_hz / 2, native_hz)
    high_hz = native_hz if rng.random() < 0.25 else min(config.frame_rate_hz * 1.6, native_hz)
    rate_hz = float(np.exp(rng.uniform(np.log(low_hz), np.log(max(high_hz, low_hz)))))
    if rng.random() < 0.5:
        since_s = (stamps[indices] - plan.start_ns) / NANOSECONDS
        cell = np.floor(since_s * rate_hz + rng.random())
        kept = indices[np.diff(cell, prepend=-np.inf) > 0]
    else:
        kept = indices[rng.random(len(indices)) < rate_hz / native_hz]
    most = max(1, round(config.crop_s * config.frame_rate_hz))
    first = int(rng.integers(max(1, len(kept) - most + 1)))
    return kept[first : first + most]


def _decisions(
    segment: LabelledSegment,
    crop: Arrays,
    plan: CropPlan,
    config: TrainConfig,
    rng: np.random.Generator | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return stamps and arrivals (Q,) of decisions: at every kept frame, and by a timer between."""
    last_ns = min(plan.end_ns, segment.end_ns)
    period_ns = round(NANOSECONDS / config.timer_rate_hz)
    first_ns = plan.start_ns + (0 if rng is None else int(rng.random() * period_ns))
    timer = np.arange(first_ns, last_ns, period_ns, dtype=np.int64)
    thinned = [SPEC[m] for m in segment.modalities if m in THINNED]
    stamps = np.concatenate([*(crop[spec.stamps_key] for spec in thinned), timer])
    arrivals = np.concatenate([*(crop[spec.arrivals_key] for spec in thinned), timer])
    order = np.argsort(arrivals, kind='stable')
    return stamps[order], arrivals[order]
