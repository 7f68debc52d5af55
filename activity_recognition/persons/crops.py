"""The square of the image that follows one person, smoothly, and the pixels in it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.persons.regions import Box
from activity_recognition.types import Crop, seconds_between

MARGIN = 0.25
"""By how much the square is longer than the box, in units of the box's longer side."""
LEAST_MARGIN = 0.05
"""What is left of it while the square grows after a box that does."""
CENTRE_S = 0.1
"""Time constant of the square's centre, seconds: a tracker's jitter is not a movement."""
SIDE_S = 0.5
"""That of its side: people stretch their arms, and do not grow."""
LEAST_SIDE_PX = 16
"""No square is smaller: a network sees nothing in it."""


class CropPath:
    """Where one person's square is, from frame to frame; a function of boxes and stamps alone."""

    def __init__(self) -> None:
        """Begin with the next box."""
        self._stamp_ns: int | None = None
        self._x = self._y = self._side = 0.0

    def advance(self, box: Box, stamp_ns: int) -> Crop:
        """Return the square of the next frame.

        The box lies inside of it, and at least :data:`LEAST_MARGIN` of its longer side is left
        over in all.

        Args:
            box: in pixels of the frame, inside of it.
            stamp_ns: of the frame.
        """
        x, y = box.centre
        longer = box.longer_side
        wanted = (1 + MARGIN) * longer
        if self._stamp_ns is None:
            self._x, self._y, self._side = x, y, wanted
        else:
            passed_s = max(0.0, seconds_between(stamp_ns, self._stamp_ns))
            self._x += _part(passed_s, CENTRE_S) * (x - self._x)
            self._y += _part(passed_s, CENTRE_S) * (y - self._y)
            self._side += _part(passed_s, SIDE_S) * (wanted - self._side)
        self._stamp_ns = stamp_ns
        self._side = max(self._side, (1 + LEAST_MARGIN) * longer)
        self._x = _around(self._x, box.left, box.right, self._side)
        self._y = _around(self._y, box.top, box.bottom, self._side)
        side = max(LEAST_SIDE_PX, math.ceil(self._side))
        return Crop(round(self._x - side / 2), round(self._y - side / 2), side)


def _part(passed_s: float, constant_s: float) -> float:
    """Return what part of the way an exponential average goes in some time."""
    return 1 - math.exp(-passed_s / constant_s)


def _around(centre: float, low: float, high: float, side: float) -> float:
    """Return the nearest centre of a stretch of length ``side`` that holds another one."""
    return min(max(centre, high - side / 2), low + side / 2)


def cut_out(image: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """Return the pixels of a crop, (side, side, 3); beyond the image it is black.

    A crop that lies inside of the image is a view of it.

    Args:
        image: uint8 RGB (H, W, 3).
        crop: of this image.
    """
    height, width = image.shape[:2]
    left, top, side = crop
    right, bottom = left + side, top + side
    part = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if part.shape[:2] == (side, side):
        return part
    if not part.size:
        return np.zeros((side, side, 3), np.uint8)
    margins = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    return np.asarray(cv2.copyMakeBorder(part, *margins, cv2.BORDER_CONSTANT), np.uint8)
