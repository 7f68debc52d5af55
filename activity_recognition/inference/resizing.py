"""Camera images to the size that the network sees, by the mean over each pixel's area.

The host does it for one frame at a time with OpenCV, and decides what the network sees: in training
as on the robot. A GPU can do it for all frames of many streams at once, to within a level of 255.

Shapes: n images, H and W their sides, S the network's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.errors import ShapeError
from activity_recognition.inference.precision import upload, upload_stack
from activity_recognition.persons.crops import cut_out
from activity_recognition.types import Frame

_SUMMED = range(4, 258)
"""Pixels of 8 bits that are summed up in 16: of fewer, the means of sums would be rounded to more
than an eighth of a level; more do not fit."""
_ROWS_AT_ONCE = 64
"""Of an image of 640 pixels, whose sums a CPU's second cache holds."""
LONGEST_SIDE_PX = 8192
"""Images with a longer side stay with the host: a device's weights grow with the side, to gigabytes
for an image of a few rows."""
_KEPT_WEIGHTS = 64
"""Sides of images, and devices, whose weights are kept."""


def check_frame(frame: Frame) -> None:
    """Raise ShapeError for an image that is not uint8 (H, W, 3)."""
    image = frame.image
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ShapeError(
            f'image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}; '
            'decode it with sensors.image'
        )


def resize_frame(frame: Frame, size_px: int) -> NDArray[np.uint8]:
    """Return the frame as the network sees it, uint8 RGB (S, S, 3), area-resampled.

    The whole image is kept; its aspect ratio is not.

    Args:
        frame: of a camera.
        size_px: side of the network's.

    Raises:
        ShapeError: the image is not uint8 (H, W, 3).
    """
    check_frame(frame)
    return resize_image(frame.image, size_px)


