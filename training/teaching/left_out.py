"""How good what was taught is: every recording is asked while it is left out.

Encoders never saw the recordings that are taught, and the labels' weights are fitted without the
one that is asked, so the answers are those on new recordings like them.

N decisions of taught recordings, C activities.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.models.rehearsal import DecisionFeatures, joined
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.run.fit_calibration import fit_temperature
from activity_recognition.training.teaching.fitting import fit_labels, fused_logits

MOST_LOST = 0.05
"""Share of the left-out clips that may be lost to make room for the labels of before."""
HANDICAPS = tuple(step / 4 for step in range(33))
"""What may be taken off the logits of taught labels, in ascending order."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LeftOut:
    """Answers to recordings that were left out."""

    logits: Tensor
    """Fused, float32 (N, C)."""
    rows: DecisionFeatures
    """The decisions."""
    is_asked: NDArray[np.bool_]
    """Of each clip, whether its label occurs in other folds, so that it could be known."""

    def answers(self) -> NDArray[np.int64]:
        """Return the class answered for each clip; -1 where it has no decision.

        The one with the highest mean log-probability over the decisions.
        """
        found = np.full(len(self.is_asked), -1, np.int64)
        log_probabilities = self.logits.double().log_softmax(-1)
        for clip in torch.unique(self.rows.clips).tolist():
            mean = log_probabilities[self.rows.clips == clip].mean(0)
            found[clip] = int(mean.argmax())
        return found

    def lowered(self, classes: Sequence[int], by: float) -> LeftOut:
        """Return the answers with so much taken off the logits of some classes.

        Args:
            classes: their numbers.
            by: how much.
        """
        logits = self.logits.clone()
        logits[:, list(classes)] -= by
        return dataclasses.replace(self, logits=logits)


def leave_out(
    system: ActivityRecognitionSystem,
    kept: DecisionFeatures | None,
    rows: DecisionFeatures,
    taught: Sequence[int],
    folds: Sequence[int],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> LeftOut:
    """Answer for every taught clip by weights that were fitted without its fold.

    Args:
        system: with all labels; stays as it is.
        kept: decisions of what it was trained on; None where it keeps none.
        rows: decisions of the taught clips, whose numbers are their places.
        taught: classes to fit.
        folds: of each clip.
        progress: called with how many folds are done, and how many there are.
    """
    numbers = np.asarray(folds)
    clip_targets = np.full(len(numbers), -1, np.int64)
    clip_targets[rows.clips.numpy()] = rows.targets.numpy()
    fold_of_row = torch.from_numpy(numbers)[rows.clips]
    logits = torch.zeros(len(rows), system.config.num_activities)
    asked = np.zeros(len(numbers), np.bool_)
    names = sorted(set(numbers.tolist()))
    for done, fold in enumerate(names):
        out = fold_of_row == fold
        rest = rows.select(~out)
        known = set(rest.targets.tolist()) | (set() if kept is None else set(kept.targets.tolist()))
        there = (numbers == fold) & (clip_targets >= 0)
        asked |= there & np.isin(clip_targets, list(known))
        if len(rest) and bool(out.any()):
            logits[out] = _fitted(system, kept, rest, taught, rows.select(out))
        if progress is not None:
            progress(done + 1, len(names))
    return LeftOut(logits=logits, rows=rows, is_asked=asked)


def _fitted(
    system: ActivityRecognitionSystem,
    kept: DecisionFeatures | None,
    rest: DecisionFeatures,
    taught: Sequence[int],
    out: DecisionFeatures,
) -> Tensor:
    own = copy.deepcopy(system)
    fit_labels(own, with_kept(own, kept, rest), taught)
    return fused_logits(own, out)


def with_kept(
    system: ActivityRecognitionSystem, kept: DecisionFeatures | None, rows: DecisionFeatures
) -> DecisionFeatures:
    """Return kept and new decisions together, as much of them as is fitted to.

    Args:
        system: the network.
        kept: decisions of what it was trained on; None where it keeps none.
        rows: new decisions.
    """
    new = rows.for_keeping(system.config)
    return new if kept is None or not len(kept) else joined([kept, new])


def choose_handicap(left_out: LeftOut, taught: Sequence[int], clips: Sequence[int]) -> float:
    """Return how much to take off the logits of taught labels.

    Kept decisions are of recordings that the encoders were trained on; those of new people lie
    further apart, and would be taken for the new labels too often. So these get no more room than
    they need: as much is taken off as costs one in twenty of the left-out clips that are right
    without (compare the bias correction of Wu et al. 2019, "Large Scale Incremental Learning",
    which is fitted to recordings of old labels held out, of which there are none here).

    Args:
        left_out: answers to the taught recordings.
        taught: classes that get it.
        clips: true class of each clip.
    """
    asked, truth = left_out.is_asked, np.asarray(clips)
    asked = asked & np.isin(truth, list(taught))

    def right(by: float) -> int:
        answers = left_out.lowered(taught, by).answers()
        return int((answers == truth)[asked].sum())

    before = right(0.0)
    if not before:
        return 0.0
    return max(by for by in HANDICAPS if right(by) >= (1 - MOST_LOST) * before)


def calibrate(left_out: LeftOut, before: float) -> float:
    """Return the temperature that suits the left-out answers.

    It is drawn to that of before, as strongly as by one clip.

    Args:
        left_out: answers to the taught recordings.
        before: temperature of the checkpoint.
    """
    counted = torch.from_numpy(left_out.is_asked)[left_out.rows.clips]
    if not bool(counted.any()):
        return before
    ridge = 0.5 / max(1, int(left_out.is_asked.sum()))
    fitted = fit_temperature(
        left_out.logits[counted] / before, left_out.rows.targets[counted], ridge=ridge
    )
    return before * fitted.temperature
