"""Where a person is in an image, and which image a region belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from activity_recognition.types import seconds_between

if TYPE_CHECKING:
    from activity_recognition.types import Frame

HELD_S = 0.3
"""How long a region stands for images after its own, seconds."""
REACH_PER_S = 3.0
"""How far a person moves in a second at most, in units of the longer side of the box: 1.7 m tall,
who runs past at 5 m/s. Whoever is faster begins again, which costs less than a wrong history."""


class Box(NamedTuple):
    """An upright rectangle in an image."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def longer_side(self) -> float:
        """Width or height, whichever is more."""
        return max(self.right - self.left, self.bottom - self.top)

    @property
    def centre(self) -> tuple[float, float]:
        """X and y of its middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def is_usable(self) -> bool:
        """Whether it is finite and has an area."""
        return all(map(math.isfinite, self)) and self.left < self.right and self.top < self.bottom

    def scaled(self, across: float, down: float) -> Box:
        """Return it in an image of another size.

        Args:
            across: factor of x.
            down: factor of y.
        """
        return Box(self.left * across, self.top * down, self.right * across, self.bottom * down)

    def grown(self, by: float) -> Box:
        """Return it with every edge moved outwards by so much."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def touches(self, other: Box) -> bool:
        """Return whether two boxes have a point in common."""
        return (
            self.left <= other.right
            and other.left <= self.right
            and self.top <= other.bottom
            and other.top <= self.bottom
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonRegion:
    """Where one body was in one image, as a tracker says."""

    body: str
    """Its id: the same for one body from image to image, never empty."""
    stamp_ns: int
    """Of the image."""
    arrival_ns: int
    box: Box
    """In pixels of the camera's image, or in shares of its sides."""
    is_normalised: bool = False
    """Whether ``box`` is in shares of the image's sides, from 0 to 1."""
    frame_id: str = ''
    """Coordinate frame of the body; empty where its source has none."""
    camera: str = ''
    """Coordinate frame of the camera whose image it is; empty where its source does not say."""

    def is_of(self, camera: str) -> bool:
        """Return whether it can be a region of a camera's images.

        Args:
            camera: coordinate frame of the images; empty where they do not say.
        """
        mine, theirs = self.camera.lstrip('/'), camera.lstrip('/')
        return not mine or not theirs or mine == theirs

    def box_in(self, frame: Frame) -> Box | None:
        """Return what of the box lies in a frame, pixels of its image; None where nothing does.

        Args:
            frame: whose image may be smaller than the camera's.
        """
        height, width = frame.image.shape[:2]
        full_width, full_height = frame.full_size or (width, height)
        if self.is_normalised:
            full_width = full_height = 1
        box = self.box.scaled(width / full_width, height / full_height)
        part = Box(
            max(box.left, 0.0), max(box.top, 0.0), min(box.right, width), min(box.bottom, height)
        )
        return part if part.is_usable else None

    def jumped_from(self, before: PersonRegion) -> bool:
        """Return whether no body can have moved here from where it was before.

        Its box then does not even touch the one before, grown by how far a person can run in the
        time between: the tracker gave the id to somebody else.

        Args:
            before: an earlier or later region of the same id and source.
        """
        apart_s = abs(seconds_between(self.stamp_ns, before.stamp_ns))
        reach = REACH_PER_S * apart_s * before.box.longer_side
        return not before.box.grown(reach).touches(self.box)


def match(
    regions: Iterable[PersonRegion],
    stamp_ns: int,
    *,
    tolerance_ns: int,
    held_ns: int,
    camera: str = '',
) -> PersonRegion | None:
    """Return the region that says where a body is in an image; None where none does.

    It is the one nearest in time: of the image itself, up to ``tolerance_ns`` after it, or the
    newest before it, up to ``held_ns`` old. Where two are equally near, it is the earlier one.

    Args:
        regions: of one body.
        stamp_ns: of the image.
        tolerance_ns: by how much the stamp of an image and of its regions may differ.
        held_ns: how old a region may be.
        camera: coordinate frame of the image; regions of another one are none of it.
    """
    best, best_ns = None, 0
    for region in regions:
        after_ns = region.stamp_ns - stamp_ns
        apart_ns = abs(after_ns)
        limit_ns = tolerance_ns if after_ns > 0 else max(held_ns, tolerance_ns)
        if apart_ns > limit_ns or not region.is_of(camera):
            continue
        if best is None or (apart_ns, after_ns) < (best_ns, best.stamp_ns - stamp_ns):
            best, best_ns = region, apart_ns
    return best
