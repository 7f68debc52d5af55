"""What a trained network gets from its validation recordings in the end, and reaches on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from activity_recognition.config import SmoothingConfig
from activity_recognition.inference.precision import Precision
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.evaluation.classification import known
from activity_recognition.training.evaluation.fusion_findings import better_without, overfitted
from activity_recognition.training.evaluation.scoring import measure_segments
from activity_recognition.training.run.fit_calibration import (
    Calibration,
    fit_offsets,
    fit_temperature,
    offsets_generalise,
    supports_offsets,
)
from activity_recognition.training.run.fit_fusion import FusionFit
from activity_recognition.training.run.fusion_data import fit_fusion_on
from activity_recognition.training.run.validation import Validation, own_head_scores, validate
from activity_recognition.types import Modality


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalFit:
    """What was fitted, and what is reached."""

    calibration: Calibration
    fusion: FusionFit | None
    """None where there was nothing to fit, or nothing to fit it to."""
    combinations: dict[str, Any]
    """Scores of each combination of modalities."""
    own_heads: dict[str, Any]
    """Scores of each modality's own head in training and in validation."""

    def findings(self, num_labels: int) -> list[str]:
        """Return what a reader has to know first, in sentences.

        Args:
            num_labels: of the network.
        """
        sentences = [better_without(self.combinations, 'in validation')]
        sentences += overfitted(self.own_heads, num_labels)
        return [sentence for sentence in sentences if sentence]

    def fusion_for_json(self, modalities: Sequence[Modality]) -> dict[str, Any] | None:
        """Return what was fitted of the fusion, where there are several per modality by its name.

        Args:
            modalities: of the network.
        """
        if self.fusion is None:
            return None
        names = [modality.value for modality in modalities]
        return {
            name: dict(zip(names, known(value), strict=True)) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.fusion).items()
        }


def fit_and_measure(
    system: ActivityRecognitionSystem,
    validation: Sequence[LabelledSegment],
    training: Sequence[LabelledSegment],
    precision: Precision,
    *,
    class_weights: Tensor,
    groups: int,
    console: Console | None,
) -> FinalFit:
    """Fit fusion, offsets and temperature to validation recordings, and measure on them.

    Args:
        system: the trained network; is changed.
        validation: recordings that it was not trained on; without any it stays as it is.
        training: as many that it was trained on, to compare with.
        precision: where and how to compute.
        class_weights: of the training loss, (C,).
        groups: of how many groups the validation recordings are.
        console: where to say what was fitted.
    """
    if not validation:
        _say(console, 'no recordings to validate with: modalities are joined as training learnt to')
        return FinalFit(calibration=Calibration(), fusion=None, combinations={}, own_heads={})
    fusion = fit_fusion_on(system, validation, precision, class_weights)
    if fusion is not None:
        _say(console, fusion.sentence(system.modalities))
    found = validate(system, validation, precision)
    own_heads = own_head_scores(found, validate(system, training, precision))
    calibration = _calibrate(system, validation, found, groups)
    combinations = measure_segments(
        system,
        validation,
        temperature=calibration.temperature,
        precision=precision,
        smoothing=SmoothingConfig(),
        console=console,
    )
    return FinalFit(
        calibration=calibration, fusion=fusion, combinations=combinations, own_heads=own_heads
    )


def _calibrate(
    system: ActivityRecognitionSystem,
    validation: Sequence[LabelledSegment],
    found: Validation,
    groups: int,
) -> Calibration:
    """Fit offsets, which go into the classifier's bias, where they help, then a temperature.

    Args:
        system: is changed.
        validation: what it decided over.
        found: what it decided.
        groups: of how many groups the recordings are.
    """
    logits, targets = found.logits, found.targets
    offsets: tuple[float, ...] = ()
    classes = system.config.num_activities
    supported = supports_offsets([s.targets for s in validation], classes, groups=groups)
    if supported and offsets_generalise(logits, targets, found.spans):
        fitted = fit_offsets(logits, targets)
        with torch.no_grad():
            system.classifier.bias.add_(fitted.to(system.classifier.bias))
        logits, offsets = logits + fitted, tuple(fitted.tolist())
    return dataclasses.replace(fit_temperature(logits, targets), offsets=offsets)


def _say(console: Console | None, sentence: str) -> None:
    if console is not None:
        console.print(sentence, markup=False, highlight=False)
