"""What a pose network gives of one image, and what all of them have in common."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from activity_recognition.front_ends.regions import Region


class Pose(NamedTuple):
    """What was found in a region of an image."""

    points: NDArray[np.float64]
    """(J, 3): x and y in the image, pixels, and score."""
    following: Region | None
    """Where to look in the next image; None where nobody is to be followed."""


class PoseNetwork(Protocol):
    """Finds the key points of one person in a part of an image; keeps nothing."""

    names: tuple[str, ...]
    """Of the J key points."""
    sees_whole_images: bool
    """Whether it finds somebody without being told where."""

    def find(self, image: NDArray[np.uint8], region: Region, gain: float = 1.0) -> Pose:
        """Return what is found.

        Args:
            image: uint8 RGB (H, W, 3).
            region: where somebody may be.
            gain: by which levels are multiplied first.
        """
