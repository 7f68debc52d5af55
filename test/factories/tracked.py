"""Recordings of a tracker: somebody stands, walks, waves or claps before a camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from activity_recognition.bags import import_key_points, labels_path
from activity_recognition.bags.labels import write_labels
from activity_recognition.config import ModelConfig
from activity_recognition.config_io import to_mapping
from activity_recognition.training.config import TrainConfig
from activity_recognition.types import LabelSpan
from factories.bodies import SIZE_PX, STANDING

RATE_HZ = 10
_NAMES = list(STANDING)


def joints_of(label: str, *, seed: int, duration_s: float = 4.0) -> dict[str, object]:
    """Return a file of key points of somebody who does one thing.

    Args:
        label: ``still``, ``walking``, ``waving`` or ``clapping``.
        seed: of place, noise and phase.
        duration_s: how long.
    """
    rng = np.random.default_rng([seed, len(label)])
    times = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    joints = np.array(list(STANDING.values()))[None] * 0.6 + rng.uniform(0, 40, 2)
    joints = np.repeat(joints, len(times), 0)
    phase = rng.uniform(0, 2 * np.pi)
    if label == 'walking':
        joints[..., 0] += 12.0 * times[:, None]
    if label == 'waving':
        place = _NAMES.index('right_wrist')
        joints[:, place, 1] -= 45
        joints[:, place, 0] += 18 * np.sin(2 * np.pi * times + phase)
    if label == 'clapping':
        for side, name in ((-1, 'left_wrist'), (1, 'right_wrist')):
            joints[:, _NAMES.index(name), 0] += side * (30 + 14 * np.sin(2 * np.pi * times + phase))
    joints += rng.normal(0, 0.3, joints.shape)
    return {'joints': joints, 'names': 'coco17', 't_s': times, 'image_size': SIZE_PX}


def write_tracked(folder: Path, label: str, *, seed: int, duration_s: float = 4.0) -> Path:
    """Write a recording of one thing with its label; return its path.

    Args:
        folder: of the recordings.
        label: of :func:`joints_of`.
        seed: of the same.
        duration_s: how long.
    """
    arrays = folder / f'.{label}_{seed}.npz'
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(arrays, **joints_of(label, seed=seed, duration_s=duration_s))  # type: ignore[arg-type]
    out = import_key_points(arrays, folder / f'{label}_{seed}').path
    write_labels(labels_path(out), [LabelSpan(start_s=0.0, end_s=duration_s, label=label)])
    return out


def write_lesson(folder: Path, labels: tuple[str, ...], count: int, *, first_seed: int) -> Path:
    """Write recordings of some labels, ``count`` of each.

    Args:
        folder: of the recordings.
        labels: of :func:`joints_of`.
        count: of each.
        first_seed: of the first; those of another lesson should be others.
    """
    for label in labels:
        for number in range(count):
            write_tracked(folder, label, seed=first_seed + number)
    return folder


def short_run_of(model: ModelConfig, folder: Path, **changes: object) -> TrainConfig:
    """Return a run in which the network of a configuration learns to tell two movements.

    Args:
        model: of the network.
        folder: for its preset.
        changes: other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'preset.yaml').write_text(yaml.safe_dump(to_mapping(model)), encoding='utf-8')
    usual: dict[str, object] = {
        'epochs': 12,
        'batch_size': 4,
        'crop_s': 4.0,
        'frame_rate_hz': 8.0,
        'learning_rate': 3e-3,
        'average_decay': 0.9,
        'validation_fraction': 0.0,
        'rehearsal_kb': 300,
        'device': 'cpu',
        'num_threads': 1,
        'num_workers': 1,
    }
    return TrainConfig(preset=str(folder / 'preset.yaml'), **{**usual, **changes})  # type: ignore[arg-type]
