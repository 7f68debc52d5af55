"""Six curves over time: acceleration in red, green and blue above, angular velocity below.

What is missing or hidden is red.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.preview.canvas import (
    WIDTH_PX,
    Image,
    Scale,
    empty_row,
    write_text,
)

HEIGHT_PX = 96
RANGES = (20.0, 8.0)
"""Values at the edges of the halves, m/s² and rad/s."""
COLOURS = ((255, 110, 110), (110, 255, 110), (130, 160, 255))
"""Of x, y and z."""


def draw(crop: Mapping[str, NDArray[Any]], scale: Scale) -> Image:
    """Draw a row of a strip.

    Args:
        crop: arrays of a crop.
        scale: what the rows share.
    """
    row = empty_row(HEIGHT_PX)
    stamps, mask = crop['inertial_stamps'], crop['inertial_mask']
    length_ns = int(np.median(np.diff(stamps))) if len(stamps) > 1 else 0
    for block, stamp_ns, there in zip(crop['inertial_blocks'], stamps, mask, strict=True):
        end_ns = int(stamp_ns)
        left, right = scale.across(end_ns - length_ns), scale.across(end_ns)
        if right < 0 or left >= WIDTH_PX:
            continue
        if there:
            _curves(row, block, left, right)
        else:
            row[:, max(0, left) : right] = (90, 0, 0)
    if not mask.any():
        write_text(row, 'no inertial measurements', 4, HEIGHT_PX // 2)
    return row


def _curves(row: Image, block: NDArray[np.float32], left: int, right: int) -> None:
    """Draw the samples of a block (K, 6) between two columns."""
    half = HEIGHT_PX // 2
    x = left + (np.arange(len(block)) + 0.5) / len(block) * (right - left)
    for column, values in enumerate(block.T):
        quantity, axis = divmod(column, 3)
        share = np.clip(values / RANGES[quantity], -1, 1)
        y = half * quantity + (half - 1) * (1 - share) / 2
        points = np.rint(np.stack([x, y], axis=1)).astype(np.int32)
        cv2.polylines(row, [points], isClosed=False, color=COLOURS[axis])
