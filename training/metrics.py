"""Accuracy of decisions, from a confusion matrix.

C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import ShapeError


def confusion_matrix(
    truth: NDArray[np.int64], decided: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Count decisions per true class (rows) and decided class (columns); returns (C, C).

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
    # One column more than there are classes takes the undecided: they still count as misses.
    columns = np.where(decided < 0, num_classes, decided)
    cells = truth[counted] * (num_classes + 1) + columns[counted]
    counts = np.bincount(cells, minlength=num_classes * (num_classes + 1))
    return counts.reshape(num_classes, num_classes + 1).astype(np.int64)


def summarise(confusion: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    """Return the measures of a matrix of :func:`confusion_matrix`, ready for JSON.

    ``balanced_accuracy`` is the mean recall over the classes that occur; it and ``accuracy`` are
    None when nothing was counted, and so is the recall of a class that does not occur.
    """
    per_class = confusion.sum(axis=1)
    hits = np.diag(confusion[:, : len(labels)])
    occurring = per_class > 0
    recall = hits[occurring] / per_class[occurring]
    total = int(per_class.sum())
    recalls = dict(zip(np.flatnonzero(occurring).tolist(), recall.tolist(), strict=True))
    return {
        'decisions': total,
        'accuracy': float(hits.sum() / total) if total else None,
        'balanced_accuracy': float(recall.mean()) if total else None,
        'recall': {label: recalls.get(index) for index, label in enumerate(labels)},
        'confusion': confusion.tolist(),
    }
