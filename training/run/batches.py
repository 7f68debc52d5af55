"""From plans to the tensors of a step, and who works on which of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from activity_recognition.config import ModelConfig
from activity_recognition.inference.precision import Precision
from activity_recognition.modalities import SPEC
from activity_recognition.training.augmentation import augment
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import THINNED, CropPlan, collate, cut_crop
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.evaluation.predict import to_tensors


def shard_batch(
    plans: Sequence[CropPlan], *, process: int, processes: int, parts: int
) -> list[list[CropPlan]]:
    """Return one process's share of a batch, in parts that are worked on one after the other.

    Every process gets as many parts as the others, none of them empty: where the batch has too few
    crops, a crop that does not count stands in.

    Args:
        plans: the whole batch, at least one crop.
        process: number of the process, from 0.
        processes: how many there are.
        parts: how many parts each works through.
    """
    shares = []
    for part in range(parts):
        mine = list(plans[part * processes + process :: parts * processes])
        shares.append(mine or [dataclasses.replace(plans[0], counts=False)])
    return shares


def load_batch(
    segments: Sequence[LabelledSegment],
    plans: Sequence[CropPlan],
    config: TrainConfig,
    model: ModelConfig,
    precision: Precision,
) -> dict[str, Tensor]:
    """Cut, change and stack the crops of a batch; the network's keys and ``targets`` (B, Q).

    Args:
        segments: what is trained on; tokenised.
        plans: of the crops.
        config: how to cut and change them.
        model: the network.
        precision: where the tensors go.
    """
    crops = [
        augment(
            cut_crop(segments[plan.segment], plan, config, model),
            plan.key,
            config.augmentation,
            model,
        )
        for plan in plans
    ]
    return to_tensors(collate(crops), precision.device)


def thinned_samples(part: Mapping[str, Tensor]) -> Tensor:
    """Return how many samples of the modalities that cost the most a part of a batch holds."""
    masks = [part[SPEC[m].mask_key] for m in THINNED if SPEC[m].mask_key in part]
    none = part['targets'].new_zeros(())
    return torch.stack([none, *(mask.sum() for mask in masks)]).sum()


def added_up(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the sums of scalars of all parts, by name."""
    return {name: torch.stack([part[name] for part in parts]).sum() for name in parts[0]}


def step_seed(seed: int, step: int, place: int = 0) -> int:
    """Return a seed for the dropout of one part of a step that no other part or step shares.

    Args:
        seed: of the run.
        step: of the run.
        place: of the part in its step.
    """
    sequence = np.random.SeedSequence([seed, step, place])
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1
