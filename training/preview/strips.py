"""Images of what the network gets of recordings.

Each modality is drawn by the module of its name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from activity_recognition.config import ModelConfig
from activity_recognition.errors import RecordingError
from activity_recognition.modalities import SPECS, ModalitySpec
from activity_recognition.models.exposure import exposed_images
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.training.augmentation import augment
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.data.crops import (
    Arrays,
    CropPlan,
    cut_crop,
    plan_epoch,
    plan_regularly,
)
from activity_recognition.training.data.dataset import load_dataset
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.preview.canvas import (
    FONT,
    WIDTH_PX,
    Image,
    Scale,
    empty_row,
    write_text,
)
from activity_recognition.training.run.train import fit_to_data, open_sources, preparing
from activity_recognition.training.sharding.opening import open_source
from activity_recognition.types import ALL_MODALITIES, seconds_between, to_ns

_LABELS_PX, _TIMES_PX, _HEADLINE_PX, _GAP_PX, _TICK_PX = 18, 16, 22, 8, 40

Draw = Callable[[Mapping[str, NDArray[Any]], Scale], Image]


def write_preview(
    path: Path,
    config: TrainConfig,
    data: Path | str,
    *,
    cache: Path,
    count: int,
    plain: bool = False,
    console: Console | None = None,
) -> tuple[str, ...]:
    """Write an image of crops of a run's first epoch, spread over it, one below the other.

    Args:
        path: PNG to write.
        config: how to cut and change crops.
        data: folder with labelled recordings, or folder or URL of shards.
        cache: where prepared recordings are kept.
        count: crops.
        plain: whether to leave crops as they are, whole, at even places, instead of changing,
            hiding and thinning at random.
        console: where to show progress.

    Returns:
        The recording and the seconds of each crop, as they stand above it.

    Raises:
        RecordingError: no recording can be used, or the image cannot be written.
    """
    preset = config.model_config()
    how = preparing(config, preset, cache=cache, console=console)
    dataset = load_dataset(open_source(data, how), validation_fraction=0.0, seed=config.seed)
    tokenizer, model = fit_to_data(preset, dataset)
    segments = open_sources(dataset, tokenizer).training
    owners = [recording for recording in dataset.training for _ in recording.texts]
    shown = _choose(segments, config, count, plain=plain)
    origins = tuple(_origin(data, owners[plan.segment], plan) for plan in shown)
    strips: list[Image] = []
    for plan, origin in zip(shown, origins, strict=True):
        crop = _changed_crop(segments[plan.segment], plan, config, model, plain=plain)
        strips += [
            _headline(origin),
            preview(crop, model.labels, tokenizer, joints=model.video.joints),
            empty_row(_GAP_PX),
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.vstack(strips)[:, :, ::-1]):
        raise RecordingError(f'{path}: cannot write the image; expected a writable .png')
    return origins


def _choose(
    segments: Sequence[LabelledSegment], config: TrainConfig, count: int, *, plain: bool
) -> list[CropPlan]:
    """Return crops from all of an epoch; one batch would show crops with video or crops without."""
    if plain:
        plans = plan_regularly(segments, config)
    else:
        plans = [plan for batch in plan_epoch(segments, config, 0) for plan in batch]
    count = min(count, len(plans))
    return [plans[place * len(plans) // count] for place in range(count)]


def _changed_crop(
    segment: LabelledSegment,
    plan: CropPlan,
    config: TrainConfig,
    model: ModelConfig,
    *,
    plain: bool,
) -> Arrays:
    """Cut a crop and change it as training does; images as the network's first layers see them."""
    if plain:
        still = dataclasses.replace(config, augmentation=AugmentationConfig(strength=0.0))
        crop = cut_crop(segment, plan, still, model, at_random=False)
    else:
        crop = cut_crop(segment, plan, config, model)
        crop = augment(crop, plan.key, config.augmentation, model)
    if 'frames' in crop:
        crop['frames'] = exposed_images(crop['frames'], model.video)
    return crop


