"""Logits for every decision of whole recordings, with any modalities hidden.

T frames, Q decisions, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.inference.precision import Precision
from activity_recognition.models.system import ActivityRecognitionSystem, ModelOutput, Tokens
from activity_recognition.training.data.crops import collate
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.types import Modality

Combination = tuple[Modality, ...]

AT_ONCE = 1024
"""Samples of a modality, or decisions, of all segments of one pass, with their padding; a longer
segment has a pass of its own."""


def combinations_of(modalities: Sequence[Modality]) -> tuple[Combination, ...]:
    """Return all ways to have at least one of some modalities, all of them first."""
    sizes = range(len(modalities), 0, -1)
    return tuple(chosen for size in sizes for chosen in combinations(modalities, size))


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
        return np.logical_or.reduce(list(self.present.values()))


def to_tensors(
    arrays: Mapping[str, NDArray[np.generic]], device: torch.device
) -> dict[str, Tensor]:
    """Move a batch to a device; on the CPU the memory is shared.

    Args:
        arrays: by their names.
        device: where to.
    """
    return {key: torch.from_numpy(value).to(device) for key, value in arrays.items()}


def predict_segment(
    system: ActivityRecognitionSystem,
    segment: LabelledSegment,
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
    return _predict([segment], segment.batch(), system, chosen, precision)[0]


def predict_segments(
    system: ActivityRecognitionSystem,
    segments: Sequence[LabelledSegment],
    chosen: Sequence[Combination],
    precision: Precision,
) -> Iterator[dict[Combination, Prediction]]:
    """Yield what :func:`predict_segment` returns of each segment, but for rounding.

    Short ones share a pass, which takes little longer than one of them would.

    Args:
        system: the network; put into evaluation mode.
        segments: tokenised ones.
        chosen: combinations of modalities to decide with.
        precision: where and how to compute.
    """
    for some in _side_by_side(segments):
        batches = [segment.batch() for segment in some]
        arrays = batches[0]  # not copied where it is alone, as that is what long ones are
        if len(some) > 1:
            arrays = collate([{key: value[0] for key, value in one.items()} for one in batches])
        yield from _predict(some, arrays, system, chosen, precision)


def _side_by_side(segments: Sequence[LabelledSegment]) -> Iterator[list[LabelledSegment]]:
    """Yield segments that follow each other and, padded, are not too much for one pass."""
    some: list[LabelledSegment] = []
    longest = 0
    for segment in segments:
        length = max(len(segment.decision_stamps), *map(segment.length, segment.modalities))
        longest = max(longest, length)
        if some and longest * (len(some) + 1) > AT_ONCE:
            yield some
            some, longest = [], length
        some.append(segment)
    if some:
        yield some


def _predict(
    segments: Sequence[LabelledSegment],
    arrays: Mapping[str, NDArray[np.generic]],
    system: ActivityRecognitionSystem,
    chosen: Sequence[Combination],
    precision: Precision,
) -> list[dict[Combination, Prediction]]:
    """Decide over segments that are the rows of a batch."""
    if system.training:  # to go through all modules for each segment takes longer than some do
        system.eval()
    batch = to_tensors(arrays, precision.device)
    found: list[dict[Combination, Prediction]] = [{} for _ in segments]
    with torch.inference_mode(), precision.autocast():
        tokens = system.encode(batch)
        for combination in chosen:
            visible = {m: _hidden(t, m not in combination) for m, t in tokens.items()}
            output = system.decide(visible, batch)
            for row, segment in enumerate(segments):
                found[row][combination] = _collect(output, segment, row)
    return found


def _hidden(tokens: Tokens, hide: bool) -> Tokens:
    """Mask all tokens of a modality that is to be hidden."""
    if not hide:
        return tokens
    return dataclasses.replace(tokens, mask=torch.zeros_like(tokens.mask))


def _collect(output: ModelOutput, segment: LabelledSegment, row: int) -> Prediction:
    own = row, slice(len(segment.decision_stamps))  # what follows is padding
    return Prediction(
        logits=output.logits[own].float().cpu(),
        unimodal={m: value[own].float().cpu() for m, value in output.unimodal.items()},
        present={m: value[own].cpu().numpy() for m, value in output.present.items()},
        stamps_ns=segment.decision_stamps,
        targets=segment.targets,
    )
