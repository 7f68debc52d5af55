"""Key points as the numbers that a network takes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.keypoints.points import KeyPoints
from activity_recognition.keypoints.skeletons import canonical_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

FARTHEST = 4.0
"""Joints farther from the middle of the image, in units of its longer side, are missing."""


def joint_array(points: KeyPoints, joints: tuple[str, ...]) -> NDArray[np.float32]:
    """Return chosen joints, (J, 3): x, y and score; zeros where a joint is missing.

    Places are about the middle of the image, x to the right and y down, in units of its longer
    side: an image of any size and shape gives the same numbers for the same body.

    Args:
        points: of any skeleton.
        joints: what this package calls the J joints; those that the skeleton lacks are missing.
    """
    width, height = points.width_px, points.height_px
    middle = np.array([width / 2 - 0.5, height / 2 - 0.5])
    places = (points.joints_px - middle) / max(width, height)
    # A comparison with NaN is False.
    near = np.abs(places) <= FARTHEST
    seen = near[:, 0] & near[:, 1] & (points.scores > 0)
    # What a joint without a place has comes last.
    values = np.zeros((len(places) + 1, 3), np.float32)
    np.copyto(values[:-1, :2], places, where=seen[:, None], casting='same_kind')
    np.copyto(values[:-1, 2], points.scores, where=seen)
    return values[_places_of(points.names, joints)]


# A tracker sends the same names with every message.
@lru_cache(maxsize=64)
def _places_of(names: tuple[str, ...], joints: tuple[str, ...]) -> NDArray[np.intp]:
    """Return where each joint is among the names, (J,); -1 where it is not."""
    known: dict[str, int] = {}
    for place, name in enumerate(names):
        known.setdefault(canonical_name(name) or name, place)
    return np.array([known.get(joint, -1) for joint in joints], np.intp)


def points_of_array(
    values: NDArray[np.float32], joints: tuple[str, ...], side_px: int
) -> KeyPoints:
    """Return key points in a square image, the inverse of :func:`joint_array`.

    Args:
        values: (J, 3).
        joints: names of the J joints.
        side_px: of the image.
    """
    places = values[:, :2].astype(np.float64) * side_px + side_px / 2 - 0.5
    return KeyPoints.of(joints, places, values[:, 2], (side_px, side_px))
