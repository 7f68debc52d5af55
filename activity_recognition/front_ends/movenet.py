"""MoveNet Lightning: one person's 17 key points, and the crop that follows the person.

The crop is that of the network's authors (TensorFlow Hub, "MoveNet: Ultra fast and accurate pose
detection model", 2021; their ``determine_crop_region``): a square about the hips that holds what
was found of the body in the frame before; the whole image, padded to a square, where no trunk was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from activity_recognition.front_ends.litert import ArrayForm, load_network
from activity_recognition.front_ends.pose_network import Pose
from activity_recognition.front_ends.regions import Region, cut
from activity_recognition.keypoints.skeletons import SKELETONS

SIDE_PX = 192
_CROP_SCORE = 0.2
"""Least score of a joint that the crop is made of."""
_TORSO, _BODY = 1.9, 1.2
"""How much larger than trunk and body half of the crop is."""
_LEAST_PX = 24
"""Side of the smallest crop: where everything was found in one place, it was not somebody."""
_NAMES = SKELETONS['coco17']
_SHOULDERS = [_NAMES.index(f'{side}_shoulder') for side in ('left', 'right')]
_HIPS = [_NAMES.index(f'{side}_hip') for side in ('left', 'right')]


class MoveNet:
    """Finds the key points of one person in a part of an image."""

    names = _NAMES
    sees_whole_images = True

    def __init__(self) -> None:
        """Load the network.

        Raises:
            MissingExtraError: LiteRT is not installed.
            WeightsError: its weights are not on this machine.
        """
        self._network = load_network(
            'movenet_lightning',
            inputs=(ArrayForm((1, SIDE_PX, SIDE_PX, 3), 'uint8'),),
            outputs=(ArrayForm((1, 1, len(_NAMES), 3), 'float32'),),
        )

    def find(self, image: NDArray[np.uint8], region: Region, gain: float = 1.0) -> Pose:
        """Return 17 key points, and the crop about them.

        Args:
            image: uint8 RGB (H, W, 3).
            region: where somebody may be.
            gain: by which levels are multiplied first.
        """
        region = region.snapped(SIDE_PX)
        (found,) = self._network.run(cut(image, region, SIDE_PX, gain)[None])
        points = [(*region.place(x, y), score) for y, x, score in found[0, 0].tolist()]
        return Pose(np.array(points), follow(points, image))


def follow(points: Sequence[Sequence[float]], image: NDArray[np.uint8]) -> Region | None:
    """Return where to look in the next frame; None where no trunk was found.

    Args:
        points: x, y and score of each of the 17 key points.
        image: in which they were found.
    """
    seen = [score > _CROP_SCORE for _, _, score in points]
    if not all(any(seen[joint] for joint in pair) for pair in (_SHOULDERS, _HIPS)):
        return None
    height, width = image.shape[:2]
    x, y = (sum(points[hip][axis] + 0.5 for hip in _HIPS) / len(_HIPS) for axis in (0, 1))
    away = [max(abs(right + 0.5 - x), abs(down + 0.5 - y)) for right, down, _ in points]
    torso = max(away[joint] for joint in (*_SHOULDERS, *_HIPS))
    body = max(far for far, is_seen in zip(away, seen, strict=True) if is_seen)
    farthest = max(x, width - x, y, height - y)
    half = min(max(_TORSO * torso, _BODY * body), farthest)
    if not _LEAST_PX <= 2 * half <= max(width, height):
        return None
    return Region(x, y, 2 * half)
