"""Made-up measurements of an inertial sensor, and networks that take them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.model_config import ImuConfig
from activity_recognition.streams import windows
from activity_recognition.types import NANOSECONDS, InertialChunk, Window, to_ns
from factories.networks import TINY
from factories.scenes import TROUBLED
from factories.streams import JUMP_BACK_NS, START_NS, samples

WORN = dataclasses.replace(
    TINY,
    imu=ImuConfig(channels=(4, 8), dilations=(1, 2), window_s=1.0, max_tokens=16),
    modalities=('video', 'audio', 'text', 'imu'),
)
"""The tiny network with the fourth modality; windows bind."""
CHOICES = (('imu',), ('video', 'imu'), ('video', 'audio', 'text', 'imu'))


def with_imu(*names: str) -> ModelConfig:
    """Return the tiny network with these modalities alone."""
    return dataclasses.replace(WORN, modalities=names)


def message(
    values: Sequence[float], stamp_ns: int, *, covariance: float = 0.0, frame_id: str = 'wrist'
):
    """Return what a decoder reads of sensor_msgs/Imu: acceleration, then angular velocity."""
    stamp = SimpleNamespace(sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS)
    linear, angular = (
        SimpleNamespace(x=x, y=y, z=z) for x, y, z in (tuple(values[:3]), tuple(values[3:]))
    )
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id=frame_id),
        linear_acceleration=linear,
        linear_acceleration_covariance=[covariance] + [0.0] * 8,
        angular_velocity=angular,
        angular_velocity_covariance=[0.0] * 9,
    )


def chunks(
    seed: int = 0,
    *,
    duration_s: float = 3.0,
    lengths: Sequence[int] = (4, 7, 1, 30),
    gaps: Sequence[tuple[float, float]] = ((0.9, 1.5),),
    start_ns: int = START_NS,
) -> list[InertialChunk]:
    """Return noise around gravity, in chunks of these lengths over and over again.

    Args:
        seed: of the noise.
        duration_s: of all.
        lengths: samples of each chunk.
        gaps: start and end of what is missing, seconds.
        start_ns: stamp of the first.
    """
    rate_hz = WORN.imu.sample_rate_hz
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0, 4.0, (int(duration_s * rate_hz), 6)).astype(np.float32)
    values[:, 2] += 9.8
    found, first = [], 0
    while first < len(values):
        part = values[first : first + lengths[len(found) % len(lengths)]]
        begin_ns = start_ns + first * NANOSECONDS // rate_hz
        found.append(
            InertialChunk(
                stamp_ns=begin_ns,
                arrival_ns=begin_ns + len(part) * NANOSECONDS // rate_hz + 3_000_000,
                samples=part,
                sample_rate_hz=rate_hz,
            )
        )
        first += len(part)
    return [
        chunk
        for chunk in found
        if not any(to_ns(start) <= chunk.stamp_ns - start_ns < to_ns(end) for start, end in gaps)
    ]


def trace(seed: int = 0) -> list[Window]:
    """Return what goes wrong on a robot, with a sensor worn, with holes and the clock set back."""
    jump_ns = START_NS + to_ns(TROUBLED.jumps[0])
    worn = [
        dataclasses.replace(
            chunk,
            stamp_ns=chunk.stamp_ns - JUMP_BACK_NS * (chunk.arrival_ns >= jump_ns),
            arrival_ns=chunk.arrival_ns - JUMP_BACK_NS * (chunk.arrival_ns >= jump_ns),
        )
        for chunk in chunks(seed)
    ]
    others = samples(TROUBLED)
    after = [s for s in (*others, *worn) if s.arrival_ns < START_NS - JUMP_BACK_NS // 2]
    before = [s for s in (*others, *worn) if s.arrival_ns >= START_NS - JUMP_BACK_NS // 2]
    ordered = [
        *sorted(before, key=lambda s: s.arrival_ns),
        *sorted(after, key=lambda s: s.arrival_ns),
    ]
    return list(windows(ordered, SyncConfig(decision_rate_hz=10.0)))
