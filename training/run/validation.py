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
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.evaluation.classification import confusion_matrix, summarise
from activity_recognition.training.evaluation.predict import (
    Prediction,
    predict_segment,
)
from activity_recognition.training.run.processes import Peers
from activity_recognition.types import Modality


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Validation:
    """Raw probabilities over all validation recordings, and what they are worth."""

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

    @property
    def own_accuracy(self) -> float:
        """Mean balanced accuracy of the modalities' own heads; 0 when nothing was counted."""
        found = [value for value in self.measures['own_heads'].values() if value is not None]
        return sum(found) / len(found) if found else 0.0


def validate(
    system: ActivityRecognitionSystem,
    segments: Sequence[LabelledSegment],
    precision: Precision,
    peers: Peers | None = None,
) -> Validation:
    """Decide over whole segments with everything they have and compare with the labels.

    Args:
        system: the network.
        segments: what to decide over.
        precision: where and how to compute.
        peers: processes that share the work, all of which get the whole result.
    """
    peers = peers or Peers(None)
    modalities = system.modalities
    predictions = [
        predict_segment(system, segment, [modalities], precision)[modalities]
        for segment in peers.share(segments)
    ]
    logits, targets = _counted(predictions, len(system.config.labels))
    own = torch.stack([_own_confusion(system, predictions, m) for m in modalities])
    logits, targets, own = (
        peers.join(values, precision.device).cpu() for values in (logits, targets, own[None])
    )
    measures = _fused_measures(system, logits, targets)
    measures['own_heads'] = {
        modality.value: _balanced_accuracy(system, confusion)
        for modality, confusion in zip(modalities, own.sum(0), strict=True)
    }
    return Validation(logits=logits, targets=targets, measures=measures)


def _counted(predictions: Sequence[Prediction], classes: int) -> tuple[Tensor, Tensor]:
    """Return fused logits (N, C) and targets (N,) of the decisions that count."""
    logits = [torch.zeros(0, classes)]
    targets = [torch.zeros(0, dtype=torch.int64)]
    for prediction in predictions:
        rows = torch.from_numpy(prediction.anything & (prediction.targets >= 0))
        logits.append(prediction.logits[rows])
        targets.append(torch.from_numpy(prediction.targets)[rows])
    return torch.cat(logits), torch.cat(targets)


def _fused_measures(
    system: ActivityRecognitionSystem, logits: Tensor, targets: Tensor
) -> dict[str, Any]:
    labels = system.config.labels
    confusion = confusion_matrix(targets.numpy(), logits.argmax(-1).numpy(), len(labels))
    loss = functional.cross_entropy(logits, targets).item() if len(targets) else None
    return {'loss': loss, **summarise(confusion, labels)}


def _own_confusion(
    system: ActivityRecognitionSystem, predictions: Sequence[Prediction], modality: Modality
) -> Tensor:
    """Count the answers of one modality's own head at the decisions at which it is present."""
    labels = system.config.labels
    total = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for prediction in predictions:
        targets = np.where(prediction.present[modality], prediction.targets, -1)
        decided = prediction.unimodal[modality].argmax(-1).numpy()
        total += confusion_matrix(targets, decided, len(labels))
    return torch.from_numpy(total)


def _balanced_accuracy(system: ActivityRecognitionSystem, confusion: Tensor) -> float | None:
    value = summarise(confusion.numpy(), system.config.labels)['balanced_accuracy']
    return None if value is None else float(value)
