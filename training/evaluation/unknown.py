"""Whether the probability of the best class tells what the network knows from what it does not.

The baseline of Hendrycks and Gimpel 2017: known is the positive class, the highest probability its
score. What is unknown are the moments whose label the checkpoint lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import binary_auroc, binary_roc

from activity_recognition.training.evaluation.decisions import UNDECIDED, Answers, SegmentResult

TRUE_POSITIVE_RATE = 0.95

Float64 = NDArray[np.float64]


def measure_unknown(
    results: Sequence[SegmentResult], unknown_labels: Sequence[str]
) -> dict[str, Any]:
    """Return how well unknown activities are told from known ones, before and after smoothing.

    Args:
        results: of all recordings.
        unknown_labels: labels in the data that the checkpoint lacks.
    """
    return {
        'labels': list(unknown_labels),
        'decisions': int(sum(s.unknown.sum() for s in results)),
        **_measure(results, 'decisions'),
        'smoothed': _measure(results, 'smoothed'),
    }


def auroc(known: Float64, unknown: Float64) -> float | None:
    """Return the area under the ROC curve: how often a known moment scores above an unknown one.

    Args:
        known: scores of known moments, (N,).
        unknown: scores of unknown ones, (M,).
    """
    if not (len(known) and len(unknown)):
        return None
    return float(binary_auroc(*_positives(known, unknown)).item())


def false_positive_rate(known: Float64, unknown: Float64) -> float | None:
    """Return the share of unknown moments taken for known when 95 % of the known ones are.

    Args:
        known: scores of known moments, (N,).
        unknown: scores of unknown ones, (M,).
    """
    if not (len(known) and len(unknown)):
        return None
    false, true, _ = binary_roc(*_positives(known, unknown))
    # Rates are float32: half a millionth keeps an exact 95 % from being missed.
    return float(false[true >= TRUE_POSITIVE_RATE - 5e-7].min().item())


def _measure(results: Sequence[SegmentResult], kind: str) -> dict[str, Any]:
    answers: list[Answers] = [getattr(s, kind) for s in results]
    scores = [a.probabilities.max(axis=1, initial=0.0).astype(np.float64) for a in answers]
    seen = [s.anything for s in results]
    unsure = np.concatenate([a.classes == UNDECIDED for a in answers])
    highest = np.concatenate(scores)
    known = np.concatenate([s.truth >= 0 for s in results]) & np.concatenate(seen)
    unknown = np.concatenate([s.unknown for s in results]) & np.concatenate(seen)
    found = {
        'auroc': auroc(highest[known], highest[unknown]),
        'fpr_at_95_tpr': false_positive_rate(highest[known], highest[unknown]),
    }
    if kind == 'smoothed':
        found['answered_unknown_when_known'] = _share(unsure[known])
        found['answered_unknown_when_unknown'] = _share(unsure[unknown])
    return found


def _positives(known: Float64, unknown: Float64) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.from_numpy(np.concatenate([known, unknown]))
    return scores, torch.cat([torch.ones(len(known)), torch.zeros(len(unknown))]).long()


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None
