"""What the network reaches on recordings it is not trained on, while it trains."""

from __future__ import annotations

import math
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
from activity_recognition.training.data.targets import number_spans
from activity_recognition.training.evaluation.classification import confusion_matrix, summarise
from activity_recognition.training.evaluation.predict import (
    Prediction,
    predict_segments,
)
from activity_recognition.training.run.modality_progress import HeadScore
from activity_recognition.training.run.processes import Peers
from activity_recognition.types import Modality

_SPANS_OF_A_PROCESS = 2**40
"""Between the numbers of spans that processes give, so that none stands for two."""
_TEMPERATURES = tuple(2.0 ** (step / 4) for step in range(-8, 17))
"""Among which the one that suits a head is looked for, from 1/4 to 16."""
_AT_ONE = _TEMPERATURES.index(1.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Validation:
    """Raw probabilities over all validation recordings, and what they are worth."""

    logits: Tensor
    """Fused, (N, C), of the decisions at which something was visible and labelled."""
    targets: Tensor
    """(N,)."""
    spans: Tensor
    """Of each decision the number of its labelled span, (N,)."""
    measures: dict[str, Any]
    """Balanced accuracy and loss of the fused logits and of each modality's head, and more, for
    JSON."""

    @property
    def balanced_accuracy(self) -> float:
        """Of the fused logits; 0 when nothing was counted."""
        return float(self.measures['balanced_accuracy'] or 0.0)

    @property
    def own_accuracy(self) -> float:
        """Mean balanced accuracy of the modalities' own heads; 0 when nothing was counted."""
        found = [value for value in self.measures['own_heads'].values() if value is not None]
        return sum(found) / len(found) if found else 0.0

    def head(self, modality: Modality) -> HeadScore | None:
        """Return what a modality's own head reaches.

        None where it was never present, or where its loss is no number: it has diverged.
        """
        accuracy = self.measures['own_heads'][modality.value]
        if accuracy is None:
            return None
        loss = self.measures['own_losses'][modality.value]
        calibrated = self.measures['own_calibrated_losses'][modality.value]
        if not (math.isfinite(loss) and math.isfinite(calibrated)):
            return None
        return HeadScore(accuracy=accuracy, loss=loss, calibrated_loss=calibrated)

    def summary(self) -> dict[str, Any]:
        """Return losses and balanced accuracies alone, for JSON."""
        names = (
            'loss',
            'balanced_accuracy',
            'own_heads',
            'own_losses',
            'own_calibrated_losses',
        )
        return {name: self.measures[name] for name in names}


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
        found[modalities]
        for found in predict_segments(system, peers.share(segments), [modalities], precision)
    ]
    logits, targets, spans = _counted(predictions, len(system.config.labels))
    spans = spans + peers.index * _SPANS_OF_A_PROCESS
    own = torch.stack([_own_confusion(system, predictions, m) for m in modalities])
    losses = torch.stack([_own_losses(predictions, m) for m in modalities])
    logits, targets, spans, own, losses = (
        peers.join(values, precision.device).cpu()
        for values in (logits, targets, spans, own[None], losses[None])
    )
    measures = _fused_measures(system, logits, targets)
    means = {
        modality.value: [total / count for total in totals] if count else None
        for modality, (*totals, count) in zip(modalities, losses.sum(0).tolist(), strict=True)
    }
    measures['own_losses'] = {name: each and each[_AT_ONE] for name, each in means.items()}
    measures['own_calibrated_losses'] = {name: each and min(each) for name, each in means.items()}
    measures['own_heads'] = {
        modality.value: _balanced_accuracy(system, confusion)
        for modality, confusion in zip(modalities, own.sum(0), strict=True)
    }
    return Validation(logits=logits, targets=targets, spans=spans, measures=measures)


def comparable(
    training: Sequence[LabelledSegment], validation: Sequence[LabelledSegment], *, seed: int
) -> list[LabelledSegment]:
    """Choose training segments with about as many decisions as validation has.

    Args:
        training: what is trained on.
        validation: what is not.
        seed: of the choice.
    """
    wanted = sum(len(segment.targets) for segment in validation)
    chosen: list[LabelledSegment] = []
    for index in np.random.default_rng(seed).permutation(len(training)):
        if wanted <= 0:
            break
        chosen.append(training[index])
        wanted -= len(chosen[-1].targets)
    return chosen


def own_head_scores(validation: Validation, training: Validation) -> dict[str, Any]:
    """Return what each modality's own head reaches in training and in validation, for JSON.

    Args:
        validation: on recordings that are not trained on.
        training: on as many that are.
    """
    parts = {'training': training.measures, 'validation': validation.measures}
    return {
        name: {
            part: {
                'balanced_accuracy': found['own_heads'][name],
                'loss': found['own_losses'][name],
            }
            for part, found in parts.items()
        }
        for name in validation.measures['own_heads']
    }


def side_by_side(validation: Validation, training: Validation) -> str:
    """Say what is right in training and in validation, fused and of each modality's own head.

    Args:
        validation: on recordings that are not trained on.
        training: on as many that are.
    """
    fused = _pair(training.balanced_accuracy, validation.balanced_accuracy)
    own = ', '.join(
        f'{name} {_pair(training.measures["own_heads"][name], accuracy)}'
        for name, accuracy in validation.measures['own_heads'].items()
    )
    return f'right in training / in validation: together {fused}; alone {own}'


def _pair(*values: float | None) -> str:
    return ' / '.join('–' if value is None else f'{100 * value:.0f} %' for value in values)


def _counted(predictions: Sequence[Prediction], classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return fused logits (N, C), targets and spans (N,) of the decisions that count."""
    logits = [torch.zeros(0, classes)]
    targets = [torch.zeros(0, dtype=torch.int64)]
    spans = [torch.zeros(0, dtype=torch.int64)]
    first = 0
    for prediction in predictions:
        numbers = first + number_spans(prediction.targets)
        first += len(numbers)
        rows = torch.from_numpy(prediction.anything & (prediction.targets >= 0))
        logits.append(prediction.logits[rows])
        targets.append(torch.from_numpy(prediction.targets)[rows])
        spans.append(torch.from_numpy(numbers)[rows])
    return torch.cat(logits), torch.cat(targets), torch.cat(spans)


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


def _own_losses(predictions: Sequence[Prediction], modality: Modality) -> Tensor:
    """Return summed cross-entropies of one modality's own head, then of how many decisions.

    One at each of the temperatures, of the decisions at which the modality is present and something
    is labelled.
    """
    logits, targets = [], []
    for prediction in predictions:
        rows = prediction.present[modality] & (prediction.targets >= 0)
        logits.append(prediction.unimodal[modality][torch.from_numpy(rows)])
        targets.append(torch.from_numpy(prediction.targets[rows]))
    if not logits:
        return torch.zeros(len(_TEMPERATURES) + 1, dtype=torch.float64)
    said, true = torch.cat(logits), torch.cat(targets)
    totals = [
        functional.cross_entropy(said / temperature, true, reduction='none').double().sum()
        for temperature in _TEMPERATURES
    ]
    return torch.stack([*totals, totals[0].new_tensor(len(true))])


def _balanced_accuracy(system: ActivityRecognitionSystem, confusion: Tensor) -> float | None:
    value = summarise(confusion.numpy(), system.config.labels)['balanced_accuracy']
    return None if value is None else float(value)
