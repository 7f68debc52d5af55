"""Follows one person through the images of a stream, and says where the joints are.

What is found depends on the images admitted since the last reset, and on nothing else: so it is the
same on the robot and over a whole recording.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import VideoConfig
from activity_recognition.errors import CheckpointError, quoted
from activity_recognition.front_ends.blazepose import BlazePose, BlazePoseDetector
from activity_recognition.front_ends.movenet import MoveNet
from activity_recognition.front_ends.pose_network import PoseNetwork
from activity_recognition.front_ends.regions import Region
from activity_recognition.keypoints.points import KeyPoints
from activity_recognition.models.exposure import gain_of_level
from activity_recognition.types import Crop, to_ns
from activity_recognition.weights import identity

VERSION = 1
"""Of what is found in an image by the same weights; part of the key of kept key points."""
LEAST_SCORE = 0.3
"""Joints of a lower score are missing."""
LEAST_FOUND = 4
"""Where fewer joints are found, nobody is there."""
_MISSING = np.array([np.nan, np.nan, 0.0])
"""Place and score of a joint that was not found."""
_EVERY = 16
"""One pixel in so many, along each side, tells an image's level, and most changes."""
_VIEWS = (1.0, 2 / 3)
"""Sides of the squares that are searched, in units of the image's shorter side."""
_FORGOTTEN_NS = to_ns(1.0)
"""After so long without an image, a person is looked for everywhere again."""


class PersonSearch:
    """Looks for a person in every so many images: in the whole, then in parts of it, by turns."""

    def __init__(self, detector: BlazePoseDetector, every: int) -> None:
        """Begin a stream.

        Args:
            detector: keeps nothing, so that streams may share it.
            every: images without a person of which one is searched, at least 1.
        """
        self._detector, self._every = detector, every
        self.clear()

    def clear(self) -> None:
        """Begin with the next image, and with the whole of it."""
        self._images = 0

    def find(self, image: NDArray[np.uint8], gain: float) -> Region | None:
        """Return where a person is, if this image is searched and one is found.

        Args:
            image: uint8 RGB (H, W, 3), in which nobody is followed.
            gain: by which levels are multiplied first.
        """
        turn, rest = divmod(self._images, self._every)
        self._images += 1
        if rest:
            return None
        parts = views(image)
        person = self._detector.find(image, parts[turn % len(parts)], gain)
        return None if person is None else person.region


def views(image: NDArray[np.uint8]) -> list[Region]:
    """Return the parts of an image in which people are looked for: all of it, and smaller squares.

    People who are small in the whole image are large enough in a square of the image's shorter
    side, and in one of two thirds of that. Squares overlap by half and more.

    Args:
        image: uint8 (H, W, 3).
    """
    height, width = image.shape[:2]
    found = [Region.whole(image)]
    for part in _VIEWS:
        side = part * min(height, width)
        for y in _spread(height, side):
            found += [Region(x, y, side) for x in _spread(width, side)]
    return found


def _spread(length: int, side: float) -> NDArray[np.float64]:
    """Return the centres of squares that overlap by half and more, along one side of an image."""
    count = 1 + int(np.ceil(2 * (length - side) / side - 1e-9))
    return np.linspace(side / 2, length - side / 2, count)


