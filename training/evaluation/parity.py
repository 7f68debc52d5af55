"""Whether a running node decided what ``forward`` decides from the same admission trace.

N decisions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from activity_recognition.inference.trace_file import AdmissionTrace
from activity_recognition.training.evaluation.decisions import UNDECIDED, Int64, smooth
from activity_recognition.training.evaluation.replaying import Replayed
from activity_recognition.types import Status

if TYPE_CHECKING:
    from activity_recognition.training.evaluation.measuring import Decided

Float64 = NDArray[np.float64]

TOLERANCE_FP32 = 1e-5
"""Absolute and relative, on logits."""
TOLERANCE_HALF = 2e-2
"""On probabilities; the best label may differ only where it leads by less than twice that."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Played:
    """One recording that was played into a node."""

    trace: AdmissionTrace
    replayed: Replayed
    undisturbed: Decided
    """The same recording with every sample there and on time."""

    @property
    def moments_ns(self) -> Int64:
        """(N,), what the node's decisions speak of."""
        return np.array([d.moment.t_ns for d in self.trace.decisions], np.int64)

    @property
    def logits(self) -> Float64:
        """(N, C), of the node."""
        rows = [decision.logits for decision in self.trace.decisions]
        return np.array(rows, np.float64).reshape(len(rows), len(self.trace.labels))

    @property
    def saw(self) -> NDArray[np.bool_]:
        """(N,), whether the node saw anything."""
        return np.array([d.status is not Status.NO_DATA for d in self.trace.decisions], np.bool_)

    @property
    def decisions(self) -> Int64:
        """(N,), what the node decided, each decision for itself."""
        return np.where(self.saw, self.logits.argmax(axis=1), UNDECIDED)

    @property
    def smoothed(self) -> Int64:
        """(N,), what it published."""
        return np.array([decision.class_id for decision in self.trace.decisions], np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Comparison:
    """Node and ``forward``, decision by decision."""

    difference: Float64
    """(N,), largest distance between logits; 0 where nothing was compared."""
    unequal: NDArray[np.bool_]
    """(N,), beyond the tolerance, or only one of both saw anything."""
    other_label: NDArray[np.bool_]
    """(N,), another best label, each decision for itself."""
    other_answer: NDArray[np.bool_]
    """(N,), another published answer, after smoothing."""


def tolerance(*, is_half: bool) -> str:
    """Return in words how far node and ``forward`` may lie apart."""
    if is_half:
        return f'{TOLERANCE_HALF:g} on probabilities'
    return f'{TOLERANCE_FP32:g} absolute and relative on logits'


def compare(played: Played, temperature: float, *, is_half: bool) -> Comparison:
    """Compare what a node decided with what ``forward`` says.

    Args:
        played: trace and ``forward``.
        temperature: logits are divided by it.
        is_half: whether matrix products were computed in 16 bits.
    """
    replayed = played.replayed
    live, again, saw = played.logits, replayed.logits, played.saw
    both = saw & replayed.seen & replayed.comparable
    other_label = both & (live.argmax(axis=1) != again.argmax(axis=1))
    if is_half:
        apart = _apart_in_probability(live / temperature, again / temperature, other_label)
    else:
        beyond = np.abs(live - again) > TOLERANCE_FP32 * (1 + np.abs(again))
        apart = np.asarray(beyond.any(axis=1))
    return Comparison(
        difference=np.where(both, np.abs(live - again).max(axis=1, initial=0.0), 0.0),
        unequal=replayed.comparable & ((both & apart) | (saw != replayed.seen)),
        other_label=other_label,
        other_answer=replayed.comparable & (_answers(played, temperature) != played.smoothed),
    )


def _apart_in_probability(
    live: Float64, again: Float64, other_label: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return where calibrated logits (N, C) give other probabilities than 16 bits explain, (N,)."""
    ours, theirs = _softmax(live), _softmax(again)
    ranked = np.sort(theirs, axis=1)
    leads = np.asarray(ranked[:, -1] - ranked[:, -2] > 2 * TOLERANCE_HALF)
    distance: Float64 = np.abs(ours - theirs).max(axis=1, initial=0.0)
    return np.logical_or(distance > TOLERANCE_HALF, other_label & leads)


def _answers(played: Played, temperature: float) -> Int64:
    """Return what a node would publish of the decisions of ``forward``, (N,)."""
    replayed, moments_ns = played.replayed, played.moments_ns
    probabilities = _softmax(replayed.logits / temperature).astype(np.float32)
    answers = np.full(len(moments_ns), UNDECIDED, np.int64)
    for number in np.unique(replayed.segment):
        rows = (replayed.segment == number) & replayed.comparable
        found = smooth(
            probabilities[rows], replayed.seen[rows], moments_ns[rows], played.trace.smoothing
        )
        answers[rows] = found.classes
    return answers


def _softmax(logits: Float64) -> Float64:
    probabilities: Float64 = torch.softmax(torch.from_numpy(logits), dim=-1).numpy()
    return probabilities
