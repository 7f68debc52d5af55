"""Joints in space by activity: of the simulator's person, and of real people (UTD-MHAD).

Places are in the optical frame of a camera that stands upright before the person: x to the right,
y down, z ahead, metres. T frames, J joints.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import RecordingError
from activity_recognition.keypoints import SKELETONS
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.simulation.body import Joint, draw_build, joints
from activity_recognition.training.data.people_labels import Part

LIMBS = tuple(
    f'{side}_{part}'
    for part in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
    for side in ('left', 'right')
)
NAMES = ('nose', *LIMBS)
"""The J joints."""
UTD_HZ = 50 / 2.6
"""Frames a second: frames were lost, the clock of the sensor beside them holds."""

# The simulator calls left what is left in the image of somebody who faces the camera.
_SIMULATED = (
    Joint.FACE,
    *(
        joint
        for pair in (
            (Joint.SHOULDER_R, Joint.SHOULDER_L),
            (Joint.ELBOW_R, Joint.ELBOW_L),
            (Joint.HAND_R, Joint.HAND_L),
            (Joint.HIP_R, Joint.HIP_L),
            (Joint.KNEE_R, Joint.KNEE_L),
            (Joint.ANKLE_R, Joint.ANKLE_L),
        )
        for joint in pair
    ),
)
_UP_TO_DOWN = np.array([1.0, -1.0, 1.0])
_KINECT = np.array([-1.0, -1.0, 1.0])
"""A Kinect's joints have x to its left and y up."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Movement:
    """Somebody who does one thing."""

    places_m: NDArray[np.float64]
    """(T, J, 3)."""
    rate_hz: float

    @property
    def duration_s(self) -> float:
        """Length, seconds."""
        return len(self.places_m) / self.rate_hz

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the places (N, J, 3) at times from its start; the ends stay.

        Args:
            times_s: (N,), seconds.
        """
        flat = self.places_m.reshape(len(self.places_m), -1)
        own_s = np.arange(len(flat)) / self.rate_hz
        columns = [np.interp(times_s, own_s, column) for column in flat.T]
        return np.stack(columns, axis=1).reshape(len(times_s), *self.places_m.shape[1:])


def simulated_movement(
    activity: str, duration_s: float, rng: np.random.Generator, *, rate_hz: float = 15.0
) -> Movement:
    """Draw a person of the simulator who does one thing; proportions and amplitudes differ.

    Args:
        activity: of the simulator.
        duration_s: length, seconds.
        rng: what is drawn.
        rate_hz: frames a second.
    """
    config = SimulationConfig(
        seed=int(rng.integers(2**62)), duration_s=duration_s, activities=(activity,)
    )
    build = draw_build(rng)
    course = simulate(config).choreography
    times_s = np.arange(max(2, round(duration_s * rate_hz))) / rate_hz
    places = np.stack([joints(course.pose(time_s), build)[list(_SIMULATED)] for time_s in times_s])
    return Movement(places_m=places * _UP_TO_DOWN, rate_hz=rate_hz)


class RealMovements:
    """Recordings of UTD-MHAD, by action."""

    def __init__(self, folder: Path, subjects: Collection[int]) -> None:
        """Read the recordings of some people.

        Args:
            folder: of the data set.
            subjects: their numbers.

        Raises:
            RecordingError: there is no such data set, or nobody of these is in it.
        """
        table, arrays = folder / 'recordings.csv', folder / 'recordings.npz'
        if not table.is_file() or not arrays.is_file():
            raise RecordingError(
                f'{folder}: expected UTD-MHAD, recordings.csv and recordings.npz, got no such files'
            )
        with np.load(arrays, allow_pickle=False) as file:
            places, offsets = file['joints_m'], file['joint_offsets']
        order = [SKELETONS['kinect20'].index(name) for name in ('head', *LIMBS)]
        self._by_action: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
        with table.open(encoding='utf-8', newline='') as rows:
            for index, row in enumerate(csv.DictReader(rows)):
                if int(row['subject']) in subjects:
                    own = places[offsets[index] : offsets[index + 1], order]
                    self._by_action[row['label']].append(own.astype(np.float64) * _KINECT)
        if not self._by_action:
            raise RecordingError(f'{table}: expected recordings of {sorted(subjects)}, got none')

    def draw(self, action: str, part: Part, rng: np.random.Generator) -> Movement:
        """Draw a part of a recording of an action, done somewhat faster or slower.

        Args:
            action: of the data set.
            part: which part of it.
            rng: what is drawn.
        """
        known = self._by_action[action]
        whole = known[int(rng.integers(len(known)))]
        begin, end = (round(share * len(whole)) for share in part)
        pace = float(np.exp(rng.uniform(-0.2, 0.2)))
        return Movement(places_m=whole[begin : max(end, begin + 2)], rate_hz=UTD_HZ * pace)
