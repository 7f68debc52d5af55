"""What strips of a preview are drawn with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.models.tokenizer import TextTokenizer

FRAME_PX = 128
"""Side of a frame."""
COLUMNS = 10
"""Frames of a crop that are shown, evenly over it."""
WIDTH_PX = COLUMNS * FRAME_PX
FONT = cv2.FONT_HERSHEY_SIMPLEX

Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """What the rows of one strip share."""

    across: Callable[[int], int]
    """From a stamp to a place from left to right, pixels."""
    tokenizer: TextTokenizer
    """Of the crop's token ids."""
    joints: tuple[str, ...] = ()
    """Of the crop's key points; empty where frames are images."""


def empty_row(height_px: int) -> Image:
    """Return a black row of a strip."""
    return np.zeros((height_px, WIDTH_PX, 3), np.uint8)


def write_text(image: Image, text: str, left: int, bottom: int) -> None:
    """Write on an image, readable on anything.

    Args:
        image: is written on.
        text: one line.
        left: edge of the first letter, pixels.
        bottom: base line, pixels.
    """
    # A thicker font below would not do as an outline: its letters are wider.
    places = [((0, 0, 0), x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    for colour, x, y in (*places, ((255, 255, 160), 0, 0)):
        place = (left + x, bottom + y)
        cv2.putText(image, text, place, FONT, 0.4, colour, 1, cv2.LINE_AA)
