"""Square parts of images, as pose networks see them, and places in them back to the image.

Pixels are squares whose centres lie at whole numbers: the first one covers -0.5 .. 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_TURNED = 1e-6
"""Radians below which a region stands upright."""


@dataclass(frozen=True, slots=True)
class Region:
    """A square in an image, perhaps beyond its edges."""

    x: float
    """Centre, pixels to the right from the image's left edge."""
    y: float
    """Centre, pixels down from the image's upper edge."""
    side: float
    """Pixels."""
    turn: float = 0.0
    """Clockwise, radians: by how much its upper edge is turned."""

    @classmethod
    def whole(cls, image: NDArray[np.uint8]) -> Region:
        """Return the square around a whole image (H, W, 3)."""
        height, width = image.shape[:2]
        return cls(width / 2, height / 2, float(max(width, height)))

    def snapped(self, size_px: int) -> Region:
        """Return the region as it is cut out; one that is turned stays as it is.

        Its edges lie between pixels, and it can be halved until it is less than twice as large as
        what is made of it.

        Args:
            size_px: side of the image that is made of it.
        """
        if abs(self.turn) > _TURNED:
            return self
        step = 1 << _halvings(self.side, size_px)
        side = max(step, round(self.side / step) * step)
        left, top = (step * round((middle - side / 2) / step) for middle in (self.x, self.y))
        return Region(left + side / 2, top + side / 2, float(side))

    def places(self, shares: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where in the image places in the region are, pixels (J, 2).

        Args:
            shares: x and y as shares of the side, (J, 2), from the left upper corner.
        """
        return np.array([self.place(x, y) for x, y in shares.tolist()], np.float64)

    def place(self, across: float, down: float) -> tuple[float, float]:
        """Return where in the image a place in the region is, pixels.

        A few places are sooner found one by one than as an array.

        Args:
            across: share of the side, to the right from the left upper corner.
            down: likewise, downwards.
        """
        x, y = (across - 0.5) * self.side, (down - 0.5) * self.side
        if self.turn:
            cos, sin = math.cos(self.turn), math.sin(self.turn)
            x, y = cos * x - sin * y, sin * x + cos * y
        return x + (self.x - 0.5), y + (self.y - 0.5)


def cut(
    image: NDArray[np.uint8], region: Region, size_px: int, gain: float = 1.0
) -> NDArray[np.uint8]:
    """Return what a region of an image shows, uint8 (S, S, 3); beyond the image it is black.

    It is halved by means of four pixels as often as that goes, then resized linearly: in a tenth of
    the time that areas with parts of pixels in them take.

    Args:
        image: uint8 (H, W, 3).
        region: as :meth:`Region.snapped` returns it.
        size_px: S.
        gain: by which levels are multiplied; what would be above white is white.
    """
    turned = abs(region.turn) > _TURNED
    seen = (_cut_turned if turned else _cut_upright)(image, region, size_px)
    return seen if gain == 1.0 else np.asarray(cv2.convertScaleAbs(seen, alpha=gain), np.uint8)


def _cut_upright(image: NDArray[np.uint8], region: Region, size_px: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    side = round(region.side)
    left, top = round(region.x - side / 2), round(region.y - side / 2)
    right, bottom = left + side, top + side
    part = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not part.size:
        return np.zeros((size_px, size_px, 3), np.uint8)
    margins = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    halvings = _halvings(side, size_px)
    if any(length % (1 << halvings) for length in (*part.shape[:2], *margins)):
        part, margins = _padded(part, margins), (0, 0, 0, 0)
    for _ in range(halvings - 1):
        part = _halved(part)
    # The less there is of it, the sooner it is padded: by the last halving, without a copy.
    top, bottom, left, right = (margin >> halvings for margin in margins)
    if halvings and any(margins):
        halved = np.zeros((side >> halvings, side >> halvings, 3), np.uint8)
        end = len(halved)
        _halved(part, halved[top : end - bottom, left : end - right])
        part = halved
    elif halvings:
        part = _halved(part)
    else:
        part = _padded(part, margins)
    return np.asarray(
        cv2.resize(part, (size_px, size_px), interpolation=cv2.INTER_LINEAR), np.uint8
    )


def _halved(part: NDArray[np.uint8], into: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Return the means of four pixels each, of sides that are even; into an array if given."""
    height, width = part.shape[:2]
    size = (width // 2, height // 2)
    return np.asarray(cv2.resize(part, size, dst=into, interpolation=cv2.INTER_AREA), np.uint8)


def _padded(part: NDArray[np.uint8], margins: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return a part with black margins: above, below, to the left and to the right."""
    if not any(margins):
        return part
    return np.asarray(cv2.copyMakeBorder(part, *margins, cv2.BORDER_CONSTANT), np.uint8)


def _halvings(side: float, size_px: int) -> int:
    """Return how often a side can be halved and is no shorter than ``size_px``."""
    return max(0, int(side // size_px).bit_length() - 1)


def _cut_turned(image: NDArray[np.uint8], region: Region, size_px: int) -> NDArray[np.uint8]:
    corners = region.places(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    # Edges of the region to edges of the result, whose centres lie half a pixel inside.
    into = np.array([[-0.5, -0.5], [size_px - 0.5, -0.5], [-0.5, size_px - 0.5]])
    matrix = cv2.getAffineTransform(corners.astype(np.float32), into.astype(np.float32))
    return np.asarray(
        cv2.warpAffine(image, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR), np.uint8
    )
