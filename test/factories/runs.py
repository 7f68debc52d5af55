"""Settings of short training runs on the two recordings of each."""

from __future__ import annotations

from typing import Any

from activity_recognition.training.config import TrainConfig


def short_run(preset: str, **changes: Any) -> TrainConfig:
    """Return the settings of a run of one epoch, in this process.

    Args:
        preset: of the network.
        changes: other settings.
    """
    usual: dict[str, Any] = {
        'epochs': 1,
        'batch_size': 2,
        'crop_s': 4.0,
        'frame_rate_hz': 4.0,
        'validation_fraction': 0.34,
        'device': 'cpu',
        'num_threads': 1,
        'num_workers': 1,
    }
    return TrainConfig(preset=preset, **{**usual, **changes})