class PersonTracker:
    """One stream's person."""

    def __init__(
        self, network: PoseNetwork, search: PersonSearch | None = None, *, brightens: bool = True
    ) -> None:
        """Begin a stream.

        Args:
            network: keeps nothing, so that streams may share it.
            search: of this stream; None where the network alone looks for people.
            brightens: whether dark images are brightened first.
        """
        self._network, self._search, self._brightens = network, search, brightens
        self.clear()

    def clear(self) -> None:
        """Forget everything that was seen."""
        self._region: Region | None = None
        self._stamp_ns: int | None = None
        self._image: NDArray[np.uint8] | None = None
        self._some = b''
        self._crop: Crop | None = None
        self._found: KeyPoints | None = None
        if self._search is not None:
            self._search.clear()

    def find(self, image: NDArray[np.uint8], stamp_ns: int, crop: Crop | None = None) -> KeyPoints:
        """Return the key points in the stream's next image; all are missing where nobody is.

        An image like the one before has its key points, without any work.

        Args:
            image: uint8 RGB (H, W, 3); it must not change afterwards.
            stamp_ns: later than those before.
            crop: where the person is, if somebody knows: nobody is looked for elsewhere, and who is
                followed must not leave it.
        """
        silent = self._stamp_ns is not None and stamp_ns - self._stamp_ns > _FORGOTTEN_NS
        self._stamp_ns = stamp_ns
        some = image[::_EVERY, ::_EVERY].tobytes()
        if self._found is not None and crop == self._crop and self._is_like(image, some):
            return self._found
        if silent or self._image is None or self._image.shape != image.shape:
            self._region = None
        level = int(np.frombuffer(some, np.uint8).sum()) / len(some)
        points = self._points(image, level, crop)
        self._image, self._some, self._crop = image, some, crop
        self._found = _key_points(points, self._network.names, image)
        return self._found

    def _is_like(self, image: NDArray[np.uint8], some: bytes) -> bool:
        """Return whether an image is the one before; mostly, some of its pixels tell."""
        if self._image is None or image.shape != self._image.shape:
            return False
        return some == self._some and np.array_equal(image, self._image)

    def _points(
        self, image: NDArray[np.uint8], level: float, crop: Crop | None
    ) -> NDArray[np.float64]:
        """Return what is found, (J, 3), and remember where to look next; ``level`` is the mean."""
        # No less than 1: what is bright is no harder to see.
        gain = max(1.0, gain_of_level(level)) if self._brightens else 1.0
        if crop is not None:
            return self._points_in(image, crop, gain)
        region, followed = self._region, self._region is not None
        if region is None and self._search is not None:
            region = self._search.find(image, gain)
        if region is None and self._network.sees_whole_images:
            region = Region.whole(image)
        if region is None:
            return np.zeros((len(self._network.names), 3))
        points, self._region = self._network.find(image, region, gain)
        if followed and self._region is None and self._search is not None:
            self._search.clear()
        return points

    def _points_in(self, image: NDArray[np.uint8], crop: Crop, gain: float) -> NDArray[np.float64]:
        """Return the key points of who is in a crop, (J, 3)."""
        whole = Region(crop.left + crop.side / 2, crop.top + crop.side / 2, float(crop.side))
        followed = self._region
        region = followed if followed is not None and _is_about(followed, whole) else whole
        points, self._region = self._network.find(image, region, gain)
        return points


def _is_about(region: Region, crop: Region) -> bool:
    """Return whether a region that was followed is of the person whom a crop is around."""
    off = max(abs(region.x - crop.x), abs(region.y - crop.y))
    return off < crop.side / 4 and crop.side / 2 < region.side < crop.side * 2


def finder_identity(video: VideoConfig) -> dict[str, Any]:
    """Return all that the key points found in an image depend on.

    Args:
        video: of a network with a pose network before it.
    """
    return {
        'version': VERSION,
        'weights': [identity(name) for name in video.backbone_weights],
        'search_every': video.search_every,
        'exposure': video.exposure,
    }


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
    every = video.search_every
    return PersonTracker(
        _NETWORKS[video.backbone](),
        PersonSearch(BlazePoseDetector(), every) if every else None,
        brightens=video.exposure == 'normalise',
    )


_NETWORKS: dict[str, Callable[[], PoseNetwork]] = {'movenet': MoveNet, 'blazepose': BlazePose}


def _key_points(
    found: NDArray[np.float64], names: tuple[str, ...], image: NDArray[np.uint8]
) -> KeyPoints:
    """Return what was found well enough; a pose network's places are finite."""
    seen = found[:, 2] >= LEAST_SCORE
    if np.count_nonzero(seen) < LEAST_FOUND:
        seen[:] = False
    kept = np.where(seen[:, None], found, _MISSING).astype(np.float32)
    height, width = image.shape[:2]
    return KeyPoints(
        names=names, joints_px=kept[:, :2], scores=kept[:, 2], width_px=width, height_px=height
    )
