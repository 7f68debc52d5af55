"""From plans to the tensors of a step, and who works on which of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from torch import Tensor

from activity_recognition.config import ModelConfig
from activity_recognition.inference.precision import Precision
from activity_recognition.training.augmentation import augment
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import CropPlan, collate, cut_crop
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.evaluation.predict import to_tensors


def deal(
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
    dealt = []
    for part in range(parts):
        mine = list(plans[part * processes + process :: parts * processes])
        dealt.append(mine or [dataclasses.replace(plans[0], counts=False)])
    return dealt


def load_batch(
    segments: Sequence[LabelledSegment],
    plans: Sequence[CropPlan],
    config: TrainConfig,
    model: ModelConfig,
    precision: Precision,
) -> dict[str, Tensor]:
    """Cut, change and stack the crops of a batch; the network's keys and ``targets`` (B, Q)."""
    crops = []
    for plan in plans:
        crop = cut_crop(segments[plan.segment], plan, config, model)
        vocab_size = model.text.vocab_size
        side_px = model.video.input_size_px
        crops.append(
            augment(crop, plan.key, config.augmentation, side_px=side_px, vocab_size=vocab_size)
        )
    return to_tensors(collate(crops), precision.device)
