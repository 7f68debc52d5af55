"""Whether a probability means what it says: calibration error, reliability, Brier score, NLL.

Expected calibration error with equal bins: Naeini et al. 2015, as in Guo et al. 2017. Brier score
of several classes: Brier 1950, the squared distance between probabilities and truth, from 0 to 2.

N decisions at which something was visible and the network knows the label, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import multiclass_calibration_error

from activity_recognition.training.evaluation.bootstrap import Bootstrap
from activity_recognition.training.evaluation.classification import known, ratio
from activity_recognition.training.evaluation.decisions import SegmentResult

BINS = 15
KINDS = ('before', 'after', 'smoothed')
"""Without temperature, with it, and what smoothing makes of that."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """Probabilities beside what was true."""

    log_probabilities: Float64
    """(N, C), natural logarithms of probabilities."""
    truth: NDArray[np.int64]
    """(N,)."""

    @property
    def probabilities(self) -> Float64:
        """(N, C)."""
        return np.exp(self.log_probabilities)


def predictions_of(results: Sequence[SegmentResult], temperature: float) -> dict[str, Predictions]:
    """Return what was predicted without and with the temperature, and after smoothing.

    Args:
        results: of all segments.
        temperature: of the checkpoint.
    """
    kept = [s.anything & (s.truth >= 0) for s in results]
    truth = np.concatenate([s.truth[rows] for s, rows in zip(results, kept, strict=True)])
    logits = np.concatenate([s.logits[rows] for s, rows in zip(results, kept, strict=True)])
    smoothed = np.concatenate(
        [s.smoothed.probabilities[rows] for s, rows in zip(results, kept, strict=True)]
    ).astype(np.float64)
    # A mean of float32 probabilities can be 0, or sum to a little less than 1.
    smoothed = np.maximum(smoothed, np.finfo(np.float32).tiny)
    return {
        'before': Predictions(log_probabilities=_log_softmax(logits), truth=truth),
        'after': Predictions(log_probabilities=_log_softmax(logits / temperature), truth=truth),
        'smoothed': Predictions(
            log_probabilities=np.log(smoothed / smoothed.sum(axis=1, keepdims=True)), truth=truth
        ),
    }


def calibration_sums(predicted: Predictions) -> Float64:
    """Return what one recording adds, (2 + 3 * BINS,).

    Brier score, NLL, then of each bin its decisions, their confidence, and how many were right.
    """
    probabilities, rows = predicted.probabilities, np.arange(len(predicted.truth))
    brier = (probabilities**2).sum() - 2 * probabilities[rows, predicted.truth].sum() + len(rows)
    nll = -predicted.log_probabilities[rows, predicted.truth].sum()
    confidence = probabilities.max(axis=1, initial=0.0)
    right = probabilities.argmax(axis=1) == predicted.truth
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    binned = [
        np.bincount(place, weights=weights, minlength=BINS)
        for weights in (np.ones(len(rows)), confidence, right.astype(np.float64))
    ]
    return np.concatenate([[brier, nll], *binned])


def calibration_statistics(sums: NDArray[Any]) -> dict[str, Float64]:
    """Turn sums (..., S) into ``ece``, ``brier`` and ``nll``, (...)."""
    sums = np.asarray(sums, dtype=np.float64)
    counts, confidence, right = _bins(sums)
    total = counts.sum(axis=-1)
    return {
        'ece': ratio(np.abs(confidence - right).sum(axis=-1), total),
        'brier': ratio(sums[..., 0], total),
        'nll': ratio(sums[..., 1], total),
    }


def measure_calibration(
    predicted: Mapping[str, Predictions], sums: Mapping[str, Float64], temperature: float
) -> dict[str, Any]:
    """Return calibration before and after temperature and after smoothing, ready for JSON.

    Args:
        predicted: of all recordings, per kind.
        sums: (R, S) per kind, of :func:`calibration_sums`.
        temperature: of the checkpoint.
    """
    found = {kind: _measure(predicted[kind], sums[kind].sum(axis=0)) for kind in KINDS}
    return {'temperature': temperature, 'bins': BINS, **found}


def calibration_intervals(sums: Mapping[str, Float64], bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the intervals of each kind's statistics.

    Args:
        sums: (R, S) per kind, of :func:`calibration_sums`.
        bootstrap: over the recordings.
    """
    return {kind: bootstrap.intervals(calibration_statistics, sums[kind]) for kind in KINDS}


def expected_calibration_error(predicted: Predictions) -> float | None:
    """Return the expected calibration error of the most probable class; None without decisions."""
    if not len(predicted.truth):
        return None
    error = multiclass_calibration_error(
        torch.from_numpy(predicted.probabilities),
        torch.from_numpy(predicted.truth),
        num_classes=predicted.log_probabilities.shape[1],
        n_bins=BINS,
        norm='l1',
    )
    return float(error.item())


def _measure(predicted: Predictions, totals: Float64) -> dict[str, Any]:
    counts, confidence, right = _bins(totals)
    means = known(ratio(confidence, counts)), known(ratio(right, counts))
    return {
        **{name: known(value) for name, value in calibration_statistics(totals).items()},
        'ece': expected_calibration_error(predicted),
        'reliability': [
            {
                'from': place / BINS,
                'to': (place + 1) / BINS,
                'count': int(counts[place]),
                'confidence': means[0][place],
                'accuracy': means[1][place],
            }
            for place in range(BINS)
        ],
    }


def _bins(sums: Float64) -> tuple[Float64, Float64, Float64]:
    """Return decisions, summed confidence and right decisions per bin, (..., BINS) each."""
    parts = sums[..., 2:].reshape(*sums.shape[:-1], 3, BINS)
    return parts[..., 0, :], parts[..., 1, :], parts[..., 2, :]


def _log_softmax(logits: Float64) -> Float64:
    result: Float64 = torch.log_softmax(torch.from_numpy(logits), dim=1).numpy()
    return result
