"""Which decisions a checkpoint keeps, so that it can be taught more later.

Clips are drawn at random, the same number of each label as far as there are so many. Herding, which
takes the clips nearest to the mean of their class (Rebuffi et al. 2017, "iCaRL"), has not been
found better than chance (Javed & Shafait 2018; Chaudhry et al. 2019, "On Tiny Episodic Memories"),
and keeps those that are most alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from activity_recognition.config import ModelConfig
from activity_recognition.inference.precision import Precision
from activity_recognition.models.rehearsal import (
    MAX_BYTES,
    DecisionFeatures,
    bytes_of_decision,
    joined,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.run.decision_features import (
    DECISIONS_PER_CLIP,
    Clip,
    clips_of,
    features_of,
)

KILOBYTE = 1000
MOST_KB = MAX_BYTES // KILOBYTE - 10
"""Leaves room for the file's header."""


def keep_features(
    system: ActivityRecognitionSystem,
    segments: Sequence[LabelledSegment],
    kilobytes: int,
    precision: Precision,
    *,
    seed: int = 0,
) -> DecisionFeatures | None:
    """Return what is kept of what a network was trained on; None where that is nothing.

    Args:
        system: the trained network.
        segments: that it was trained on; tokenised.
        kilobytes: how large it may get.
        precision: where and how to compute.
        seed: of the draw.
    """
    if not kilobytes:
        return None
    found = [(number, clip) for number, s in enumerate(segments) for clip in clips_of(s)]
    most = _clips_that_fit(system.config, kilobytes)
    chosen = draw_clips([clip.target for _, clip in found], most, seed=seed)
    of_segment: defaultdict[int, list[Clip]] = defaultdict(list)
    for place in chosen:
        number, clip = found[place]
        of_segment[number].append(clip)
    parts = [
        features_of(system, segments[number], clips, precision)
        for number, clips in sorted(of_segment.items())
    ]
    return joined([p for p in parts if len(p)]) if any(len(p) for p in parts) else None


def fit_into(kept: DecisionFeatures, config: ModelConfig, *, seed: int = 0) -> DecisionFeatures:
    """Leave out as many clips as a file has no room for, of the labels that have the most.

    Args:
        kept: decisions.
        config: of the network.
        seed: of the draw.
    """
    most = _clips_that_fit(config, MOST_KB)
    clips, first = np.unique(kept.clips.numpy(), return_index=True)
    chosen = draw_clips(kept.targets.numpy()[first].tolist(), most, seed=seed)
    return kept.select(torch.from_numpy(np.isin(kept.clips.numpy(), clips[chosen])))


def draw_clips(targets: Sequence[int], most: int, *, seed: int) -> list[int]:
    """Return the places of clips drawn in turn from each class, ascending.

    Args:
        targets: class of each clip.
        most: how many to draw at most.
        seed: of the draw.
    """
    of_class: defaultdict[int, list[int]] = defaultdict(list)
    for place in np.random.default_rng(seed).permutation(len(targets)).tolist():
        of_class[targets[place]].append(place)
    # The nth of every class before the next of any.
    turns = sorted(
        (turn, target, place)
        for target, places in of_class.items()
        for turn, place in enumerate(places)
    )
    return sorted(place for _, _, place in turns[:most])


def _clips_that_fit(config: ModelConfig, kilobytes: int) -> int:
    room = min(kilobytes, MOST_KB) * KILOBYTE
    return room // bytes_of_decision(config) // DECISIONS_PER_CLIP
