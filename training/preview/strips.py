"""Pictures of what the network really sees and hears of recordings.

T frames, S image side, A audio blocks, U utterances, Q decisions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import RecordingError
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.training.augmentation import augment
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.data.crops import Arrays, CropPlan, cut_crop, plan_epoch
from activity_recognition.training.data.dataset import load_dataset
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.run.train import fit_to_data, open_sources
from activity_recognition.types import MODALITIES, seconds_between, to_ns

FRAME_PX = 128
"""Side of a frame in the picture."""
COLUMNS = 10
"""Frames of a crop that are shown, evenly over it."""
_SOUND_PX, _WORDS_PX, _LABELS_PX, _TIMES_PX = 96, 18, 18, 16
_HEADLINE_PX, _GAP_PX, _TICK_PX = 22, 8, 40
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_RANGE = (-2.5, 2.0)
"""Log-mel levels shown from black to white."""

Image = NDArray[np.uint8]
Across = Callable[[int], int]
"""From a stamp to a place from left to right, pixels."""


def write_preview(
    path: Path,
    config: TrainConfig,
    data: Path | str,
    *,
    cache: Path,
    count: int,
    console: Console | None = None,
) -> tuple[str, ...]:
    """Write a picture of crops of a run's first epoch, spread over it, one below the other.

    Args:
        path: PNG to write.
        config: how to cut and change crops.
        data: folder with labelled recordings, or folder or URL of shards.
        cache: where prepared recordings are kept.
        count: crops.
        console: where to show progress.

    Returns:
        The recording and the seconds of each crop, as they stand above it.

    Raises:
        RecordingError: no recording can be used, or the picture cannot be written.
    """
    preset = load_model_config(config.preset)
    dataset = load_dataset(
        data,
        preset,
        SyncConfig(),
        cache=cache,
        wide_px=config.augmentation.wide_px(preset.video.input_size_px),
        recorded=config.recorded,
        validation_fraction=0.0,
        seed=config.seed,
        workers=config.num_workers,
        console=console,
    )
    tokenizer, model = fit_to_data(preset, dataset)
    segments = open_sources(dataset, tokenizer).training
    owners = [recording for recording in dataset.training for _ in recording.texts]
    shown = _choose(segments, config, count)
    origins = tuple(_origin(data, owners[plan.segment], plan) for plan in shown)
    strips: list[Image] = []
    for plan, origin in zip(shown, origins, strict=True):
        crop = _changed_crop(segments[plan.segment], plan, config, model)
        strips += [
            _headline(origin),
            preview(crop, model.labels, tokenizer),
            _empty(_GAP_PX, COLUMNS * FRAME_PX),
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.vstack(strips)[:, :, ::-1]):
        raise RecordingError(f'{path}: cannot write the picture; expected a writable .png')
    return origins


def _choose(segments: Sequence[LabelledSegment], config: TrainConfig, count: int) -> list[CropPlan]:
    """Return crops from all of an epoch; one batch would show crops with video or crops without."""
    plans = [plan for batch in plan_epoch(segments, config, 0) for plan in batch]
    count = min(count, len(plans))
    return [plans[place * len(plans) // count] for place in range(count)]


def _changed_crop(
    segment: LabelledSegment, plan: CropPlan, config: TrainConfig, model: ModelConfig
) -> Arrays:
    """Cut a crop and change it as training does."""
    crop = cut_crop(segment, plan, config, model)
    return augment(crop, plan.key, config.augmentation, model)


def _origin(data: Path | str, recording: PreparedRecording, plan: CropPlan) -> str:
    """Say which seconds of which recording a crop is, and what the recipe hides of it."""
    path = recording.recording
    # Recordings of shards are named below them already.
    name = path.relative_to(data) if path.is_relative_to(data) else path
    start_s, end_s = (
        seconds_between(time_ns, recording.start_ns) for time_ns in (plan.start_ns, plan.end_ns)
    )
    hidden = ''.join(f', {m.value} hidden' for m in MODALITIES if m in plan.hidden)
    return f'{name if name.name else path.name}, {start_s:.1f} s to {end_s:.1f} s{hidden}'


def _headline(text: str) -> Image:
    """Write what a strip is, in a row that stands out."""
    row = _empty(_HEADLINE_PX, COLUMNS * FRAME_PX)
    row[:] = (30, 40, 70)
    _write(row, text, 4, 15)
    return row


def preview(
    crop: Mapping[str, NDArray[Any]],
    labels: Sequence[str],
    tokenizer: TextTokenizer,
) -> Image:
    """Draw frames, spectrogram, words and labels over the same stretch of time.

    Args:
        crop: as :func:`~activity_recognition.training.data.crops.cut_crop` returns it, changed
            or not.
        labels: names of the classes.
        tokenizer: of the crop's word pieces.

    Returns:
        RGB, (height, ``COLUMNS * FRAME_PX``, 3).
    """
    start_ns, end_ns = _extent(crop)
    width = COLUMNS * FRAME_PX

    def across(stamp_ns: int) -> int:
        share = seconds_between(stamp_ns, start_ns) / max(seconds_between(end_ns, start_ns), 1e-9)
        return round(share * width)

    rows = (
        _labels(crop, labels, across, width),
        _frames(crop, across, width),
        _sound(crop, across, width),
        _words(crop, tokenizer, across, width),
        _times(start_ns, end_ns, across, width),
    )
    return np.vstack(rows)


def _extent(crop: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    """Return when the crop's decisions begin and end; sound and words before them are left out."""
    stamps = crop['decision_stamps']
    return (int(stamps[0]), int(stamps[-1])) if len(stamps) else (0, 1)


