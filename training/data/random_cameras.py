"""Cameras drawn at random around somebody: what joints in space look like from elsewhere.

T frames, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import ConfigError
from activity_recognition.keypoints.pinhole import PinholeCamera
from activity_recognition.settings import Ranged, setting

FOCAL_PX = 525.0
"""Focal length of an image 640 pixels wide, as of common depth cameras and webcams."""
SIZE_PX = (640, 480)


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraConfig(Ranged):
    """From where somebody is seen."""

    yaw_deg: float = setting(45.0, low=0.0, high=180.0)
    """Up to so far to the left or right of where the first camera stood, about the person."""
    low_deg: float = setting(-10.0, low=-80.0, high=80.0)
    high_deg: float = setting(30.0, low=-80.0, high=80.0)
    """From how far below and above, seen from the person's middle."""
    nearest_m: float = setting(1.8, low=0.5, high=50.0)
    farthest_m: float = setting(5.0, low=0.5, high=50.0)
    roll_deg: float = setting(5.0, low=0.0, high=90.0)
    """Up to so far the camera leans to a side."""
    beside: float = setting(0.2, low=0.0, high=1.0)
    """How far from the middle of the image the person's own may lie, a share of half its side."""

    def __post_init__(self) -> None:
        """Check that ranges have a beginning before their end."""
        Ranged.__post_init__(self)
        for low, high in (('low_deg', 'high_deg'), ('nearest_m', 'farthest_m')):
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(
                    f'{low} must not lie above {high}={getattr(self, high):g}, got '
                    f'{getattr(self, low):g}'
                )


def draw_camera(
    places_m: NDArray[np.floating], config: CameraConfig, rng: np.random.Generator
) -> PinholeCamera:
    """Draw a camera that looks at somebody.

    Args:
        places_m: joints (T, J, 3) in the optical frame of a first camera, which stands upright: x
            to the right, y down and z ahead, metres; NaN where missing.
        config: from where.
        rng: what is drawn.

    Returns:
        A camera whose pose is from that frame to its own.
    """
    middle = np.nanmedian(places_m.reshape(-1, 3).astype(np.float64), axis=0)
    yaw = np.radians(rng.uniform(-1, 1) * config.yaw_deg)
    pitch = np.radians(rng.uniform(config.low_deg, config.high_deg))
    roll = np.radians(rng.uniform(-1, 1) * config.roll_deg)
    distance_m = rng.uniform(config.nearest_m, config.farthest_m)
    width, height = SIZE_PX
    off_px = rng.uniform(-1, 1, 2) * config.beside * np.array(SIZE_PX) / 2
    matrix = np.array([[FOCAL_PX, 0.0, width / 2], [0.0, FOCAL_PX, height / 2], [0.0, 0.0, 1.0]])
    turn = _about(2, roll) @ _about(0, pitch) @ _about(1, yaw)
    pose = np.eye(4)
    pose[:3, :3] = turn
    pose[:3, 3] = np.array([*(off_px / FOCAL_PX * distance_m), distance_m]) - turn @ middle
    return PinholeCamera(matrix=matrix, pose=pose)


def _about(axis: int, angle_rad: float) -> NDArray[np.float64]:
    """Return the rotation about an axis, (3, 3)."""
    one, other = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[one, one] = turn[other, other] = np.cos(angle_rad)
    turn[one, other], turn[other, one] = -np.sin(angle_rad), np.sin(angle_rad)
    return turn
