"""Sizes of images: which are refused, and at what reduced resolution large ones are decoded.

A large image is reduced to a half, a quarter or an eighth of its size as early as possible, before
anything else is done with all of its pixels. The rule is the same for live topics and
recordings, so that both give the same frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from activity_recognition.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SIDE_PX = 320
"""Both sides of an image that is decoded at reduced resolution are at least this long.

No preset's network sees more than 224 pixels a side; an image for people is 640 wide.
"""


def reduce_resolution(image: NDArray[np.uint8], least_side_px: int) -> NDArray[np.uint8]:
    """Return an image at half its size, as often as its sides are even and stay long enough.

    Each pixel is the mean of four. OpenCV averages four pixels several times as fast as areas
    with parts of pixels in them, which is what remains to be done.

    Args:
        image: uint8, (H, W) or (H, W, C).
        least_side_px: what both sides have to keep.
    """
    height, width = image.shape[:2]
    while not height % 2 and not width % 2 and min(height, width) // 2 >= least_side_px:
        height, width = height // 2, width // 2
        image = np.asarray(
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    return image


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image that is empty or larger than allowed, by what its header claims.

    Args:
        width: of the image, pixels.
        height: likewise.
        max_pixels: most that are taken.

    Raises:
        DecodeError: when it is either.
    """
    if not width or not height:
        raise DecodeError(f'image size: got an empty image of {width} x {height} pixels')
    if width * height > max_pixels:
        raise DecodeError(
            f'image size: {width} x {height} pixels are more than the {max_pixels} allowed'
        )
