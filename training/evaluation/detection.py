"""Average precision per frame, as in online action detection.

De Geest et al. 2016, "Online Action Detection": mean average precision over the classes but the
background, and the calibrated one, whose precision is what it would be if a class were as frequent
as everything else: cPrec = TP / (TP + FP / w), w = negatives / positives. A frame is a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import binary_average_precision

from activity_recognition.training.data.dataset import NONE_LABEL
from activity_recognition.training.evaluation.decisions import Answers, SegmentResult

Float64 = NDArray[np.float64]


def measure_detection(results: Sequence[SegmentResult], labels: Sequence[str]) -> dict[str, Any]:
    """Return mean average precisions before and after smoothing, ready for JSON.

    Args:
        results: of all segments.
        labels: those that the checkpoint knows.
    """
    return {
        **_measure(results, 'decisions', labels),
        'smoothed': _measure(results, 'smoothed', labels),
    }


def average_precision(scores: Float64, positive: NDArray[np.bool_]) -> float | None:
    """Return the area under the precision-recall curve; None without positives.

    Args:
        scores: (N,), the higher the more likely positive.
        positive: (N,).
    """
    if not positive.any():
        return None
    found = binary_average_precision(torch.from_numpy(scores), torch.from_numpy(positive).long())
    return float(found.item())


def calibrated_average_precision(scores: Float64, positive: NDArray[np.bool_]) -> float | None:
    """Return the calibrated average precision; None without positives, or without negatives.

    Equal scores share a threshold.

    Args:
        scores: (N,), the higher the more likely positive.
        positive: (N,).
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not (positives and negatives):
        return None
    order = np.argsort(-scores, kind='stable')
    hits, falls = np.cumsum(positive[order]), np.cumsum(~positive[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits, falls = hits[last], falls[last]
    precision = hits / (hits + falls * positives / negatives)
    gained = np.diff(hits, prepend=0) / positives
    return float((precision * gained).sum())


def _measure(results: Sequence[SegmentResult], kind: str, labels: Sequence[str]) -> dict[str, Any]:
    answers: list[Answers] = [getattr(s, kind) for s in results]
    truth = np.concatenate([s.truth for s in results])
    counted = truth >= 0
    probabilities = np.concatenate([a.probabilities for a in answers])[counted].astype(np.float64)
    per_class = {
        label: {
            'average_precision': average_precision(
                probabilities[:, index], truth[counted] == index
            ),
            'calibrated_average_precision': calibrated_average_precision(
                probabilities[:, index], truth[counted] == index
            ),
        }
        for index, label in enumerate(labels)
        if label != NONE_LABEL
    }
    return {
        'map': _mean([found['average_precision'] for found in per_class.values()]),
        'calibrated_map': _mean(
            [found['calibrated_average_precision'] for found in per_class.values()]
        ),
        'per_class': per_class,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
