"""Whole clips scored: recordings with one label, each answered once.

A clip's answer is the class with the highest mean log-probability over its decisions, those at
which something is visible and the label holds.

R recordings, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from activity_recognition.training.evaluation.classification import (
    confusion_matrix,
    known,
    summarise,
)
from activity_recognition.training.evaluation.decisions import UNDECIDED, SegmentResult
from activity_recognition.types import Modality


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipAnswer:
    """What is answered for a recording with one label."""

    truth: int
    """True class."""
    log_probabilities: NDArray[np.float64]
    """(C,), means over the decisions; NaN where nothing is visible at any of them."""
    decisions: int
    """At which something is visible."""

    @property
    def answer(self) -> int:
        """Class; UNDECIDED where nothing is visible."""
        return int(self.log_probabilities.argmax()) if self.decisions else UNDECIDED


def answer_clip(results: Sequence[SegmentResult], temperature: float) -> ClipAnswer | None:
    """Answer for a recording; None where it has several labels, or none that the network knows.

    Args:
        results: of the recording's segments.
        temperature: logits are divided by it.
    """
    return _answer(results, [(r.logits / temperature, r.anything) for r in results])


def answer_clip_alone(results: Sequence[SegmentResult], modality: Modality) -> ClipAnswer | None:
    """Answer for a recording by one modality's own head; None as for :func:`answer_clip`.

    Args:
        results: of the recording's segments.
        modality: which decides where it is present.
    """
    return _answer(results, [(r.own_logits[modality], r.present[modality]) for r in results])


def _answer(
    results: Sequence[SegmentResult],
    decided: Sequence[tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]],
) -> ClipAnswer | None:
    """Answer by logits (Q, C) of each result, of the decisions at which they count (Q,)."""
    truths = {int(target) for result in results for target in set(result.targets.tolist())}
    labelled = {target for target in truths if target >= 0}
    if len(labelled) != 1:
        return None
    (truth,) = labelled
    num_classes = results[0].num_classes
    if truth >= num_classes:
        return None
    rows = [
        logits[counted & (result.targets == truth)]
        for result, (logits, counted) in zip(results, decided, strict=True)
    ]
    logits = torch.from_numpy(np.concatenate(rows)).double()
    mean: NDArray[np.float64] = torch.log_softmax(logits, dim=-1).mean(0).numpy()
    return ClipAnswer(truth=truth, log_probabilities=mean, decisions=len(logits))


def count_clip(found: ClipAnswer | None, num_classes: int) -> NDArray[np.int64]:
    """Return the confusion of one recording as a whole, (C, C + 1); zeros where it is no clip.

    Args:
        found: of the recording.
        num_classes: C.
    """
    if found is None:
        return np.zeros((num_classes, num_classes + 1), dtype=np.int64)
    return confusion_matrix(np.array([found.truth]), np.array([found.answer]), num_classes)


def clip_scores(counts: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any] | None:
    """Return the scores over all clips, ready for JSON; None without clips.

    Args:
        counts: (R, C, C + 1).
        labels: C names.
    """
    total = counts.sum(axis=0)
    if not total.any():
        return None
    found = summarise(total, labels)
    return {'clips': found.pop('decisions'), **found}


def about_clip(found: ClipAnswer | None, labels: Sequence[str]) -> dict[str, Any] | None:
    """Return what is said of one recording as a whole, ready for JSON; None where it is no clip.

    Args:
        found: of the recording, with everything that it has.
        labels: C names.
    """
    if found is None:
        return None
    answered = found.answer != UNDECIDED
    return {
        'label': labels[found.truth],
        'answer': labels[found.answer] if answered else None,
        'decisions': found.decisions,
        'log_probability': known(found.log_probabilities[found.truth]),
    }


def summarise_clips(recordings: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return how many clips there are and how often each is decided about; None without clips.

    Args:
        recordings: section of that name of a report.
    """
    clips = [recording for recording in recordings if recording['clip'] is not None]
    if not clips:
        return None
    decisions = [clip['clip']['decisions'] for clip in clips]
    groups = {clip['group'] for clip in clips if clip['group']}
    return {
        'clips': len(clips),
        'groups': len(groups),
        'others': len(recordings) - len(clips),
        'decisions_per_clip': _spread(decisions),
        'seconds': _spread([clip['seconds'] for clip in clips]),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        'least': float(min(values)),
        'median': float(np.median(values)),
        'most': float(max(values)),
    }
