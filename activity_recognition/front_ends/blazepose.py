"""BlazePose: its detector, which finds people, and its landmarks of one of them.

Numbers and rules are those of the authors' graphs (MediaPipe 0.10, ``modules/pose_detection`` and
``modules/pose_landmark``; Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose
tracking"): anchors, the square about the circle around a body, turned so that the body stands in
it, and the same square from the landmarks of the image before.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from activity_recognition.front_ends.litert import ArrayForm, load_network
from activity_recognition.front_ends.pose_network import Pose
from activity_recognition.front_ends.regions import Region, cut

DETECTOR_PX, LANDMARKS_PX = 224, 256
_STRIDES = {8: 2, 16: 2, 32: 6}
"""Pixels between anchors, and how many there are in one place."""
_ANCHORS, _COORDINATES = 2254, 12
_LEAST_SCORE = 0.5
"""Of a person's detection, and that somebody is in the square at all."""
_MARGIN = 1.25
"""Side of the square, in diameters of the circle."""
_LANDMARKS, _NUMBERS = 39, 5
"""The last six landmarks are about the circle; x, y, z, visibility and presence of each."""
_HIPS, _CIRCLE = 33, 34
"""The landmarks in the circle's middle and on it."""
_PLACES = {
    'nose': 0,
    'left_eye': 2,
    'right_eye': 5,
    'left_ear': 7,
    'right_ear': 8,
    'left_shoulder': 11,
    'right_shoulder': 12,
    'left_elbow': 13,
    'right_elbow': 14,
    'left_wrist': 15,
    'right_wrist': 16,
    'left_hip': 23,
    'right_hip': 24,
    'left_knee': 25,
    'right_knee': 26,
    'left_ankle': 27,
    'right_ankle': 28,
    'left_hand': 19,
    'right_hand': 20,
    'left_foot': 31,
    'right_foot': 32,
}
"""Of the 33 landmarks, those that joints of :mod:`activity_recognition.keypoints` are."""
_WHITE = 255.0


class Person(NamedTuple):
    """Somebody whom the detector found."""

    score: float
    region: Region
    """The square about the body."""


class BlazePoseDetector:
    """Finds people near the camera; keeps nothing."""

    def __init__(self) -> None:
        """Load the network.

        Raises:
            MissingExtraError: LiteRT is not installed.
            WeightsError: its weights are not on this machine.
        """
        self._network = load_network(
            'blazepose_detector',
            inputs=(ArrayForm((1, DETECTOR_PX, DETECTOR_PX, 3), 'float32'),),
            outputs=(
                ArrayForm((1, _ANCHORS, _COORDINATES), 'float32'),
                ArrayForm((1, _ANCHORS, 1), 'float32'),
            ),
        )

    def find(self, image: NDArray[np.uint8], region: Region, gain: float = 1.0) -> Person | None:
        """Return the person who is found most surely, if one is.

        Args:
            image: uint8 RGB (H, W, 3).
            region: in which people are looked for.
            gain: by which levels are multiplied first.
        """
        region = region.snapped(DETECTOR_PX)
        # The network takes -1 to 1.
        seen = cut(image, region, DETECTOR_PX, gain).astype(np.float32) / (_WHITE / 2) - 1
        boxes, logits = self._network.run(seen[None])
        best = int(logits[0, :, 0].argmax())
        score = float(_sigmoid(logits[0, best, 0].astype(np.float64)))
        if score < _LEAST_SCORE:
            return None
        # After the box: hips, circle, shoulders, circle of the upper body.
        shares = boxes[0, best, 4:8].reshape(2, 2) / DETECTOR_PX + _anchors()[best]
        return Person(score, _square(*region.places(shares)))


class BlazePose:
    """Finds the landmarks of one person in a square that the detector, or an image before, gave."""

    names = tuple(_PLACES)
    sees_whole_images = False

    def __init__(self) -> None:
        """Load the network.

        Raises:
            MissingExtraError: LiteRT is not installed.
            WeightsError: its weights are not on this machine.
        """
        side = LANDMARKS_PX
        self._network = load_network(
            'blazepose_landmarks_full',
            inputs=(ArrayForm((1, side, side, 3), 'float32'),),
            outputs=(
                ArrayForm((1, _LANDMARKS * _NUMBERS), 'float32'),
                ArrayForm((1, 1), 'float32'),
                ArrayForm((1, side, side, 1), 'float32'),
                ArrayForm((1, side // 4, side // 4, _LANDMARKS), 'float32'),
                ArrayForm((1, _LANDMARKS * 3), 'float32'),
            ),
        )

    def find(self, image: NDArray[np.uint8], region: Region, gain: float = 1.0) -> Pose:
        """Return 21 key points, and the square about the body.

        Args:
            image: uint8 RGB (H, W, 3).
            region: of :class:`BlazePoseDetector`, or of the image before.
            gain: by which levels are multiplied first.
        """
        region = region.snapped(LANDMARKS_PX)
        seen = cut(image, region, LANDMARKS_PX, gain).astype(np.float32) / _WHITE
        landmarks, flag, *_ = self._network.run(seen[None])
        numbers = landmarks[0].reshape(_LANDMARKS, _NUMBERS).astype(np.float64)
        places = region.places(numbers[:, :2] / LANDMARKS_PX)
        chosen = list(_PLACES.values())
        # Not visible, or not even in the square.
        scores = _sigmoid(numbers[chosen, 3:5].min(axis=1))
        there = float(flag[0, 0]) >= _LEAST_SCORE
        points = np.column_stack([places[chosen], scores if there else np.zeros_like(scores)])
        return Pose(points, _square(places[_HIPS], places[_CIRCLE]) if there else None)


def _square(hips: NDArray[np.float64], circle: NDArray[np.float64]) -> Region:
    """Return the square about a body, in which it stands upright.

    Args:
        hips: the middle between them, pixels.
        circle: a place on the circle around the body, in the direction of the head.
    """
    across, down = (float(value) for value in circle - hips)
    side = 2 * _MARGIN * math.hypot(across, down)
    turn = math.atan2(across, -down)
    return Region(float(hips[0]) + 0.5, float(hips[1]) + 0.5, max(side, 1.0), turn)


@cache
def _anchors() -> NDArray[np.float64]:
    """Return the centres of the detector's anchors, x and y as shares of its image, (A, 2)."""
    parts = []
    for stride, count in _STRIDES.items():
        centres = (np.arange(DETECTOR_PX // stride) + 0.5) * stride / DETECTOR_PX
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        parts.append(np.repeat(grid, count, axis=0))
    return np.concatenate(parts)


def _sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -100, 100))), np.float64)
