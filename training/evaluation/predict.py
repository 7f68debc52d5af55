"""Logits for every decision of whole recordings, with any modalities hidden.

T frames, Q decisions, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.inference.precision import Precision
from activity_recognition.models.system import (
    BATCH_KEYS,
    ActivityRecognitionSystem,
    ModelOutput,
    Tokens,
)
from activity_recognition.training.data.crops import Arrays
from activity_recognition.training.data.segments import Segment
from activity_recognition.types import MODALITIES, Modality

Combination = tuple[Modality, ...]

COMBINATIONS: tuple[Combination, ...] = tuple(
    chosen for count in (3, 2, 1) for chosen in combinations(MODALITIES, count)
)
"""The seven ways to have at least one modality, all three first."""


def combination_name(combination: Combination) -> str:
    """Return for example ``video+text``."""
    return '+'.join(modality.value for modality in combination)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """What the network says of one segment with one combination of modalities."""

    logits: Tensor
    """Raw, float32 (Q, C), on the CPU."""
    unimodal: dict[Modality, Tensor]
    """The same of each modality's own head."""
    present: dict[Modality, NDArray[np.bool_]]
    """(Q,), whether anything of a modality was visible."""
    stamps_ns: NDArray[np.int64]
    """(Q,), what the decisions speak of."""
    targets: NDArray[np.int64]
    """(Q,), the true classes; negative where nothing is labelled."""

    @property
    def anything(self) -> NDArray[np.bool_]:
        """(Q,), whether anything at all was visible; without, the node says NO_DATA."""
        return np.logical_or.reduce([self.present[m] for m in MODALITIES])


def segment_arrays(segment: Segment) -> Arrays:
    """Return a whole segment as a batch of one, with the decisions that the node would take."""
    arrays: Arrays = {key: getattr(segment, key) for key in BATCH_KEYS if hasattr(segment, key)}
    arrays['frame_mask'] = np.ones(len(segment.frame_stamps), dtype=np.bool_)
    arrays['transcript_mask'] = np.ones(len(segment.transcript_stamps), dtype=np.bool_)
    return {key: value[None] for key, value in arrays.items()}


def to_tensors(
    arrays: Mapping[str, NDArray[np.generic]], device: torch.device
) -> dict[str, Tensor]:
    """Move a batch to a device; on the CPU the memory is shared."""
    return {key: torch.from_numpy(value).to(device) for key, value in arrays.items()}


def predict_segment(
    system: ActivityRecognitionSystem,
    segment: Segment,
    chosen: Sequence[Combination],
    precision: Precision,
) -> dict[Combination, Prediction]:
    """Decide over a whole segment in one dense pass, once per combination of modalities.

    Everything is encoded once. A hidden modality is masked; the decisions stay those of the whole
    recording, so that all combinations answer the same questions.

    Args:
        system: the network; put into evaluation mode.
        segment: a tokenised segment.
        chosen: combinations of modalities to decide with.
        precision: where and how to compute.
    """
    system.eval()
    batch = to_tensors(segment_arrays(segment), precision.device)
    result = {}
    with torch.inference_mode(), precision.autocast():
        tokens = system.encode(batch)
        for combination in chosen:
            visible = {m: _hidden(t, m not in combination) for m, t in tokens.items()}
            result[combination] = _collect(system.decide(visible, batch), segment)
    return result


def _hidden(tokens: Tokens, hide: bool) -> Tokens:
    """Mask all tokens of a modality that is to be hidden."""
    if not hide:
        return tokens
    return dataclasses.replace(tokens, mask=torch.zeros_like(tokens.mask))


def _collect(output: ModelOutput, segment: Segment) -> Prediction:
    return Prediction(
        logits=output.logits[0].float().cpu(),
        unimodal={m: value[0].float().cpu() for m, value in output.unimodal.items()},
        present={m: value[0].cpu().numpy() for m, value in output.present.items()},
        stamps_ns=segment.decision_stamps,
        targets=segment.labels.at(segment.decision_stamps),
    )
