"""What each modality's own head has gained so far, and what follows: its weight, and when it stops.

Wang et al. 2020, "What Makes Training Multi-modal Classification Networks Hard?": modalities
overfit and generalise at different rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from activity_recognition.types import Modality

LEAST_WEIGHT, MOST_WEIGHT = 0.1, 2.0
"""Bounds of the weights of ``modality_weights: auto``; their mean before is 1."""
LEAST_OVERFITTING = 0.02
"""Growth of the gap between training and validation below which none is seen, nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadScore:
    """What one modality's own head reaches where the modality is present."""

    accuracy: float
    """Balanced."""
    loss: float
    """Mean cross-entropy, nats."""
    calibrated_loss: float
    """The same at the temperature at which it is lowest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModalityProgress:
    """Of one modality; negative numbers stand for what is not known yet."""

    best: float = -1.0
    """Best balanced accuracy of its own head in validation, in the current stage."""
    best_loss: float = -1.0
    """Lowest calibrated loss in validation, in the current stage; what is kept is of then."""
    kept: float = -1.0
    """Balanced accuracy of what is kept; below 0 where an older version kept it."""
    stale: int = 0
    """Validations in a row that gained nothing over it."""
    training_loss: float = -1.0
    """Of the newest validation, on recordings that are trained on."""
    validation_loss: float = -1.0
    weight: float = 1.0
    """Of its loss, before it stops."""

    @property
    def is_judged(self) -> bool:
        """Whether any validation had the modality."""
        return self.best >= 0

    @property
    def reached(self) -> float:
        """Balanced accuracy of what is kept; older versions kept the weights of the best one."""
        return self.best if self.kept < 0 else self.kept

    def has_stopped(self, patience: int) -> bool:
        """Tell whether it gained nothing for ``patience`` validations; 0 never stops.

        One that no validation has never stops: nobody knows what it gains.
        The average of its weights goes on moving for a while: where that gains, it begins again.
        """
        return self.is_judged and 0 < patience <= self.stale

    def after(self, found: HeadScore | None, *, min_gain: float) -> ModalityProgress:
        """Return the progress after a validation; the same where the modality was not in it.

        Args:
            found: in the validation.
            min_gain: what the accuracy must gain to count against ``patience``; at 0 a lower
                loss counts, too.
        """
        if found is None:
            return self
        improves = self.improves(found)
        gained = found.accuracy > self.best + (min_gain if self.is_judged else 0.0)
        gained = gained or (improves and not min_gain)
        after = replace(
            self, best=max(self.best, found.accuracy), stale=0 if gained else self.stale + 1
        )
        if improves:
            after = replace(after, best_loss=found.calibrated_loss, kept=found.accuracy)
        return after

    def improves(self, found: HeadScore | None) -> bool:
        """Tell whether a validation has a lower calibrated loss than all before.

        Of a few recordings it says more than the accuracy, of which the best of many validations is
        mostly luck; and how sure a head is, temperatures are fitted to later.
        """
        if found is None:
            return False
        return not self.is_judged or found.calibrated_loss < self.best_loss

    def in_next_stage(self) -> ModalityProgress:
        """Return the progress with which the next stage begins."""
        return replace(self, best=-1.0, best_loss=-1.0, kept=-1.0, stale=0)


def balanced_weights(
    progress: Sequence[ModalityProgress],
    training: Sequence[HeadScore | None],
    validation: Sequence[HeadScore | None],
    *,
    num_classes: int,
) -> list[ModalityProgress]:
    """Return the progress with losses, and with weights by how modalities generalise and overfit.

    A weight is proportional to G / O²: G is what the validation loss has gained since the last
    validation, O by how much more it lies above the training loss. Before the first validation all
    losses are those of a guess. Weights have a mean of 1, are then bounded, and move half of the
    way at each validation.

    Args:
        progress: of each modality.
        training: what their heads reach on recordings that are trained on.
        validation: and on those that are not.
        num_classes: that a guess chooses from.
    """
    ratios: list[float | None] = []
    after: list[ModalityProgress] = []
    for one, seen, unseen in zip(progress, training, validation, strict=True):
        if seen is None or unseen is None:
            ratios.append(None)
            after.append(one)
            continue
        guess = math.log(num_classes)
        before_seen = one.training_loss if one.training_loss >= 0 else guess
        before_unseen = one.validation_loss if one.validation_loss >= 0 else guess
        gain = before_unseen - unseen.loss
        overfitting = (unseen.loss - seen.loss) - (before_unseen - before_seen)
        ratios.append(max(gain, 0.0) / max(overfitting, LEAST_OVERFITTING) ** 2)
        after.append(replace(one, training_loss=seen.loss, validation_loss=unseen.loss))
    known = [ratio for ratio in ratios if ratio is not None]
    mean = sum(known) / len(known) if known else 0.0
    return [
        one if ratio is None else replace(one, weight=_moved(one.weight, ratio, mean))
        for one, ratio in zip(after, ratios, strict=True)
    ]


def _moved(weight: float, ratio: float, mean: float) -> float:
    """Return the mean of a weight and the new one, bounded; nobody gaining leaves it at rest."""
    if mean <= 0:
        return weight
    return 0.5 * (weight + min(max(ratio / mean, LEAST_WEIGHT), MOST_WEIGHT))


def loss_factors(
    modalities: Sequence[Modality],
    progress: Sequence[ModalityProgress],
    *,
    patience: int,
    is_weighted: bool,
) -> dict[Modality, float]:
    """Return :func:`loss_factor` of each modality; nothing before the first validation.

    Args:
        modalities: of the network.
        progress: of each; empty before the first validation.
        patience: as for one.
        is_weighted: as for one.
    """
    return {
        modality: loss_factor(one, patience=patience, is_weighted=is_weighted)
        for modality, one in zip(modalities, progress, strict=False)
    }


def loss_factor(progress: ModalityProgress, *, patience: int, is_weighted: bool) -> float:
    """Return the factor on a modality's own loss: 0 once it has stopped.

    Args:
        progress: of the modality.
        patience: validations without gain after which it stops; 0 never does.
        is_weighted: whether its weight holds, or all weigh alike.
    """
    if progress.has_stopped(patience):
        return 0.0
    return progress.weight if is_weighted else 1.0
