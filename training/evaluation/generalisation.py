"""Whether each modality's own head is as right in scenes that are new to it.

What was trained on and what was not is told apart by groups, such as all clips of one room: a
recording of a group that was trained on shows a scene that is known. Recordings in no group are
groups of their own.

R recordings, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.evaluation.bootstrap import Bootstrap
from activity_recognition.training.evaluation.classification import (
    confusion_matrix,
    known,
    overall_scores,
)
from activity_recognition.training.evaluation.clips import answer_clip_alone, count_clip
from activity_recognition.training.evaluation.decisions import SegmentResult
from activity_recognition.training.evaluation.fusion_findings import OVERFITTED, lost
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from activity_recognition.training.evaluation.measuring import Decided

KINDS = ('decisions', 'clips')
SIDES = ('seen', 'unseen')

OwnCounts = Mapping[str, NDArray[np.int64]]
"""``decisions`` and ``clips``: (C, C + 1)."""


def count_heads(
    results: Sequence[SegmentResult], modalities: Sequence[Modality], num_classes: int
) -> dict[Modality, OwnCounts]:
    """Return the confusions of one recording by each modality's own head, where it is present.

    Args:
        results: of the recording's segments.
        modalities: of the network.
        num_classes: C.
    """
    return {modality: _count_alone(results, modality, num_classes) for modality in modalities}


def _count_alone(
    results: Sequence[SegmentResult], modality: Modality, num_classes: int
) -> OwnCounts:
    decisions = np.zeros((num_classes, num_classes + 1), dtype=np.int64)
    for result in results:
        counted = np.where(result.present[modality], result.truth, -1)
        decisions = decisions + confusion_matrix(counted, result.own[modality], num_classes)
    clip = answer_clip_alone(results, modality)
    # Without the modality there is nothing to be right or wrong about.
    clip = clip if clip is not None and clip.decisions else None
    return {'decisions': decisions, 'clips': count_clip(clip, num_classes)}


def measure_generalisation(
    decided: Sequence[Decided], metrics: Mapping[str, Any], bootstrap: Bootstrap
) -> dict[str, Any] | None:
    """Return what each modality reaches in known and in new scenes; None where that is not known.

    Where no recording of a known scene was measured, what the run found on recordings that it
    was trained on stands for them.

    Args:
        decided: of R recordings.
        metrics: of the checkpoint's own ``metrics.json``.
        bootstrap: draws of the recordings.
    """
    seen = np.array([recording.is_seen_scene for recording in decided], dtype=np.bool_)
    says = metrics.get('training', {}).get('keys')
    if not says or seen.all():
        return None
    found: dict[str, Any] = {}
    for modality in decided[0].own_counts:
        of = [recording.own_counts[modality] for recording in decided]
        counts = {kind: np.stack([count[kind] for count in of]) for kind in KINDS}
        one = _one(counts, seen, _in_training(metrics, modality), bootstrap)
        if one is not None:
            found[modality.value] = one
    groups = {
        side: _groups(
            [recording.group for recording in decided if recording.is_seen_scene is wanted]
        )
        for side, wanted in zip(SIDES, (True, False), strict=True)
    }
    return {'groups': groups, 'own_heads': found} if found else None


def scene_bound(generalisation: Mapping[str, Any] | None, num_labels: int) -> Iterator[str]:
    """Say which modalities have overfitted to the scenes that they were trained on.

    Args:
        generalisation: result of :func:`measure_generalisation`.
        num_labels: of the network.
    """
    if generalisation is None:
        return
    groups = generalisation['groups']
    where = (
        f'in the {groups["seen"]} groups that were trained on'
        if groups['seen']
        else 'on recordings that it was trained on'
    )
    for name, found in generalisation['own_heads'].items():
        interval = found['gap_interval']
        if interval is None or interval[0] <= 0:
            continue
        known_scenes, new_scenes = (found[side]['decisions'] or 0.0 for side in SIDES)
        if lost(known_scenes, new_scenes, num_labels) < OVERFITTED:
            continue
        seen, unseen = (_said(found[side]) for side in SIDES)
        new = f'{groups["unseen"]} new groups'
        yield (
            f'{name} has overfitted to the scenes that it was trained on: its own head has a '
            f'balanced accuracy of {seen} {where}, and of {unseen} in {new}. '
            f'Record more places, people and devices for {name}, or leave it out'
        )


def _one(
    counts: OwnCounts,
    seen: NDArray[np.bool_],
    in_training: float | None,
    bootstrap: Bootstrap,
) -> dict[str, Any] | None:
    """Compare one modality; None where one side has none of it.

    Args:
        counts: (R, C, C + 1) each.
        seen: (R,).
        in_training: balanced accuracy that the run found, for want of recordings.
        bootstrap: draws of the recordings.
    """
    sides = {
        kind: np.stack([count * mask[:, None, None] for mask in (seen, ~seen)], axis=1)
        for kind, count in counts.items()
    }
    constant = None if seen.any() else in_training

    def reached(total: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return balanced accuracies (...) of sums (..., 2, C, C + 1)."""
        first, second = total[..., 0, :, :], total[..., 1, :, :]
        if constant is None:
            # Of labels that both have: others say nothing of the scenes.
            both = (first.sum(-1) > 0) & (second.sum(-1) > 0)
            first, second = first * both[..., None], second * both[..., None]
        there, new = (overall_scores(part)['balanced_accuracy'] for part in (first, second))
        if constant is not None:
            there = np.full_like(new, constant)
        return {'seen': there, 'unseen': new, 'gap': there - new}

    values = {kind: _by_name(reached(count.sum(axis=0))) for kind, count in sides.items()}
    if values['decisions']['gap'] is None:
        return None
    if constant is not None:
        values['clips']['seen'] = None
    return {
        **{side: {kind: values[kind][side] for kind in KINDS} for side in SIDES},
        'gap': values['decisions']['gap'],
        'gap_interval': bootstrap.intervals(reached, sides['decisions'])['gap'],
    }


def _by_name(values: Mapping[str, NDArray[np.float64]]) -> dict[str, float | None]:
    """Return numbers by name as JSON takes them."""
    return {name: known(value) for name, value in values.items()}


def _in_training(metrics: Mapping[str, Any], modality: Modality) -> float | None:
    """Return what a run says of a modality's head in training; None where it does not."""
    found: object = metrics
    for key in ('validation', 'own_heads', modality.value, 'training', 'balanced_accuracy'):
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, float) and 0 <= found <= 1 else None


def _groups(names: Sequence[str]) -> int:
    """Count groups, and recordings in none."""
    return len({name for name in names if name}) + sum(not name for name in names)


def _said(found: Mapping[str, float | None]) -> str:
    clips = found['clips']
    whole = '' if clips is None else f' (whole clips {100 * clips:.1f} %)'
    return f'{100 * (found["decisions"] or 0.0):.1f} %{whole}'
