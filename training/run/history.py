"""What each validation of a run has found: kept in its state, so that it is resumed with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from activity_recognition.training.evaluation.curves import (
    Curve,
    HeadCurve,
    JoinedPoint,
    StageStart,
    TrainingCurves,
    Values,
)
from activity_recognition.types import Modality

_DIGITS = 4
"""After the point, of what is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """What the network reaches on some recordings; None where nothing was counted.

    None also where it is no number: JSON has none for it, and a run that diverged can be read.
    """

    fused: float | None = None
    """Balanced accuracy of all modalities together."""
    loss: float | None = None
    """Mean cross-entropy of the fused logits, nats."""
    own: Values = ()
    """Balanced accuracy of each modality's own head, in the network's order."""

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Reached:
        """Take it from a validation.

        Args:
            summary: of :meth:`activity_recognition.training.run.validation.Validation.summary`.
        """
        return cls(
            fused=_short(summary['balanced_accuracy']),
            loss=_short(summary['loss']),
            own=tuple(_short(value) for value in summary['own_heads'].values()),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Validated:
    """One validation."""

    epoch: int
    """After which it was made, from 1 up."""
    stage: str
    """Name of the stage."""
    stage_index: int
    """Of the stage, from 0 up: names may be the same."""
    validation: Reached
    training: Reached = Reached()
    """On as many recordings that are trained on; nothing where ``joined``."""
    joined: bool = False
    """Whether each modality's best weights had just been put together."""
    kept: bool = False
    """Whether these weights were the best of the run."""

    @classmethod
    def of(
        cls,
        validation: Mapping[str, Any],
        training: Mapping[str, Any] | None,
        *,
        epoch: int,
        stage: str,
        stage_index: int,
    ) -> Validated:
        """Take it from summaries, as for :meth:`Reached.of`.

        Args:
            validation: on recordings that are not trained on.
            training: on as many that are; None where the best weights had just been put together.
            epoch: after which it was made.
            stage: name of the stage.
            stage_index: of the stage, from 0 up.
        """
        return cls(
            epoch=epoch,
            stage=stage,
            stage_index=stage_index,
            validation=Reached.of(validation),
            training=Reached() if training is None else Reached.of(training),
            joined=training is None,
        )


def curves_of(
    history: Sequence[Validated], modalities: Sequence[Modality]
) -> TrainingCurves | None:
    """Return the curves of a run; None where nothing was validated.

    Args:
        history: of the run; one that an older version began lacks what came before.
        modalities: of the network.
    """
    epochs = [found for found in history if not found.joined]
    if not epochs:
        return None
    kept = next((found for found in reversed(history) if found.kept), None)
    return TrainingCurves(
        epochs=tuple(found.epoch for found in epochs),
        stages=_stages(epochs),
        fused=Curve(
            training=tuple(found.training.fused for found in epochs),
            validation=tuple(found.validation.fused for found in epochs),
        ),
        loss=Curve(
            training=tuple(found.training.loss for found in epochs),
            validation=tuple(found.validation.loss for found in epochs),
        ),
        own_heads=tuple(
            HeadCurve(
                modality=modality.value,
                training=tuple(found.training.own[place] for found in epochs),
                validation=tuple(found.validation.own[place] for found in epochs),
            )
            for place, modality in enumerate(modalities)
        ),
        joined=tuple(
            JoinedPoint(epoch=found.epoch, balanced_accuracy=found.validation.fused)
            for found in history
            if found.joined
        ),
        kept_epoch=kept.epoch if kept else 0,
        kept_joined=kept.joined if kept else False,
    )


def _stages(epochs: Sequence[Validated]) -> tuple[StageStart, ...]:
    """Return where each stage begins: a stage ends with a validation, so after the last of it."""
    first = StageStart(name=epochs[0].stage, first_epoch=1)
    return first, *(
        StageStart(name=found.stage, first_epoch=before.epoch + 1)
        for before, found in pairwise(epochs)
        if found.stage_index != before.stage_index
    )


def _short(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), _DIGITS)