def _empty(height: int, width: int) -> Image:
    return np.zeros((height, width, 3), np.uint8)


def _write(image: Image, text: str, left: int, bottom: int) -> None:
    # A thicker font below would not do as an outline: its letters are wider.
    places = [((0, 0, 0), x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    for colour, x, y in (*places, ((255, 255, 160), 0, 0)):
        place = (left + x, bottom + y)
        cv2.putText(image, text, place, _FONT, 0.4, colour, 1, cv2.LINE_AA)


def _labels(
    crop: Mapping[str, NDArray[Any]], labels: Sequence[str], across: Across, width: int
) -> Image:
    row = _empty(_LABELS_PX, width)
    before = None
    for stamp_ns, target in zip(crop['decision_stamps'], crop['targets'], strict=True):
        if target != before:
            left = across(int(stamp_ns))
            row[:, left:] = (40, 70, 40) if target >= 0 else (50, 50, 50)
            row[:, left : left + 1] = 255
            _write(row, labels[target] if target >= 0 else '(unlabelled)', left + 4, 13)
        before = target
    return row


def _frames(crop: Mapping[str, NDArray[Any]], across: Across, width: int) -> Image:
    """Place every column's newest frame; a column without one stays black, and says so."""
    row = _empty(FRAME_PX, width)
    places = np.array([across(int(stamp)) // FRAME_PX for stamp in crop['frame_stamps']])
    for column in range(COLUMNS):
        inside = np.flatnonzero(places == column)
        if len(inside):
            frame = crop['frames'][inside[-1]]
            scaled = cv2.resize(frame, (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_AREA)
            row[:, column * FRAME_PX : (column + 1) * FRAME_PX] = scaled
        else:
            _write(row, 'no frame', column * FRAME_PX + 34, FRAME_PX // 2)
    return row


def _sound(crop: Mapping[str, NDArray[Any]], across: Across, width: int) -> Image:
    """Draw the log-mel blocks, low sounds at the bottom; what is missing or hidden is red."""
    row = _empty(_SOUND_PX, width)
    low, high = _RANGE
    stamps = crop['spectrogram_stamps']
    length_ns = int(np.median(np.diff(stamps))) if len(stamps) > 1 else 0
    for block, stamp_ns, there in zip(
        crop['spectrograms'], stamps, crop['spectrogram_mask'], strict=True
    ):
        left, right = max(0, across(int(stamp_ns) - length_ns)), min(width, across(int(stamp_ns)))
        if left >= right:
            continue
        levels = np.clip((block.T[::-1] - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        scaled = cv2.resize(levels, (right - left, _SOUND_PX), interpolation=cv2.INTER_AREA)
        row[:, left:right] = scaled[..., None] if there else (90, 0, 0)
    if not crop['spectrogram_mask'].any():
        _write(row, 'no sound', 4, _SOUND_PX // 2)
    return row


def _words(
    crop: Mapping[str, NDArray[Any]], tokenizer: TextTokenizer, across: Across, width: int
) -> Image:
    """Write every utterance where it ended; those that came before the crop at its left edge."""
    lines: list[tuple[int, str]] = []
    for ids, mask, stamp_ns in zip(
        crop['transcript_tokens'],
        crop['transcript_token_mask'],
        crop['transcript_stamps'],
        strict=True,
    ):
        lines.append((min(max(across(int(stamp_ns)), 0), width), tokenizer.decode(ids[mask])))
    row = _empty(_WORDS_PX * max(1, len(lines)), width)
    if not lines:
        _write(row, 'no words', 4, 13)
    for place, (right, text) in enumerate(lines):
        length = cv2.getTextSize(text, _FONT, 0.4, 1)[0][0]
        left = min(max(0, right - length), width - length)
        _write(row, text, max(left, 0), _WORDS_PX * place + 13)
        row[_WORDS_PX * place : _WORDS_PX * (place + 1), max(0, right - 1) : right + 1] = 255
    return row


def _times(start_ns: int, end_ns: int, across: Across, width: int) -> Image:
    """Write the seconds of the crop below it."""
    row = _empty(_TIMES_PX, width)
    row[:1] = 90
    whole_s = int(seconds_between(end_ns, start_ns))
    # Stamps of different clocks may lie decades apart.
    step_s = max(1, math.ceil(whole_s * _TICK_PX / width))
    for second in range(0, whole_s + 1, step_s):
        left = across(start_ns + to_ns(second))
        row[:4, left : left + 1] = 255
        if left + 30 < width:
            cv2.putText(
                row, f'{second} s', (left + 3, 12), _FONT, 0.35, (170, 170, 170), 1, cv2.LINE_AA
            )
    return row
