"""Whether the modalities, each by its own head, say the same, and what it means when they do.

Cohen's kappa (1960) of two heads at the decisions at which both modalities are present, Fleiss'
kappa (1971) of all where all are. 1 is full agreement, 0 what chance would give.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import multiclass_cohen_kappa
from torchmetrics.functional.nominal import fleiss_kappa

from activity_recognition.training.evaluation.classification import known
from activity_recognition.training.evaluation.decisions import Int64, SegmentResult
from activity_recognition.types import Modality


def measure_agreement(results: Sequence[SegmentResult], num_classes: int) -> dict[str, Any]:
    """Return ``own_heads``, ``pairs`` and ``all`` over all decisions of all results.

    Args:
        results: of all segments, at least one.
        num_classes: C.
    """
    modalities = list(results[0].own)
    return {
        'own_heads': {m.value: _own_head(results, m) for m in modalities},
        'pairs': {
            '+'.join(pair): _among(results, pair, num_classes)
            for pair in combinations(modalities, 2)
        },
        'all': _among(results, modalities, num_classes),
    }


def cohen_kappa(first: Int64, second: Int64, num_classes: int) -> float | None:
    """Return Cohen's kappa of two raters; None without ratings, and where both always say one.

    Args:
        first: classes that one decided for, (N,).
        second: those of the other, (N,).
        num_classes: C.
    """
    if not len(first):
        return None
    both = torch.from_numpy(first), torch.from_numpy(second)
    return _number(multiclass_cohen_kappa(*both, num_classes=num_classes).item())


def fleiss(ratings: Int64, num_classes: int) -> float | None:
    """Return Fleiss' kappa of ratings (raters, N); None without, and where all always say one.

    Args:
        ratings: classes that each decided for.
        num_classes: C.
    """
    if not ratings.shape[1] or len(np.unique(ratings)) < 2:
        return None
    counts = (ratings[:, :, None] == np.arange(num_classes)).sum(axis=0)
    return _number(fleiss_kappa(torch.from_numpy(counts)).item())


def _own_head(results: Sequence[SegmentResult], modality: Modality) -> dict[str, Any]:
    """Return how often a modality's head is right where it is present."""
    right = [s.own[modality] == s.truth for s in results]
    counted = [s.present[modality] & (s.truth >= 0) for s in results]
    return _share_right(_join(right), _join(counted))


def _among(
    results: Sequence[SegmentResult], modalities: Sequence[Modality], num_classes: int
) -> dict[str, Any]:
    """Compare the heads of some modalities where all of them are present."""
    ratings = np.stack([_join([s.own[m] for s in results]) for m in modalities])
    there = _join([np.logical_and.reduce([s.present[m] for m in modalities]) for s in results])
    same = (ratings == ratings[0]).all(axis=0)
    rated = ratings[:, there]
    kappa = None
    if len(modalities) == 2:
        kappa = cohen_kappa(rated[0], rated[1], num_classes)
    elif len(modalities) > 2:
        kappa = fleiss(rated, num_classes)
    counted = there & (_join([s.truth for s in results]) >= 0)
    return {
        'decisions': int(there.sum()),
        'kappa': kappa,
        'agreement': float(same[there].mean()) if there.any() else None,
        'where_they_agree': _fused(results, counted & same),
        'where_they_differ': _fused(results, counted & ~same),
    }


def _fused(results: Sequence[SegmentResult], counted: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how often the fused decisions are right, before and after smoothing."""
    plain = _join([s.decisions.classes == s.truth for s in results])
    smoothed = _join([s.smoothed.classes == s.truth for s in results])
    return {
        **_share_right(plain, counted),
        'accuracy_smoothed': _share_right(smoothed, counted)['accuracy'],
    }


def _share_right(right: NDArray[np.bool_], counted: NDArray[np.bool_]) -> dict[str, Any]:
    hits = right[counted]
    return {'decisions': len(hits), 'accuracy': float(hits.mean()) if len(hits) else None}


def _join(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _number(value: float) -> float | None:
    number: float | None = known(value)
    return number