def _origin(data: Path | str, recording: PreparedRecording, plan: CropPlan) -> str:
    """Say which seconds of which recording a crop is, and what the recipe hides of it."""
    path = recording.recording
    # Recordings of shards are named below them already.
    name = path.relative_to(data) if path.is_relative_to(data) else path
    start_s, end_s = (
        seconds_between(time_ns, recording.start_ns) for time_ns in (plan.start_ns, plan.end_ns)
    )
    hidden = ''.join(f', {m.value} hidden' for m in ALL_MODALITIES if m in plan.hidden)
    return f'{name if name.name else path.name}, {start_s:.1f} s to {end_s:.1f} s{hidden}'


def _headline(text: str) -> Image:
    """Write what a strip is, in a row that stands out."""
    row = empty_row(_HEADLINE_PX)
    row[:] = (30, 40, 70)
    write_text(row, text, 4, 15)
    return row


def preview(
    crop: Mapping[str, NDArray[Any]],
    labels: Sequence[str],
    tokenizer: TextTokenizer,
    *,
    joints: tuple[str, ...] = (),
) -> Image:
    """Draw labels and each modality over the same interval.

    Args:
        crop: as :func:`~activity_recognition.training.data.crops.cut_crop` returns it, changed
            or not.
        labels: names of the classes.
        tokenizer: of the crop's token ids.
        joints: of the crop's key points, which are drawn; empty where frames are images.

    Returns:
        RGB, (height, ``WIDTH_PX``, 3).
    """
    start_ns, end_ns = _extent(crop)

    def across(stamp_ns: int) -> int:
        share = seconds_between(stamp_ns, start_ns) / max(seconds_between(end_ns, start_ns), 1e-9)
        return round(share * WIDTH_PX)

    scale = Scale(across=across, tokenizer=tokenizer, joints=joints)
    shown = [spec for spec in SPECS if spec.stamps_key in crop]
    rows = (
        _labels(crop, labels, scale),
        *(_drawing(spec)(crop, scale) for spec in shown),
        _times(start_ns, end_ns, scale),
    )
    return np.vstack(rows)


def _drawing(spec: ModalitySpec) -> Draw:
    """Return what draws a modality: ``draw`` of the module of its name."""
    found: Draw = import_module(f'{__package__}.{spec.name}').draw
    return found


def _extent(crop: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    """Return when the crop's decisions begin and end; samples before them are left out."""
    stamps = crop['decision_stamps']
    return (int(stamps[0]), int(stamps[-1])) if len(stamps) else (0, 1)


def _labels(crop: Mapping[str, NDArray[Any]], labels: Sequence[str], scale: Scale) -> Image:
    row = empty_row(_LABELS_PX)
    before = None
    for stamp_ns, target in zip(crop['decision_stamps'], crop['targets'], strict=True):
        if target != before:
            left = scale.across(int(stamp_ns))
            row[:, left:] = (40, 70, 40) if target >= 0 else (50, 50, 50)
            row[:, left : left + 1] = 255
            write_text(row, labels[target] if target >= 0 else '(unlabelled)', left + 4, 13)
        before = target
    return row


def _times(start_ns: int, end_ns: int, scale: Scale) -> Image:
    """Write the seconds of the crop below it."""
    row = empty_row(_TIMES_PX)
    row[:1] = 90
    whole_s = int(seconds_between(end_ns, start_ns))
    # Stamps of different clocks may lie decades apart.
    step_s = max(1, math.ceil(whole_s * _TICK_PX / WIDTH_PX))
    for second in range(0, whole_s + 1, step_s):
        left = scale.across(start_ns + to_ns(second))
        row[:4, left : left + 1] = 255
        if left + 30 < WIDTH_PX:
            cv2.putText(
                row, f'{second} s', (left + 3, 12), FONT, 0.35, (170, 170, 170), 1, cv2.LINE_AA
            )
    return row
