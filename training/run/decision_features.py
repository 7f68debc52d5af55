"""Some decisions of labelled recordings, as a network's frozen encoders see them.

Q decisions, M modalities, S subsets of them, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from activity_recognition.inference.precision import Precision
from activity_recognition.modalities import DECISION_KEYS
from activity_recognition.models.attention import QUERY_CHUNK
from activity_recognition.models.rehearsal import (
    DecisionFeatures,
    num_kept_subsets,
    subsets_of,
)
from activity_recognition.models.system import ActivityRecognitionSystem, Tokens
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import number_spans
from activity_recognition.training.evaluation.predict import to_tensors
from activity_recognition.types import Modality

DECISIONS_PER_CLIP = 12
"""Of a labelled span at most, spread evenly over it; neighbours say nearly the same."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """A labelled span of a segment."""

    target: int
    """Class."""
    rows: NDArray[np.int64]
    """Decisions in it, up to :data:`DECISIONS_PER_CLIP`."""


def clips_of(segment: LabelledSegment, most: int = DECISIONS_PER_CLIP) -> list[Clip]:
    """Return the labelled spans of a segment.

    Args:
        segment: with its labels.
        most: decisions of each at most.
    """
    targets = segment.targets
    numbers = number_spans(targets)
    spans = (
        np.flatnonzero(numbers == number) for number in range(int(numbers.max(initial=-1)) + 1)
    )
    return [
        Clip(target=int(targets[span[0]]), rows=_spread(span, most))
        for span in spans
        if targets[span[0]] >= 0
    ]


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return up to ``most`` of some rows, the last among them, at equal distances."""
    if len(rows) <= most:
        return rows
    places = np.linspace(0, len(rows) - 1, most + 1)[1:]
    return rows[np.round(places).astype(np.int64)]


def features_of(
    system: ActivityRecognitionSystem,
    segment: LabelledSegment,
    clips: Sequence[Clip],
    precision: Precision,
) -> DecisionFeatures:
    """Return what heads and classifier see at the decisions of some clips.

    Decisions at which nothing is visible are left out.

    Args:
        system: the network; put into evaluation mode.
        segment: tokenised.
        clips: of the segment, at least one.
        precision: where and how to compute.
    """
    system.eval()
    rows = np.concatenate([clip.rows for clip in clips])
    batch = to_tensors(segment.batch(), precision.device)
    # Where heads decide, nothing is fitted to what attention makes of single modalities.
    subsets = subsets_of(len(system.modalities))[: max(1, num_kept_subsets(system.config))]
    with torch.inference_mode(), precision.autocast():
        tokens = system.encode(batch)
        parts = [
            _fused(system, _hiding(tokens, subset), batch, rows) for subset in subsets.tolist()
        ]
    states, present, _, reliability = parts[0]
    numbers = np.repeat(np.arange(len(clips)), [len(clip.rows) for clip in clips])
    targets = np.repeat([clip.target for clip in clips], [len(clip.rows) for clip in clips])
    found = DecisionFeatures(
        states=states * present.unsqueeze(-1),
        present=present,
        features=torch.stack([features for _, _, features, _ in parts], 1),
        reliability=reliability,
        targets=torch.from_numpy(targets.astype(np.int64)),
        clips=torch.from_numpy(numbers.astype(np.int64)),
    )
    # A copy, too, for what is made in inference mode cannot be fitted to.
    return found.select(present.any(-1))


def _fused(
    system: ActivityRecognitionSystem,
    tokens: Mapping[Modality, Tokens],
    batch: Mapping[str, Tensor],
    rows: NDArray[np.int64],
) -> tuple[Tensor, ...]:
    """Return states (Q, M, D), presence (Q, M), features (Q, M * D) and reliability (Q, M)."""
    parts = []
    for start in range(0, len(rows), QUERY_CHUNK):
        index = torch.from_numpy(rows[start : start + QUERY_CHUNK])
        fused = system.fuse(tokens, {key: batch[key][:, index] for key in DECISION_KEYS})
        states, present = torch.stack(fused.states, -2), torch.stack(fused.present, -1)
        reliability = present.float()
        if system.experts is not None:
            scores = system.experts.scores(fused.states, fused.knots)
            reliability = functional.softplus(scores.float()).movedim(0, -1) * present
        found = (states.float(), present, fused.features.float(), reliability)
        parts.append(tuple(each[0].cpu() for each in found))
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def _hiding(tokens: Mapping[Modality, Tokens], shown: Sequence[bool]) -> dict[Modality, Tokens]:
    """Mask the tokens of the modalities that are not shown."""
    return {
        modality: part if there else replace(part, mask=torch.zeros_like(part.mask))
        for (modality, part), there in zip(tokens.items(), shown, strict=True)
    }
