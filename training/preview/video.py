"""Frames: every column's newest; a column without one stays black, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.keypoints.figure import draw_figure
from activity_recognition.keypoints.joints import points_of_array
from activity_recognition.training.preview.canvas import (
    COLUMNS,
    FRAME_PX,
    Image,
    Scale,
    empty_row,
    write_text,
)


def draw(crop: Mapping[str, NDArray[Any]], scale: Scale) -> Image:
    """Draw a row of a strip.

    Args:
        crop: arrays of a crop.
        scale: what the rows share.
    """
    row = empty_row(FRAME_PX)
    places = np.array([scale.across(int(stamp)) // FRAME_PX for stamp in crop['frame_stamps']])
    for column in range(COLUMNS):
        inside = np.flatnonzero(places == column)
        if len(inside):
            frame = crop['frames'][inside[-1]]
            scaled = cv2.resize(
                _drawn(frame, scale.joints) if scale.joints else frame,
                (FRAME_PX, FRAME_PX),
                interpolation=cv2.INTER_AREA,
            )
            row[:, column * FRAME_PX : (column + 1) * FRAME_PX] = scaled
        else:
            write_text(row, 'no frame', column * FRAME_PX + 34, FRAME_PX // 2)
    return row


def _drawn(values: NDArray[np.float32], joints: tuple[str, ...]) -> Image:
    """Draw key points (J, 3) as a figure."""
    return draw_figure(points_of_array(values, joints, FRAME_PX), least_side_px=FRAME_PX)
