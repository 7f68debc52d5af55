"""Simulated recordings for training and for measuring, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from activity_recognition.bags import RecordingWriter
from activity_recognition.inference.threads import one_thread
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.training.pool import spread, worker_count

JPEG_QUALITY = 90
TRANSCRIPT_TYPES = ('hri_msgs/msg/LiveSpeech', 'std_msgs/msg/String')
"""With the time of speaking, and without."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedRecording:
    """One recording to be simulated."""

    path: Path
    config: SimulationConfig
    transcript_type: str


def varied(folder: Path, seeds: Sequence[int], duration_s: float) -> list[SimulatedRecording]:
    """Plan one recording per seed that differ in difficulty, camera and recogniser.

    What a camera or a speech recogniser is like is drawn from the seed, so that a network does not
    learn to expect a single one.

    Args:
        folder: for the recordings.
        seeds: one per recording.
        duration_s: of each, seconds.
    """
    return [_vary(folder, seed, duration_s) for seed in seeds]


def plain(folder: Path, seeds: Sequence[int], duration_s: float) -> list[SimulatedRecording]:
    """Plan one recording per seed with the simulator's defaults.

    Args:
        folder: for the recordings.
        seeds: one per recording.
        duration_s: of each, seconds.
    """
    return [
        SimulatedRecording(
            path=folder / f'recording_{seed}',
            config=SimulationConfig(seed=seed, duration_s=duration_s),
            transcript_type=TRANSCRIPT_TYPES[0],
        )
        for seed in seeds
    ]


def write_recordings(
    recordings: Sequence[SimulatedRecording],
    *,
    workers: int = 0,
    console: Console | None = None,
) -> list[Path]:
    """Simulate recordings to bags with JPEG images, in parallel; those that exist are kept.

    Args:
        recordings: what to simulate.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Returns:
        Their paths.
    """
    missing = [recording for recording in recordings if not recording.path.exists()]
    for _ in spread(
        _write,
        missing,
        workers=worker_count(workers),
        description='simulating recordings',
        console=console,
    ):
        pass
    return [recording.path for recording in recordings]


def varied_config(seed: int, duration_s: float) -> SimulationConfig:
    """Draw difficulty and camera from a seed, so that a network does not expect a single one.

    Args:
        seed: of the scene, and of what is drawn.
        duration_s: of the recording, seconds.
    """
    rng = np.random.default_rng(seed)
    width, height = ((192, 144), (192, 144), (320, 240), (256, 144))[int(rng.integers(4))]
    return SimulationConfig(
        seed=seed,
        duration_s=duration_s,
        difficulty=float(rng.uniform(0.3, 0.7)),
        frame_rate_hz=float(rng.choice([10.0, 15.0])),
        width_px=width,
        height_px=height,
    )


def _vary(folder: Path, seed: int, duration_s: float) -> SimulatedRecording:
    with_time = np.random.default_rng([seed, 1]).random() >= 0.25
    return SimulatedRecording(
        path=folder / f'recording_{seed}',
        config=varied_config(seed, duration_s),
        transcript_type=TRANSCRIPT_TYPES[0 if with_time else 1],
    )


def _write(recording: SimulatedRecording) -> None:
    simulation = simulate(recording.config)
    writer = RecordingWriter(
        recording.path,
        start_ns=recording.config.start_ns,
        image='jpeg',
        jpeg_quality=JPEG_QUALITY,
        transcript_type=recording.transcript_type,
    )
    with one_thread(), writer:
        writer.set_labels(simulation.labels)
        for sample in simulation.samples():
            writer.write(sample)
