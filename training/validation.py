"""What the network reaches on recordings it is not trained on, while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from activity_recognition.inference.precision import Precision
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.metrics import confusion_matrix, summarise
from activity_recognition.training.predict import Prediction, predict_segment
from activity_recognition.training.segments import Segment
from activity_recognition.types import MODALITIES, Modality


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Validation:
    """Raw beliefs over all validation recordings, and what they are worth."""

    logits: Tensor
    """Fused, (N, C), of the decisions at which something was visible and labelled."""
    targets: Tensor
    """(N,)."""
    measures: dict[str, Any]
    """Balanced accuracy of the fused logits and of each modality's head, and more, for JSON."""

    @property
    def balanced_accuracy(self) -> float:
        """Of the fused logits; 0 when nothing was counted."""
        return float(self.measures['balanced_accuracy'] or 0.0)


def validate(
    system: ActivityRecognitionSystem, segments: Sequence[Segment], precision: Precision
) -> Validation:
    """Decide over whole segments with everything they have and compare with the labels."""
    predictions = [
        predict_segment(system, segment, [MODALITIES], precision)[MODALITIES]
        for segment in segments
    ]
    counted = [torch.from_numpy(p.anything & (p.targets >= 0)) for p in predictions]
    logits = torch.cat([p.logits[rows] for p, rows in zip(predictions, counted, strict=True)])
    targets = torch.cat(
        [torch.from_numpy(p.targets)[rows] for p, rows in zip(predictions, counted, strict=True)]
    )
    measures = _fused_measures(system, logits, targets)
    measures['own_heads'] = {
        modality.value: _own_accuracy(system, predictions, modality) for modality in MODALITIES
    }
    return Validation(logits=logits, targets=targets, measures=measures)


def _fused_measures(
    system: ActivityRecognitionSystem, logits: Tensor, targets: Tensor
) -> dict[str, Any]:
    labels = system.config.labels
    confusion = confusion_matrix(targets.numpy(), logits.argmax(-1).numpy(), len(labels))
    loss = functional.cross_entropy(logits, targets).item() if len(targets) else None
    return {'loss': loss, **summarise(confusion, labels)}


def _own_accuracy(
    system: ActivityRecognitionSystem, predictions: Sequence[Prediction], modality: Modality
) -> float | None:
    """Balanced accuracy of one modality's own head over the decisions at which it is present."""
    labels = system.config.labels
    total = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for prediction in predictions:
        targets = np.where(prediction.present[modality], prediction.targets, -1)
        decided = prediction.unimodal[modality].argmax(-1).numpy()
        total += confusion_matrix(targets, decided, len(labels))
    value = summarise(total, labels)['balanced_accuracy']
    return None if value is None else float(value)
