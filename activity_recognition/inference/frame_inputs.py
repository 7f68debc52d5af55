"""What a network takes of a frame: its pixels at the network's size, or its key points.

Shapes: n frames, S image side, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.config import VideoConfig
from activity_recognition.errors import ShapeError
from activity_recognition.inference.precision import upload_stack
from activity_recognition.inference.resizing import Pixels
from activity_recognition.keypoints.figure import draw_figure
from activity_recognition.keypoints.joints import joint_array
from activity_recognition.keypoints.points import KeyPoints
from activity_recognition.types import Frame

FrameArray = NDArray[np.uint8] | NDArray[np.float32]
_LISTED = 6
"""Joints that an error names."""


class FrameInput(Protocol):
    """From frames to what goes into the network."""

    def check(self, frame: Frame) -> None:
        """Raise ShapeError for a frame without what the network takes."""

    def prepare(self, frame: Frame) -> FrameArray:
        """Return what the network takes of a frame, which was checked."""

    def empty(self) -> FrameArray:
        """Return what no frame is, as an array of recordings."""

    def stack(self, arrays: Sequence[Any], device: torch.device) -> Tensor:
        """Return what was prepared of n frames on a device, in their order.

        Args:
            arrays: n of :meth:`prepare`.
            device: where it is to be.
        """

    def example(self, rng: np.random.Generator, now_ns: int) -> Frame:
        """Return a made-up frame.

        Args:
            rng: what is drawn.
            now_ns: its stamp and arrival.
        """


class Joints:
    """Key points, found by their names."""

    def __init__(self, joints: tuple[str, ...]) -> None:
        """Take the key points of these names."""
        self._joints = joints

    def check(self, frame: Frame) -> None:
        """Raise ShapeError for a frame without key points."""
        if frame.key_points is None:
            listed = ', '.join(self._joints[:_LISTED])
            more = ', …' if len(self._joints) > _LISTED else ''
            raise ShapeError(
                f'frame: expected key points ({listed}{more}), which this network takes, got an '
                f'image of {frame.image.shape}; give it messages with key points, or take a '
                'network that sees images'
            )

    def prepare(self, frame: Frame) -> NDArray[np.float32]:
        """Return places and scores, (J, 3); zeros where a joint is missing."""
        assert frame.key_points is not None, 'the frame was not checked'
        return joint_array(frame.key_points, self._joints)

    def empty(self) -> NDArray[np.float32]:
        """Return no key points."""
        return np.zeros((0, len(self._joints), 3), np.float32)

    def stack(self, arrays: Sequence[NDArray[np.float32]], device: torch.device) -> Tensor:
        """Return key points on a device, float32 (n, J, 3).

        Args:
            arrays: n of :meth:`prepare`.
            device: where it is to be.
        """
        return upload_stack(arrays, device)

    def example(self, rng: np.random.Generator, now_ns: int) -> Frame:
        """Return a frame with joints anywhere.

        Args:
            rng: what is drawn.
            now_ns: its stamp and arrival.
        """
        points = random_points(self._joints, rng)
        image = draw_figure(points, least_side_px=_SIDE_PX)
        return Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=image, key_points=points)


_SIDE_PX = 64


def random_points(joints: tuple[str, ...], rng: np.random.Generator) -> KeyPoints:
    """Return joints anywhere in a small image.

    Args:
        joints: their names.
        rng: what is drawn.
    """
    places = rng.uniform(0, _SIDE_PX, (len(joints), 2))
    return KeyPoints.of(joints, places, rng.uniform(0.1, 1, len(joints)), (_SIDE_PX, _SIDE_PX))


def frame_input(video: VideoConfig, *, resize: bool = True) -> FrameInput:
    """Return what a network takes of a frame.

    Args:
        video: of the network.
        resize: whether images are resampled on the host.
    """
    if video.key_points:
        return Joints(video.joints)
    return Pixels(video.input_size_px, resize=resize)
