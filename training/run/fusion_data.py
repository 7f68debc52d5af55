"""What fitting the fusion needs of validation recordings, with every subset of the modalities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from activity_recognition.inference.precision import Precision
from activity_recognition.models.experts import ProductOfExperts
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import number_spans
from activity_recognition.training.evaluation.predict import (
    Combination,
    Prediction,
    combinations_of,
    predict_segment,
)
from activity_recognition.training.run.fit_fusion import FusionData, FusionFit, fit_fusion

MOST_DECISIONS = 20_000
"""Decisions to fit on at most, spread evenly; neighbours say nearly the same."""


@dataclass(slots=True)
class _Recorder:
    """What went into a product of experts, call by call, of a single recording."""

    heads: list[Tensor]
    """(M, Q, C)."""
    scores: list[Tensor]
    """(M, Q), without the bias."""
    residuals: list[Tensor]
    """(Q, C)."""


def collect_fusion_data(
    system: ActivityRecognitionSystem,
    segments: Sequence[LabelledSegment],
    precision: Precision,
    class_weights: Tensor,
) -> FusionData | None:
    """Decide over whole segments with every combination of modalities.

    Args:
        system: a product of experts.
        segments: what to decide over; tokenised.
        precision: where and how to compute.
        class_weights: as in the training loss, (C,).

    Returns:
        None where no decision counts.
    """
    experts = system.experts
    assert experts is not None
    chosen = combinations_of(system.modalities)
    stride = _stride(segments)
    parts: list[dict[str, Tensor]] = []
    spans = 0
    for segment in segments:
        with _recorded(experts) as recorder:
            predictions = predict_segment(system, segment, chosen, precision)
        part = _of_segment(predictions, recorder, stride)
        if part is not None:
            part['spans'] += spans
            spans = int(part['spans'].max()) + 1
            parts.append(part)
    if not parts:
        return None
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return FusionData(
        heads=joined['heads'],
        scores=joined['scores'],
        present=joined['present'],
        subsets=torch.tensor([[m in one for m in system.modalities] for one in chosen]),
        residuals=joined['residuals'].transpose(0, 1).contiguous(),
        targets=joined['targets'],
        spans=_renumbered(joined['spans']),
        class_weights=class_weights.double().cpu(),
    )


def _of_segment(
    predictions: Mapping[Combination, Prediction], recorder: _Recorder, stride: int
) -> dict[str, Tensor] | None:
    """Return what one segment adds, decisions first; None where no decision counts.

    Args:
        predictions: with each combination of modalities, all of them first.
        recorder: of the same decisions.
        stride: every so-manieth decision is taken.
    """
    modalities, whole = next(iter(predictions.items()))
    rows = np.flatnonzero(whole.anything & (whole.targets >= 0))[::stride]
    if not len(rows):
        return None
    taken = torch.from_numpy(rows)
    calls = len(recorder.heads) // len(predictions)
    residuals = [
        torch.cat(recorder.residuals[first : first + calls])[taken]
        for first in range(0, len(recorder.residuals), calls)
    ]
    present = np.stack([whole.present[m][rows] for m in modalities], 1)
    return {
        'heads': torch.cat(recorder.heads[:calls], 1)[:, taken].transpose(0, 1),
        'scores': torch.cat(recorder.scores[:calls], 1)[:, taken].T,
        'present': torch.from_numpy(present),
        'residuals': torch.stack(residuals, 1),
        'targets': torch.from_numpy(whole.targets[rows]),
        'spans': torch.from_numpy(number_spans(whole.targets)[rows]),
    }


def fit_fusion_on(
    system: ActivityRecognitionSystem,
    segments: Sequence[LabelledSegment],
    precision: Precision,
    class_weights: Tensor,
) -> FusionFit | None:
    """Fit how a network joins its modalities to whole segments; changes it in place.

    Args:
        system: the network.
        segments: that it was not trained on.
        precision: where and how to compute.
        class_weights: as in the training loss, (C,).

    Returns:
        None where it is no product of experts, or nothing in the segments counts.
    """
    if system.experts is None:
        return None
    data = collect_fusion_data(system, segments, precision, class_weights)
    if data is None:
        return None
    fitted = fit_fusion(system.experts, data)
    with torch.no_grad():
        for parameter in system.classifier.parameters():
            parameter.mul_(fitted.residual_gain)
    return fitted


@contextmanager
def _recorded(experts: ProductOfExperts) -> Iterator[_Recorder]:
    recorder = _Recorder([], [], [])
    temperatures = experts.temperatures.double().cpu()

    def record(_: nn.Module, inputs: tuple[object, ...]) -> None:
        heads, states, knots, _present, residual = inputs
        assert isinstance(heads, Tensor)
        assert isinstance(residual, Tensor)
        scores = experts.scores(states, knots)[:, 0].double().cpu()  # type: ignore[arg-type]
        bias = experts.bias.double().cpu()
        recorder.heads.append(heads[:, 0].double().cpu() * temperatures[:, None, None])
        recorder.scores.append(scores - bias[:, None])
        recorder.residuals.append(residual[0].double().cpu())

    handle = experts.register_forward_pre_hook(record)
    try:
        yield recorder
    finally:
        handle.remove()


def _stride(segments: Sequence[LabelledSegment]) -> int:
    total = sum(int((segment.targets >= 0).sum()) for segment in segments)
    return max(1, -(-total // MOST_DECISIONS))


def _renumbered(spans: Tensor) -> Tensor:
    """Leave no number out, as runs without a target have one, too."""
    return spans.unique(return_inverse=True)[1]
