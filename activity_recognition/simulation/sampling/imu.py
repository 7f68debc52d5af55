"""A sensor at the person's right wrist: acceleration with gravity, and angular velocity.

Its x axis lies along the forearm, its y axis along the hinge of the elbow. What is left out: the
forearm does not turn about itself, the strap does not slip, a knock or a step shakes nothing, and
who leaves the room takes the sensor along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.simulation.body import Joint, joints
from activity_recognition.simulation.camera import FloatArray
from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.types import NANOSECONDS, InertialChunk, to_ns

if TYPE_CHECKING:
    from activity_recognition.simulation.simulation import Simulation

IMU_FRAME = 'right_wrist'
RATE_HZ = 100
_GRAVITY = np.array([0.0, 0.0, 9.80665])
_RANGE = np.repeat((157.0, 35.0), 3)
"""Of a usual sensor: 16 g and 2000 degrees a second."""
_NOISE = np.repeat((0.05, 0.005), 3)
_BIAS = np.repeat((0.1, 0.01), 3)
"""Standard deviations, m/s² and rad/s."""
_SMOOTHED = 7
"""Measurements over which flesh and strap even out what moves: the poses have edges."""
_WORN = 1
"""Number of the person's stream of random numbers for what is worn; 0 has the looks."""


def samples(simulation: Simulation) -> Iterator[InertialChunk]:
    """Yield a chunk per measurement, a few milliseconds late."""
    config = simulation.config
    rng = stream(config.seed, Stream.PERSON, _WORN)
    values = measured(simulation, rng)
    newest_ns = 0
    for index, row in enumerate(values):
        stamp_ns = config.start_ns + index * NANOSECONDS // RATE_HZ
        newest_ns = max(newest_ns + 1, stamp_ns + to_ns(float(rng.uniform(0.001, 0.008))))
        yield InertialChunk(
            stamp_ns=stamp_ns,
            arrival_ns=newest_ns,
            samples=row[None].astype(np.float32),
            sample_rate_hz=RATE_HZ,
            frame_id=IMU_FRAME,
        )


def measured(simulation: Simulation, rng: np.random.Generator) -> FloatArray:
    """Return what the sensor measures, (N, 6), with its bias, noise and range.

    Args:
        simulation: the recording.
        rng: draws bias and noise.
    """
    count = max(1, round(simulation.config.duration_s * RATE_HZ))
    exact = true_values(simulation, count)
    drawn = rng.normal(size=6) * _BIAS + rng.normal(size=exact.shape) * _NOISE
    return np.asarray(np.clip(exact + drawn, -_RANGE, _RANGE))


def true_values(simulation: Simulation, count: int) -> FloatArray:
    """Return specific force and angular velocity in the axes of the sensor.

    Args:
        simulation: the recording.
        count: measurements, N.

    Returns:
        (N, 6), m/s² and rad/s.
    """
    margin = _SMOOTHED // 2 + 1
    times_s = (np.arange(-margin, count + margin) / RATE_HZ).clip(0, None)
    build, pose = simulation.scene.looks.build, simulation.choreography.pose
    # Joints are named as they lie in the image of somebody who faces the camera.
    limb = [Joint.SHOULDER_L, Joint.ELBOW_L, Joint.HAND_L]
    places = np.array([joints(pose(float(time_s)), build)[limb] for time_s in times_s])
    # The room's axes point right, up and away; right, away and up are right-handed.
    path = _smooth(places[:, :, [0, 2, 1]])
    rotation = _axes(path)
    step_s = 1 / RATE_HZ
    force = np.diff(path[:, 2], 2, axis=0) / step_s**2 + _GRAVITY
    turned = np.einsum('nji,njk->nik', rotation[1:-1], rotation[2:] - rotation[:-2]) / (2 * step_s)
    spin = (turned - turned.transpose(0, 2, 1)) / 2
    rate = np.stack([spin[:, 2, 1], spin[:, 0, 2], spin[:, 1, 0]], axis=1)
    return np.hstack([np.einsum('nji,nj->ni', rotation[1:-1], force), rate])


def _smooth(path: FloatArray) -> FloatArray:
    """Return the moving mean of (N, 3, 3) over time, (N - _SMOOTHED + 1, 3, 3)."""
    windows = np.lib.stride_tricks.sliding_window_view(path, _SMOOTHED, axis=0)
    return np.asarray(windows.mean(axis=-1))


def _axes(path: FloatArray) -> FloatArray:
    """Return the axes of the sensor as columns, (N, 3, 3), of shoulder, elbow and hand."""
    upper, fore = path[:, 1] - path[:, 0], path[:, 2] - path[:, 1]
    along = fore / np.linalg.norm(fore, axis=1, keepdims=True)
    hinge = np.cross(upper, fore)
    hinge /= np.linalg.norm(hinge, axis=1, keepdims=True) + 1e-12
    return np.stack([along, hinge, np.cross(along, hinge)], axis=2)
