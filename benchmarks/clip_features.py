"""Plain features of whole recordings, one vector per sense: what a baseline classifies.

Of video, how much changes from frame to frame and where, and a motion history image (Bobick and
Davis 2001); of key points, mean, deviation and range of every joint about the hips, and the way of
these; of audio, mean, deviation and change of the log-mel bands; of an inertial sensor, mean,
deviation and Fourier bands of every axis. Words stay words. These say little of the order in which
things happen; on demand, joints and inertial measurements also come as a course of a few steps.

T frames, J joints, N samples, M mel bands.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.bags import RecordingReader
from activity_recognition.config import AudioConfig, ModelConfig
from activity_recognition.keypoints import KeyPoints
from activity_recognition.models.spectrogram import LogMelBlocks
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.sensors import DecoderSettings
from activity_recognition.types import (
    ALL_MODALITIES,
    NANOSECONDS,
    AudioChunk,
    Frame,
    InertialChunk,
    Sample,
    Utterance,
)

SIDE_PX = 64
"""Frames are compared as grey images of this side."""
GRID = 4
"""Cells per side in which change is summed up."""
STEP_S = 0.08
"""Least time between two frames that are compared, so that all cameras are alike."""
HISTORY_S = 1.0
"""How long the motion history remembers."""
MOVED = 12.0
"""Change of a pixel that counts as motion, levels of 255."""
QUANTILES = (0.1, 0.5, 0.9)
MELS = 64
BANDS = 16
"""Of the Fourier transform of each axis."""
POSES, ROWS = 16, 32
"""Steps of the course of joints, and of inertial measurements."""
TRANSFORM = 256
"""Samples under that transform; shorter recordings are filled up."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipFeatures:
    """What is known of one recording; senses that it lacks are missing."""

    vectors: dict[str, Vector] = field(default_factory=dict)
    """By sense."""
    words: str = ''
    """All utterances, one after the other."""


def read_features(
    recording: Path, recorded: RecordedConfig = DEFAULTS, *, course: bool = False
) -> ClipFeatures:
    """Return the features of a recording.

    Args:
        recording: rosbag2 folder or bag file.
        recorded: which topics are used, and what they mean.
        course: whether joints and inertial measurements also come step by step.

    Raises:
        RecordingError: it is damaged, or a topic has to be named.
    """
    settings = DecoderSettings(model=ModelConfig())
    with RecordingReader.of(recording, recorded, settings, needed=ALL_MODALITIES) as reader:
        return features_of(reader.samples(), course=course)


def features_of(samples: Iterable[Sample], *, course: bool = False) -> ClipFeatures:
    """Return the features of samples.

    Args:
        samples: in the order of their arrival.
        course: whether joints and inertial measurements also come step by step.
    """
    grey: list[NDArray[np.float32]] = []
    times_s: list[float] = []
    points: list[KeyPoints] = []
    sound: list[AudioChunk] = []
    inertial: list[NDArray[np.float32]] = []
    words: list[str] = []
    for sample in samples:
        if isinstance(sample, Frame) and sample.key_points is not None:
            points.append(sample.key_points)
        elif isinstance(sample, Frame):
            time_s = sample.stamp_ns / NANOSECONDS
            if not times_s or time_s - times_s[-1] >= STEP_S:
                times_s.append(time_s)
                grey.append(_grey(sample.image))
        elif isinstance(sample, AudioChunk):
            sound.append(sample)
        elif isinstance(sample, InertialChunk):
            inertial.append(sample.samples)
        elif isinstance(sample, Utterance):
            words.append(sample.text)
    found = {
        'video': motion_features(grey, times_s),
        'joints': joint_features(points, course=course),
        'audio': sound_features(sound),
        'imu': inertial_features(inertial, course=course),
    }
    vectors = {name: vector for name, vector in found.items() if vector is not None}
    return ClipFeatures(vectors=vectors, words=' '.join(words))


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def motion_features(grey: Sequence[NDArray[np.float32]], times_s: Sequence[float]) -> Vector | None:
    """Return statistics of frame differences and of the motion history; None below two frames.

    Args:
        grey: T images.
        times_s: of each.
    """
    if len(grey) < 2:
        return None
    history = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    changes, cells, recent = [], [], []
    for before, after, step_s in zip(grey, grey[1:], np.diff(times_s), strict=False):
        # Exposure changes everywhere at once; it is no motion.
        change = after - before
        change = np.abs(change - np.median(change))
        history = np.maximum(history - np.float32(step_s / HISTORY_S), 0)
        history[change > MOVED] = 1.0
        changes.append(change.mean())
        cells.append(_cells(change))
        recent.append(_cells(history))
    each, histories = np.array(cells), np.array(recent)
    parts = (
        _statistics(np.array(changes)),
        each.mean(0),
        each.std(0),
        each.max(0),
        histories.mean(0),
        histories.std(0),
        histories.max(0),
        _statistics(each.max(1) / (each.mean(1) + 1e-3)),
    )
    return np.concatenate([np.log1p(np.abs(part)) for part in parts]).astype(np.float64)


