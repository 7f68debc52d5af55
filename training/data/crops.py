"""Seeded random crops of recordings, and batches of them.

Everything drawn follows from the seed, the epoch and the crop's place in it, so that a resumed run
sees what an uninterrupted one would have seen.

B batch, T frames, A audio blocks, U utterances, L word pieces, Q decisions, S image side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.segments import Segment
from activity_recognition.training.run.losses import IGNORE
from activity_recognition.types import MODALITIES, NANOSECONDS, Modality, seconds_between, to_ns

TIMER_RATE_HZ = 2.5
"""Decisions a second beside those at frames, so that the network also learns to answer between
frames and while none come."""

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
    segments: Sequence[Segment], config: TrainConfig, epoch: int
) -> list[list[CropPlan]]:
    """Plan the batches of one epoch.

    Every segment gives as many crops as fit into it, one at random in each stretch of equal
    length, so that an epoch passes over the recordings about once. Crops without video share
    batches: those cost next to nothing, while one frame in a batch would pad all its rows.
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
        alike = [plan for plan in order if (Modality.VIDEO in plan.hidden) == blind]
        size = config.batch_size
        batches += [alike[i : i + size] for i in range(0, len(alike), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def cut_crop(segment: Segment, plan: CropPlan, config: TrainConfig, model: ModelConfig) -> Arrays:
    """Cut the arrays of one crop: the keys of the network's ``forward`` without a batch axis.

    Sound begins one window and text one window before the crop, as far as the recording reaches;
    frames, which cost the most, begin with it. ``targets`` (Q,) holds the classes. Frames keep
    their margin where the recipe's views are cropped from it.
    """
    rng = np.random.default_rng(plan.key)
    start_ns, end_ns = plan.start_ns, plan.end_ns
    frames = _thinned_frames(segment, start_ns, end_ns, config, rng)
    if Modality.VIDEO in plan.hidden:
        frames = frames[:0]
    audio = _arrived(segment.spectrogram_arrivals, start_ns - to_ns(model.audio.window_s), end_ns)
    text = _arrived(segment.transcript_arrivals, start_ns - to_ns(model.text.window_s), end_ns)
    if Modality.TEXT in plan.hidden:
        text = slice(0, 0)
    sound = segment.spectrogram_mask[audio].copy()
    if Modality.AUDIO in plan.hidden:
        sound[:] = False
    stamps, arrivals = _decisions(segment, frames, start_ns, end_ns, rng)
    return {
        'frames': _pictures(segment, config)[frames],
        'frame_stamps': segment.frame_stamps[frames],
        'frame_arrivals': segment.frame_arrivals[frames],
        'frame_mask': np.ones(len(frames), dtype=np.bool_),
        'spectrograms': np.asarray(segment.spectrograms[audio]),
        'spectrogram_stamps': segment.spectrogram_stamps[audio],
        'spectrogram_arrivals': segment.spectrogram_arrivals[audio],
        'spectrogram_mask': sound,
        'transcript_tokens': segment.transcript_tokens[text],
        'transcript_token_mask': segment.transcript_token_mask[text],
        'transcript_stamps': segment.transcript_stamps[text],
        'transcript_arrivals': segment.transcript_arrivals[text],
        'transcript_mask': np.ones(len(segment.transcript_stamps[text]), dtype=np.bool_),
        'decision_stamps': stamps,
        'decision_arrivals': arrivals,
        'targets': _targets(segment, stamps, plan, config),
    }


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


def _pictures(segment: Segment, config: TrainConfig) -> NDArray[np.uint8]:
    """Return the pictures to cut from: with their margin where views are cropped from it."""
    if not config.augmentation.crops:
        return segment.frames
    assert segment.wide_frames is not None, 'the recordings were read without a margin'
    return segment.wide_frames


def _crop_starts(segment: Segment, crop_s: float, rng: np.random.Generator) -> list[int]:
    """Draw where crops begin; a stretch shorter than a crop gives one that holds all of it."""
    starts = []
    for begin_ns, end_ns in segment.busy:
        spare_ns = end_ns - begin_ns - to_ns(crop_s)
        if spare_ns <= 0:
            starts.append(begin_ns)
            continue
        count = max(1, round(seconds_between(end_ns, begin_ns) / crop_s))
        places = (np.arange(count) + rng.random(count)) / count
        starts += [begin_ns + int(place * spare_ns) for place in places]
    return starts


def _targets(
    segment: Segment, stamps: NDArray[np.int64], plan: CropPlan, config: TrainConfig
) -> NDArray[np.int64]:
    if not plan.counts:
        return np.full(stamps.shape, IGNORE, dtype=np.int64)
    return segment.labels.at(stamps, ignore_boundary_s=config.ignore_boundary_s)


def _hide(segment: Segment, config: TrainConfig, rng: np.random.Generator) -> frozenset[Modality]:
    """Draw the modalities to hide, leaving at least one of those that the segment has."""
    drawn = rng.random(len(MODALITIES)) < config.modality_dropout
    lengths = (len(segment.frames), len(segment.spectrograms), len(segment.texts))
    there = [m for m, length in zip(MODALITIES, lengths, strict=True) if length]
    hidden = {m for m, hide in zip(MODALITIES, drawn, strict=True) if hide}
    surplus = len(there) - config.modalities_at_once
    if surplus > 0:
        hidden.update(there[i] for i in rng.permutation(len(there))[:surplus])
    if there and hidden.issuperset(there):
        hidden.discard(there[int(rng.integers(len(there)))])
    return frozenset(hidden)


def _arrived(arrivals: NDArray[np.int64], start_ns: int, end_ns: int) -> slice:
    """Return the slice of samples that arrived in [start, end)."""
    first, last = np.searchsorted(arrivals, [start_ns, end_ns])
    return slice(int(first), int(last))


def _thinned_frames(
    segment: Segment, start_ns: int, end_ns: int, config: TrainConfig, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the indices of the frames kept, at most ``crop_s * frame_rate_hz`` of them.

    The rate is drawn between half the mean rate and the native one, so that the network meets many
    rates; evenly or at random, as slow cameras and lossy links do. Where the rate is too high for
    the crop's share of frames, the camera starts late or stops early.
    """
    span = _arrived(segment.frame_arrivals, start_ns, end_ns)
    indices = np.arange(span.start, span.stop)
    if not len(indices):
        return indices
    native_hz = max(segment.frame_rate_hz, 1e-3)
    low_hz = min(config.frame_rate_hz / 2, native_hz)
    high_hz = native_hz if rng.random() < 0.25 else min(config.frame_rate_hz * 1.6, native_hz)
    rate_hz = float(np.exp(rng.uniform(np.log(low_hz), np.log(max(high_hz, low_hz)))))
    if rng.random() < 0.5:
        since_s = (segment.frame_stamps[span] - start_ns) / NANOSECONDS
        cell = np.floor(since_s * rate_hz + rng.random())
        kept = indices[np.diff(cell, prepend=-np.inf) > 0]
    else:
        kept = indices[rng.random(len(indices)) < rate_hz / native_hz]
    most = max(1, round(config.crop_s * config.frame_rate_hz))
    first = int(rng.integers(max(1, len(kept) - most + 1)))
    return kept[first : first + most]


def _decisions(
    segment: Segment,
    frames: NDArray[np.int64],
    start_ns: int,
    end_ns: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return stamps and arrivals (Q,) of decisions: at every kept frame, and by a timer between."""
    last_ns = min(end_ns, segment.end_ns)
    period_ns = round(NANOSECONDS / TIMER_RATE_HZ)
    timer = np.arange(start_ns + int(rng.random() * period_ns), last_ns, period_ns, dtype=np.int64)
    stamps = np.concatenate([segment.frame_stamps[frames], timer])
    arrivals = np.concatenate([segment.frame_arrivals[frames], timer])
    order = np.argsort(arrivals, kind='stable')
    return stamps[order], arrivals[order]
