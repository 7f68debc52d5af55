"""What a network takes of a frame: its pixels at the network's size, or key points.

Key points come with the frame, or are found in its image by a frozen network (ADR 41).

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
from activity_recognition.front_ends.pose import make_tracker
from activity_recognition.inference.precision import upload_stack
from activity_recognition.inference.resizing import Pixels, check_frame
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

    def clear(self) -> None:
        """Forget the frames before."""

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

    def clear(self) -> None:
        """Do nothing: nothing is kept of a frame."""

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


class FoundJoints(Joints):
    """Key points, found in images by a pose network; those that a frame already has are taken."""

    def __init__(self, video: VideoConfig) -> None:
        """Begin a stream.

        Args:
            video: of the network.

        Raises:
            CheckpointError: it was trained with another pose network of this name.
            MissingExtraError: LiteRT is not installed.
            WeightsError: the pose network is not on this machine.
        """
        super().__init__(video.joints)
        self._tracker = make_tracker(video)
        self._side_px = video.least_side_px

    def check(self, frame: Frame) -> None:
        """Raise ShapeError for an image that is not uint8 (H, W, 3)."""
        if frame.key_points is None:
            check_frame(frame)

    def prepare(self, frame: Frame) -> NDArray[np.float32]:
        """Return places and scores, (J, 3); zeros where a joint is missing."""
        points = frame.key_points or self._tracker.find(frame.image, frame.stamp_ns, frame.crop)
        return joint_array(points, self._joints)

    def clear(self) -> None:
        """Forget the person who was followed."""
        self._tracker.clear()

    def example(self, rng: np.random.Generator, now_ns: int) -> Frame:
        """Return an image of noise.

        Args:
            rng: what is drawn.
            now_ns: its stamp and arrival.
        """
        image = rng.integers(0, 256, (self._side_px, self._side_px, 3), dtype=np.uint8)
        return Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=image)


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

    Raises:
        CheckpointError: the network was trained with another pose network.
        MissingExtraError: a pose network needs LiteRT, which is not installed.
        WeightsError: the pose network is not on this machine.
    """
    if video.finds_key_points:
        return FoundJoints(video)
    if video.key_points:
        return Joints(video.joints)
    return Pixels(video.input_size_px, resize=resize)
