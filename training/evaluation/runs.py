"""Sequences of equal answers, and how two of them differ.

The edit score and the segmental F1 of action segmentation: Lea et al. 2017, "Temporal Convolutional
Networks for Action Segmentation and Detection", as computed by Farha and Gall 2019, "MS-TCN".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


class Runs(NamedTuple):
    """Maximal runs of equal values, (N,) each."""

    values: Int64
    starts: Int64
    ends: Int64
    """One past the last."""


class Matches(NamedTuple):
    """How many runs were found."""

    true_positives: int
    false_positives: int
    false_negatives: int


def runs_of(values: Int64) -> Runs:
    """Split a sequence into maximal runs of equal values."""
    if not len(values):
        nothing = np.zeros(0, dtype=np.int64)
        return Runs(nothing, nothing, nothing)
    changes = np.flatnonzero(np.diff(values)) + 1
    starts = np.concatenate([[0], changes]).astype(np.int64)
    ends = np.concatenate([changes, [len(values)]]).astype(np.int64)
    return Runs(values[starts], starts, ends)


def edit_score(decided: Runs, truth: Runs) -> float:
    """Return 100 less the Levenshtein distance in percent of the longer sequence of runs.

    Args:
        decided: runs of answers.
        truth: runs of true classes.
    """
    longest = max(len(decided.values), len(truth.values))
    if not longest:
        return 100.0
    return 100.0 * (1.0 - levenshtein(decided.values, truth.values) / longest)


def levenshtein(first: Int64, second: Int64) -> int:
    """Return the least number of insertions, deletions and substitutions (Levenshtein 1966).

    Args:
        first: (N,).
        second: (M,).
    """
    columns = np.arange(len(second) + 1)
    row = columns.copy()
    for place, value in enumerate(first, start=1):
        replaced = row[:-1] + (second != value)
        row = np.concatenate([[place], np.minimum(row[1:] + 1, replaced)])
        # Insertions run along the row: the least of what lies to the left, plus the way from there.
        row = np.minimum.accumulate(row - columns) + columns
    return int(row[-1])


def match_runs(decided: Runs, truth: Runs, overlap: float) -> Matches:
    """Count the runs that were found with at least ``overlap`` intersection over union.

    Every decided run is compared with the true run of its value that it overlaps best; each true
    run can be found once.

    Args:
        decided: runs of answers.
        truth: runs of true classes.
        overlap: least intersection over union, in (0, 1].
    """
    found = np.zeros(len(truth.values), dtype=np.bool_)
    hits = 0
    for value, start, end in zip(*decided, strict=True):
        alike = truth.values == value
        if not alike.any():
            continue
        shared = np.minimum(end, truth.ends) - np.maximum(start, truth.starts)
        union = np.maximum(end, truth.ends) - np.minimum(start, truth.starts)
        best = int(np.where(alike, np.maximum(shared, 0) / union, -1.0).argmax())
        if max(shared[best], 0) / union[best] >= overlap and not found[best]:
            found[best] = True
            hits += 1
    return Matches(hits, len(decided.values) - hits, len(truth.values) - hits)