def resize_image(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return an image (H, W, 3), which was checked, as :func:`resize_frame` does.

    Args:
        image: uint8 RGB.
        size_px: side of the network's.
    """
    if image.shape[:2] == (size_px, size_px):
        return writable(image)
    return _mean_over_areas(image, size_px)


def writable(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image that torch can share: views of a message's bytes are read-only."""
    return np.require(image, requirements=('C', 'W'))


def suits_device(image: NDArray[np.uint8], size_px: int) -> bool:
    """Return whether a device may resample an image: larger than the network's, within bounds.

    Args:
        image: uint8 (H, W, 3).
        size_px: side of the network's images.
    """
    return shrinks(image, size_px) and max(image.shape[:2]) <= LONGEST_SIDE_PX


def shrinks(image: NDArray[np.uint8], size_px: int) -> bool:
    """Return whether neither side of an image is smaller than the network's.

    Args:
        image: uint8 (H, W, 3).
        size_px: side of the network's images.
    """
    return min(image.shape[:2]) >= size_px


def _mean_over_areas(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Resample by area; where one side alone shrinks to a whole part, that one first.

    OpenCV is faster at sums over whole pixels, and they lose nothing in 16 bits. Where both sides
    shrink so, it sees that by itself.
    """
    height, width = image.shape[:2]
    down, across = (_whole_part(side, size_px) for side in (height, width))
    whole = (down > 1) != (across > 1) and across * down in _SUMMED
    if not (whole and shrinks(image, size_px)):
        return _area(image, size_px)
    sums = _sums(image, down, across)
    means = cv2.convertScaleAbs(_area(sums, size_px), alpha=1 / (across * down))
    return np.asarray(means, dtype=np.uint8)


def _sums(image: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint16]:
    """Sum up ``down`` rows and ``across`` columns at a time, of whose multiples the sides are."""
    height, width = image.shape[:2]
    sums = np.empty((height // down, width // across, 3), np.uint16)
    # Some rows at a time: what lies between the two steps is twice as large as the image.
    rows = down * -(-_ROWS_AT_ONCE // down)
    for start in range(0, height, rows):
        part = cv2.boxFilter(
            image[start : start + rows],
            cv2.CV_16U,
            (across, down),
            anchor=(0, 0),
            normalize=False,
            borderType=cv2.BORDER_REPLICATE,
        )
        into = sums[start // down : (start + len(part)) // down]
        # The nearest of every so many is the one whose window they are.
        cv2.resize(part, into.shape[1::-1], dst=into, interpolation=cv2.INTER_NEAREST)
    return sums


def _whole_part(side: int, size_px: int) -> int:
    """Return how many pixels of a side go into each of the network's; 1 where the number varies."""
    return side // size_px if side % size_px == 0 else 1


def _area(image: NDArray[Any], size_px: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA))


def stack_on(images: Sequence[NDArray[np.uint8]], size_px: int, device: torch.device) -> Tensor:
    """Return images on a device at the network's size, uint8 (n, S, S, 3), in their order.

    Those of one size are uploaded at once and resampled there where they are larger; no side of an
    image may be smaller than the network's, or longer than :data:`LONGEST_SIDE_PX`.

    Args:
        images: n of them, uint8 (H, W, 3).
        size_px: side of the network's images.
        device: where it is to be.
    """
    if len(images) == 1:
        return resample(upload(images[0][None], device), size_px)
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        groups.setdefault(image.shape, []).append(place)
    parts = [
        resample(upload_stack([images[i] for i in places], device), size_px)
        for places in groups.values()
    ]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort([place for places in groups.values() for place in places])
    return torch.cat(parts)[upload(order, device)]


def resample(images: Tensor, size_px: int) -> Tensor:
    """Resample uint8 (n, H, W, 3) by area to (n, S, S, 3), neither side smaller than S.

    As two matrix products in float32; within one level of :func:`resize_frame`, which rounds other
    sums.

    Args:
        images: uint8 (n, H, W, 3), on any device.
        size_px: side of the network's images.
    """
    count, height, width, channels = images.shape
    if (height, width) == (size_px, size_px):
        return images
    with torch.autocast(images.device.type, enabled=False):
        rows = area_weights(height, size_px, images.device) @ images.float().flatten(2)
        columns = rows.view(count * size_px, width, channels)
        means = area_weights(width, size_px, images.device) @ columns
    return means.view(count, size_px, size_px, channels).round_().clamp_(0, 255).to(torch.uint8)


@lru_cache(_KEPT_WEIGHTS)
def area_weights(side: int, size_px: int, device: torch.device) -> Tensor:
    """Return what part each of ``side`` pixels has in each of ``size_px`` means, float32 (S, side).

    The rows add up to 1.

    Args:
        side: of the image, pixels.
        size_px: side of the network's images.
        device: where it is to be.
    """
    scale = side / size_px
    edges = torch.arange(side + 1, dtype=torch.float64)
    starts = torch.arange(size_px, dtype=torch.float64).unsqueeze(1) * scale
    inside = edges.clamp(min=starts, max=starts + scale)
    return (inside.diff(dim=1) / scale).float().to(device)


class Pixels:
    """Images, resampled to the network's size."""

    def __init__(self, size_px: int, *, resize: bool) -> None:
        """Take images for a network.

        Args:
            size_px: side of what it sees.
            resize: whether all are resampled here, or only those that a device may not resample.
        """
        self._size_px, self._resize = size_px, resize

    def check(self, frame: Frame) -> None:
        """Raise ShapeError for an image that is not uint8 (H, W, 3)."""
        check_frame(frame)

    def prepare(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the image as the network sees it, (S, S, 3), or what is left to be resampled.

        Of a frame that is of one person it is the crop.
        """
        image = frame.image if frame.crop is None else cut_out(frame.image, frame.crop)
        if self._resize or not suits_device(image, self._size_px):
            return resize_image(image, self._size_px)
        return writable(image)

    def clear(self) -> None:
        """Do nothing: nothing is kept of a frame."""

    def empty(self) -> NDArray[np.uint8]:
        """Return no images."""
        return np.zeros((0, self._size_px, self._size_px, 3), np.uint8)

    def stack(self, arrays: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
        """Return images on a device, uint8 (n, S, S, 3).

        Args:
            arrays: n of :meth:`prepare`.
            device: where it is to be.
        """
        return stack_on(arrays, self._size_px, device)

    def example(self, rng: np.random.Generator, now_ns: int) -> Frame:
        """Return a frame of noise; a larger one where the device resamples it, too.

        Args:
            rng: what is drawn.
            now_ns: its stamp and arrival.
        """
        side_px = self._size_px * (1 if self._resize else 2)
        image = rng.integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
        return Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=image)