def _cells(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means over a grid, (GRID * GRID,)."""
    side = SIDE_PX // GRID
    return image.reshape(GRID, side, GRID, side).mean(axis=(1, 3)).ravel()


def _statistics(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.array([values.mean(), values.std(), values.max(), *np.quantile(values, QUANTILES)])


def joint_features(points: Sequence[KeyPoints], *, course: bool = False) -> Vector | None:
    """Return mean, deviation and range of each joint about the body's middle; None without any.

    Args:
        points: of T frames, of one body.
        course: whether places, and how they change, are added step by step.
    """
    if not points:
        return None
    joints = np.stack([each.joints_px for each in points]).astype(np.float64)  # (T, J, 2)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of joints and frames without a place
        middle = np.nanmean(joints, axis=1, keepdims=True)
        extent = np.nanmax(joints, axis=1) - np.nanmin(joints, axis=1)
        size = max(float(np.nanmedian(extent, axis=0).max()), 1.0)
        about, way = (joints - middle) / size, (middle[:, 0] - middle[0, 0]) / size
        parts = [
            part
            for places in (about, way)
            for part in (
                np.nanmean(places, axis=0),
                np.nanstd(places, axis=0),
                np.nanmax(places, axis=0) - np.nanmin(places, axis=0),
            )
        ]
    if course:
        steps = _course(np.nan_to_num(np.concatenate([about, way[:, None]], axis=1)), POSES)
        parts += [steps, np.diff(steps, axis=0)]
    return np.nan_to_num(np.concatenate([part.ravel() for part in parts]))


def _course(values: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Return values (T, ...) at evenly spaced moments from the first to the last, (steps, ...)."""
    flat = values.reshape(len(values), -1)
    places = np.linspace(0, len(values) - 1, steps)
    columns = [np.interp(places, np.arange(len(values)), column) for column in flat.T]
    return np.stack(columns, axis=1)


def sound_features(chunks: Sequence[AudioChunk]) -> Vector | None:
    """Return mean, deviation and change of the log-mel bands, 3 M; None without a whole block."""
    if not chunks:
        return None
    samples = np.concatenate([each.samples for each in chunks])
    blocks = LogMelBlocks(AudioConfig(num_mels=MELS))(samples)
    columns = blocks.reshape(-1, blocks.shape[-1]).astype(np.float64)
    if len(columns) < 2:
        return None
    change = np.abs(np.diff(columns, axis=0)).mean(0)
    return np.concatenate([columns.mean(0), columns.std(0), change])


def inertial_features(
    chunks: Sequence[NDArray[np.float32]], *, course: bool = False
) -> Vector | None:
    """Return mean, deviation and Fourier bands of each axis; None without samples.

    Args:
        chunks: (N, 6) each, at one rate.
        course: whether the range, and the measurements step by step, are added.
    """
    if not chunks:
        return None
    values = np.concatenate(chunks).astype(np.float64)
    mean, spread = values.mean(0), values.std(0)
    power = np.abs(np.fft.rfft(values - mean, n=max(TRANSFORM, len(values)), axis=0)) ** 2
    bands = [part.mean(0) for part in np.array_split(power[1:], BANDS)]
    parts = [mean, spread, np.log1p(np.concatenate(bands) / len(values))]
    if course:
        parts += [values.max(0) - values.min(0), _course(values, ROWS).ravel()]
    return np.concatenate(parts)
