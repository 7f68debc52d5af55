"""Places in space to pixels, by a camera without distortion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAREST_M = 0.05
"""What is nearer to the camera, or behind it, has no pixel."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PinholeCamera:
    """A camera as in ``sensor_msgs/CameraInfo``: what is seen through it lies in its optical frame.

    Optical frames have x to the right of the image, y down and z ahead (REP 103).
    """

    matrix: NDArray[np.float64]
    """(3, 3), ``k``: focal lengths and principal point, pixels."""
    pose: NDArray[np.float64]
    """(4, 4), from the frame that places are given in to the optical frame, metres."""

    def project(self, places_m: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return pixels, (..., 2), of places, (..., 3), metres; NaN where there are none."""
        seen = places_m.astype(np.float64) @ self.pose[:3, :3].T + self.pose[:3, 3]
        with np.errstate(invalid='ignore'):
            depth = np.where(seen[..., 2:] >= NEAREST_M, seen[..., 2:], np.nan)
        # NumPy: a product with a row of NaN is NaN, so what is missing stays so.
        return np.asarray(((seen / depth) @ self.matrix.T)[..., :2], np.float32)
