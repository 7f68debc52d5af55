"""The key points of one body at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MAX_SIDE_PX = 65_535
"""Width and height of an image that they may lie in."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeyPoints:
    """Where the joints of one body are in an image; a joint that is not seen is missing."""

    names: tuple[str, ...]
    """Of the J key points, as their source calls them; see
    :func:`~activity_recognition.keypoints.canonical_name`."""
    joints_px: NDArray[np.float32]
    """(J, 2), x to the right and y down in the image; NaN where missing, and perhaps outside of
    the image."""
    scores: NDArray[np.float32]
    """(J,), in [0, 1]; 0 where missing, 1 where the source has no scores."""
    width_px: int
    """Of the image that they lie in. A drawing of them may be smaller."""
    height_px: int

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        joints_px: ArrayLike,
        scores: ArrayLike | None,
        size_px: tuple[int, int],
    ) -> KeyPoints:
        """Return key points; what has no place or no score is missing.

        Args:
            names: of the J key points.
            joints_px: (J, 2); not finite where missing.
            scores: (J,), clipped to [0, 1], zero or NaN where missing; None where there are none.
            size_px: width and height of the image.
        """
        places = np.array(joints_px, np.float32)
        given = np.ones(len(places), np.float32) if scores is None else np.array(scores, np.float32)
        seen = np.isfinite(places).all(axis=1) & (given > 0)
        places[~seen] = np.nan
        return cls(
            names=names,
            joints_px=places,
            scores=np.where(seen, np.minimum(given, np.float32(1)), np.float32(0)),
            width_px=size_px[0],
            height_px=size_px[1],
        )


def size_fault(width_px: int, height_px: int) -> str | None:
    """Return what is wrong with the size of the image, if anything is.

    Args:
        width_px: of the image in which the points were found.
        height_px: likewise.
    """
    if 1 <= width_px <= MAX_SIDE_PX and 1 <= height_px <= MAX_SIDE_PX:
        return None
    return f'expected sides of 1 to {MAX_SIDE_PX} pixels, got {width_px} x {height_px}'
