"""How right the decisions are with every combination of modalities: the missing-modality matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.evaluation.bootstrap import Bootstrap
from activity_recognition.training.evaluation.classification import (
    confusion_matrix,
    overall_scores,
    summarise,
)
from activity_recognition.training.evaluation.clips import answer_clip, clip_scores, count_clip
from activity_recognition.training.evaluation.decisions import SegmentResult

Counts = Mapping[str, NDArray[np.int64]]
"""``decisions``, ``smoothed`` and ``clips``: (C, C + 1), or (R, C, C + 1) of several recordings."""


def count(
    results: Sequence[SegmentResult], num_classes: int, temperature: float
) -> dict[str, NDArray[np.int64]]:
    """Return the confusion of one recording, (C, C + 1): of decisions, smoothed, and as a whole.

    Args:
        results: of the recording's segments.
        num_classes: C.
        temperature: logits are divided by it.
    """
    empty = np.zeros((num_classes, num_classes + 1), dtype=np.int64)
    counts = {'decisions': empty, 'smoothed': empty}
    for result in results:
        counts = {
            name: total + confusion_matrix(result.truth, getattr(result, name).classes, num_classes)
            for name, total in counts.items()
        }
    whole = answer_clip(results, temperature) if results else None
    return {**counts, 'clips': count_clip(whole, num_classes)}


def combination_scores(counts: Counts, labels: Sequence[str]) -> dict[str, Any]:
    """Return the scores of one combination over all recordings; ``smoothed`` holds them again.

    ``clips`` holds those of recordings with one label as wholes; None where there are none.

    Args:
        counts: (R, C, C + 1) each.
        labels: C names.
    """
    return {
        **summarise(counts['decisions'].sum(axis=0), labels),
        'smoothed': summarise(counts['smoothed'].sum(axis=0), labels),
        'clips': clip_scores(counts['clips'], labels),
    }


def combination_intervals(counts: Counts, bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the intervals of accuracy, balanced accuracy and macro F1.

    Args:
        counts: (R, C, C + 1) each.
        bootstrap: over the recordings.
    """
    return {
        **bootstrap.intervals(overall_scores, counts['decisions']),
        'smoothed': bootstrap.intervals(overall_scores, counts['smoothed']),
        'clips': bootstrap.intervals(overall_scores, counts['clips']),
    }
