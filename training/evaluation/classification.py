"""How right decisions are, from a confusion matrix.

C classes. A confusion matrix is (..., C, C + 1): true classes in rows, decided ones in columns, and
one column more for the moments at which nothing was decided, which count as misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import ShapeError

Float64 = NDArray[np.float64]


def confusion_matrix(
    truth: NDArray[np.int64], decided: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Count decisions per true class and decided class; returns (C, C + 1).

    Args:
        truth: true classes; negative ones are left out.
        decided: decided classes, same length; -1 (undecided) matches no class and is a miss.
        num_classes: C.

    Raises:
        ShapeError: when the lengths differ or a class is not below ``num_classes``.
    """
    if truth.shape != decided.shape:
        raise ShapeError(
            f'expected as many decisions as truths, {truth.shape}, got {decided.shape}'
        )
    if max(truth.max(initial=-1), decided.max(initial=-1)) >= num_classes:
        raise ShapeError(f'expected classes below {num_classes}, got a larger one')
    counted = truth >= 0
    columns = np.where(decided < 0, num_classes, decided)
    cells = truth[counted] * (num_classes + 1) + columns[counted]
    counts = np.bincount(cells, minlength=num_classes * (num_classes + 1))
    return counts.reshape(num_classes, num_classes + 1).astype(np.int64)


def class_scores(confusion: NDArray[Any]) -> dict[str, Float64]:
    """Return ``precision``, ``recall`` and ``f1`` of each class, (..., C) each.

    NaN where there is nothing to divide by: the precision of a class that was never decided, the
    recall of one that never occurs, the F1 of one of which both is true.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    classes = counts.shape[-2]
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    occurring, decided = counts.sum(axis=-1), counts[..., :classes].sum(axis=-2)
    return {
        'precision': ratio(hits, decided),
        'recall': ratio(hits, occurring),
        'f1': ratio(2 * hits, occurring + decided),
    }


def overall_scores(confusion: NDArray[Any]) -> dict[str, Float64]:
    """Return ``accuracy``, ``balanced_accuracy`` and ``macro_f1``, (...) each.

    Balanced accuracy is the mean recall over the classes that occur; macro F1 is the mean F1 over
    the classes that occur or were decided. NaN when nothing was counted.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    per_class = class_scores(counts)
    hits = np.diagonal(counts, axis1=-2, axis2=-1).sum(axis=-1)
    total = counts.sum(axis=(-2, -1))
    found = {
        'accuracy': ratio(hits, total),
        'balanced_accuracy': _mean_of_known(per_class['recall']),
        'macro_f1': _mean_of_known(per_class['f1']),
    }
    return {name: np.where(total > 0, value, np.nan) for name, value in found.items()}


def summarise(confusion: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    """Return the scores of a matrix of :func:`confusion_matrix`, ready for JSON: NaN is None.

    Args:
        confusion: (C, C + 1).
        labels: C names.
    """
    support = confusion.sum(axis=1)
    per_class = {name: known(values) for name, values in class_scores(confusion).items()}
    return {
        **{name: known(value) for name, value in overall_scores(confusion).items()},
        'decisions': int(confusion.sum()),
        'per_class': {
            label: {
                'support': int(support[index]),
                **{name: values[index] for name, values in per_class.items()},
            }
            for index, label in enumerate(labels)
        },
        'confusion': confusion.tolist(),
    }


def known(values: Any) -> Any:
    """Return numbers as JSON takes them: arrays as lists, and None for what is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim:
        return [known(value) for value in array]
    return float(array) if np.isfinite(array) else None


def ratio(part: Float64, whole: Float64) -> Float64:
    """Return the quotients, NaN where the divisor is 0.

    Args:
        part: dividends.
        whole: divisors, broadcast with them.
    """
    result = np.full(np.broadcast(part, whole).shape, np.nan)
    return np.divide(part, whole, out=result, where=np.asarray(whole) > 0)


def _mean_of_known(values: Float64) -> Float64:
    """Return the mean along the last axis over what is not NaN."""
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1).astype(np.float64))
