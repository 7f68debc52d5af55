"""Follows one person through the images of a stream, and says where the joints are.

What is found depends on the images admitted since the last reset, and on nothing else: so it is the
same on the robot and over a whole recording.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import VideoConfig
from activity_recognition.errors import CheckpointError, quoted
from activity_recognition.front_ends.movenet import MoveNet
from activity_recognition.front_ends.regions import Region
from activity_recognition.keypoints.points import KeyPoints
from activity_recognition.types import to_ns
from activity_recognition.weights import identity

VERSION = 1
"""Of what is found in an image by the same weights; part of the key of kept key points."""
LEAST_SCORE = 0.3
"""Joints of a lower score are missing."""
LEAST_FOUND = 4
"""Where fewer joints are found, nobody is there."""
_FORGOTTEN_NS = to_ns(1.0)
"""After so long without an image, a person is looked for anew."""


class PoseNetwork(Protocol):
    """Finds the key points of one person in a part of an image."""

    names: tuple[str, ...]
    """Of the J key points."""

    def find(self, image: NDArray[np.uint8], region: Region) -> NDArray[np.float64]:
        """Return x and y in the image, pixels, and score of each key point, (J, 3).

        Args:
            image: uint8 RGB (H, W, 3).
            region: where somebody may be.
        """

    def follow(self, found: NDArray[np.float64], image: NDArray[np.uint8]) -> Region | None:
        """Return where to look in the next frame; None where that is everywhere.

        Args:
            found: of :meth:`find`, (J, 3).
            image: in which it was found.
        """


class PersonTracker:
    """One stream's person."""

    def __init__(self, network: PoseNetwork) -> None:
        """Begin a stream.

        Args:
            network: keeps nothing, so that streams may share it.
        """
        self._network = network
        self.clear()

    def clear(self) -> None:
        """Forget everything that was seen."""
        self._region: Region | None = None
        self._stamp_ns: int | None = None
        self._image: NDArray[np.uint8] | None = None
        self._found: KeyPoints | None = None

    def find(self, image: NDArray[np.uint8], stamp_ns: int) -> KeyPoints:
        """Return the key points in the stream's next image; all are missing where nobody is.

        An image like the one before has its key points, without any work.

        Args:
            image: uint8 RGB (H, W, 3); it must not change afterwards.
            stamp_ns: later than those before.
        """
        silent = self._stamp_ns is not None and stamp_ns - self._stamp_ns > _FORGOTTEN_NS
        self._stamp_ns = stamp_ns
        if self._found is not None and self._image is not None and _equal(image, self._image):
            return self._found
        if silent or self._image is None or self._image.shape != image.shape:
            self._region = None
        found = self._network.find(image, self._region or Region.whole(image))
        self._region = self._network.follow(found, image)
        self._image, self._found = image, _key_points(found, self._network.names, image)
        return self._found


def finder_identity(video: VideoConfig) -> dict[str, Any]:
    """Return all that the key points found in an image depend on.

    Args:
        video: of a network with a pose network before it.
    """
    return {'version': VERSION, 'weights': [identity(name) for name in video.backbone_weights]}


def make_tracker(video: VideoConfig) -> PersonTracker:
    """Return what follows the person in one stream's images, by the network of ``video.backbone``.

    Args:
        video: of a network with a pose network before it.

    Raises:
        CheckpointError: it was trained with another network of this name.
        MissingExtraError: LiteRT is not installed.
        WeightsError: a network is not on this machine.
    """
    found = tuple(identity(name) for name in video.backbone_weights)
    if video.backbone_sha256 and video.backbone_sha256 != found:
        raise CheckpointError(
            f'video.backbone {video.backbone}: trained with the network of SHA-256 '
            f'{quoted(", ".join(video.backbone_sha256), 200)}, this version of the package has '
            f'{", ".join(found)}; use the version that it was trained with, or train again'
        )
    return PersonTracker(MoveNet())


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Return whether two images are the same, mostly by a few of their pixels."""
    if one is other:
        return True
    if one.shape != other.shape or not np.array_equal(one[::16, ::16], other[::16, ::16]):
        return False
    return np.array_equal(one, other)


def _key_points(
    found: NDArray[np.float64], names: tuple[str, ...], image: NDArray[np.uint8]
) -> KeyPoints:
    """Return what was found well enough."""
    scores = np.where(found[:, 2] >= LEAST_SCORE, found[:, 2], 0.0)
    if np.count_nonzero(scores) < LEAST_FOUND:
        scores[:] = 0.0
    return KeyPoints.of(names, found[:, :2], scores, (image.shape[1], image.shape[0]))
