"""Joints in space -> pixels, by the camera that is described beside them in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from activity_recognition.bags.array_checks import demand_array
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.keypoints import PinholeCamera

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

KEYS = ('camera', 'camera_pose')
"""Names of the arrays: (3, 3) matrix of the camera, pixels, and (4, 4) where it is, metres."""
_FARTHEST_M = 200.0
_LOOKED_AT = 1000
"""Frames that show whether joints are in metres."""
_TURN_TOLERANCE = 1e-3


def pixels_of(
    path: Path, joints: NDArray[Any], arrays: Mapping[str, NDArray[Any]]
) -> NDArray[np.float32]:
    """Return joints in pixels, (T, J, 2).

    Args:
        path: of the file, to be named.
        joints: (T, J, 2), pixels, or (T, J, 3), metres, which need a camera.
        arrays: of the file.

    Raises:
        RecordingError: the camera is missing or none, or is not needed, or the joints are no
            metres.
    """
    if joints.shape[2] == 2:
        if given := [key for key in KEYS if key in arrays]:
            raise RecordingError(f'{path}: {given[0]}: joints in pixels need no camera')
        with np.errstate(over='ignore'):  # what becomes infinite is missing
            return joints.astype(np.float32)
    if 'camera' not in arrays:
        raise RecordingError(
            f'{path}: expected the array camera, the (3, 3) matrix that makes pixels of joints in '
            'metres'
        )
    camera = PinholeCamera(
        matrix=_matrix(path, arrays['camera']),
        pose=_pose(path, arrays['camera_pose']) if 'camera_pose' in arrays else np.eye(4),
    )
    with np.errstate(over='ignore', invalid='ignore'):  # what becomes infinite is missing
        distance = _median_distance(camera, joints[:: len(joints) // _LOOKED_AT + 1])
        if distance > _FARTHEST_M:
            raise RecordingError(
                f'{path}: joints: expected metres, but half of them are farther than '
                f'{distance:.4g} from the camera; divide millimetres by 1000'
            )
        return camera.project(joints)


def _median_distance(camera: PinholeCamera, joints: NDArray[Any]) -> float:
    places = joints.astype(np.float64) @ camera.pose[:3, :3].T + camera.pose[:3, 3]
    distances = np.linalg.norm(places, axis=-1)
    known = distances[~np.isnan(distances)]
    return float(np.median(known)) if known.size else 0.0


def _matrix(path: Path, camera: NDArray[Any]) -> NDArray[np.float64]:
    matrix = demand_array(path, 'camera', camera, (3, 3)).astype(np.float64)
    if not (
        np.isfinite(matrix).all()
        and matrix[0, 0] > 0
        and matrix[1, 1] > 0
        and matrix[1, 0] == 0
        and matrix[2].tolist() == [0, 0, 1]
    ):
        raise RecordingError(
            f'{path}: camera: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels, got '
            f'{quoted(matrix.tolist())}'
        )
    return matrix


def _pose(path: Path, pose: NDArray[Any]) -> NDArray[np.float64]:
    found = demand_array(path, 'camera_pose', pose, (4, 4)).astype(np.float64)
    turn = found[:3, :3]
    if not (
        np.isfinite(found).all()
        and found[3].tolist() == [0, 0, 0, 1]
        and np.abs(turn).max() < 2
        and np.abs(turn @ turn.T - np.eye(3)).max() < _TURN_TOLERANCE
        and np.linalg.det(turn) > 0
    ):
        raise RecordingError(
            f'{path}: camera_pose: expected a turn and a shift, without mirroring, from the frame '
            f'of the joints to the optical frame of the camera, got {quoted(found.tolist())}'
        )
    return found
