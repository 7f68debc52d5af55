"""A tracker that says where people are in each image, with the faults that trackers have.

It loses people whom others hide and who leave, finds them again under another id, overlooks some in
single images, and swaps ids where people meet. Who a body is, is recognised a little later.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.persons import Box, PersonRegion, Sighting
from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.poses import Pose
from activity_recognition.simulation.sampling.video import CAMERA_FRAME
from activity_recognition.types import NANOSECONDS, to_ns

if TYPE_CHECKING:
    from activity_recognition.simulation.crowd import Member
    from activity_recognition.simulation.simulation import Simulation

_LEAST_INSIDE = 0.3
"""Share of a body's box inside the image from which it is found."""
_MOST_HIDDEN = 0.8
"""Share of a box behind that of somebody nearer up to which it is found."""
_PATIENCE_S = 1.0
"""A body that is not seen for longer is another one to the tracker when it comes back."""
_JITTER = 0.01
"""Standard deviation of a box's edges, as a share of its sides."""
_DELAY_S = (0.04, 0.07)
"""From an image to what the tracker says of it."""
_KNOWN_AFTER_S = (0.2, 0.8)
_CORRECTED_AFTER_S = (1.0, 2.0)
"""How long it takes to recognise who a new body is, and to notice that ids were swapped."""


@dataclass(slots=True)
class _Follow:
    """What is known of one person."""

    body: str = ''
    """The tracker's id; empty before the first and after a loss."""
    seen_s: float = -1e9
    known: str = ''
    """The body that the person is said to have."""
    is_swapped: bool = False
    due_s: float | None = None
    """When the person is recognised as the body."""


@dataclass(slots=True)
class _Tracker:
    """Follows everybody from image to image."""

    simulation: Simulation
    rng: np.random.Generator
    follows: dict[str, _Follow]
    meeting: set[frozenset[str]] = field(default_factory=set)
    """Who is next to each other in the image."""
    num_bodies: int = 0

    def look(self, time_s: float) -> dict[str, Box]:
        """Take the next image; return the boxes of those who are found, by subject."""
        found = self._visible(time_s)
        for subject, follow in self.follows.items():
            self._follow(subject in found, follow, time_s)
        self._meet(found)
        for follow in self.follows.values():
            self._recognise(follow, time_s)
        return {
            subject: box
            for subject, box in found.items()
            if self.rng.random() >= self.simulation.config.missed_regions
        }

    def _visible(self, time_s: float) -> dict[str, Box]:
        """Return the boxes, cut at the image's edges, of those whom a tracker can find."""
        nearer: list[Box] = []
        found = {}
        for member in sorted(self.simulation.members, key=lambda item: _depth(item, time_s)):
            box = self.simulation.scene.box_of(member.actor, time_s)
            inside = self._inside(box)
            hidden = max((_shared(inside, other) for other in nearer), default=0.0)
            if _area(inside) >= _LEAST_INSIDE * _area(box) and hidden <= _MOST_HIDDEN:
                found[member.subject] = inside
            nearer.append(inside)
        return {name: found[name] for name in self.follows if name in found}

    def _inside(self, box: Box) -> Box:
        config = self.simulation.config
        return Box(
            max(box.left, 0.0),
            max(box.top, 0.0),
            min(box.right, float(config.width_px)),
            min(box.bottom, float(config.height_px)),
        )

    def _follow(self, is_found: bool, follow: _Follow, time_s: float) -> None:
        """Give somebody who appears an id, and take it from somebody who is gone for long."""
        if is_found:
            if not follow.body:
                self.num_bodies += 1
                follow.body = f'b{self.num_bodies}'
            follow.seen_s = time_s
        elif follow.body and time_s - follow.seen_s > _PATIENCE_S:
            follow.body = ''

    def _meet(self, found: dict[str, Box]) -> None:
        """Swap the ids of some of those who meet in the image."""
        touching = {
            frozenset((one, other))
            for one, other in itertools.combinations(found, 2)
            if found[one].touches(found[other])
        }
        for pair in sorted(touching - self.meeting, key=sorted):
            if self.rng.random() < self.simulation.config.id_swaps:
                one, other = (self.follows[name] for name in sorted(pair))
                one.body, other.body = other.body, one.body
                one.is_swapped = other.is_swapped = True
                one.due_s = other.due_s = None
        self.meeting = touching

    def _recognise(self, follow: _Follow, time_s: float) -> None:
        """Say which body somebody has, some time after it has become another one."""
        if follow.known == follow.body:
            follow.due_s, follow.is_swapped = None, False
        elif not follow.body:
            follow.known, follow.due_s, follow.is_swapped = '', None, False
        elif follow.due_s is None:
            after_s = _CORRECTED_AFTER_S if follow.is_swapped else _KNOWN_AFTER_S
            follow.due_s = time_s + float(self.rng.uniform(*after_s))
        elif time_s >= follow.due_s:
            follow.known, follow.due_s, follow.is_swapped = follow.body, None, False


def sightings(simulation: Simulation) -> Iterator[Sighting]:
    """Yield what the tracker says of each image, in order of arrival.

    Args:
        simulation: of several people; of one there is nothing to tell apart.
    """
    config = simulation.config
    rng = stream(config.seed, Stream.TRACKER)
    follows = {member.subject: _Follow() for member in simulation.members}
    tracker = _Tracker(simulation=simulation, rng=rng, follows=follows)
    newest_ns = 0
    for index in range(config.frame_count if follows else 0):
        stamp_ns = config.start_ns + round(index * NANOSECONDS / config.frame_rate_hz)
        newest_ns = max(newest_ns + 1, stamp_ns + to_ns(float(rng.uniform(*_DELAY_S))))
        found = tracker.look(index / config.frame_rate_hz)
        yield Sighting(
            stamp_ns=stamp_ns,
            arrival_ns=newest_ns,
            camera=CAMERA_FRAME,
            regions=tuple(
                PersonRegion(
                    body=follows[subject].body,
                    stamp_ns=stamp_ns,
                    arrival_ns=newest_ns,
                    box=_jittered(box, rng),
                    camera=CAMERA_FRAME,
                )
                for subject, box in found.items()
            ),
            bodies={subject: follow.known for subject, follow in follows.items()},
        )


def _depth(member: Member, time_s: float) -> float:
    return float(member.actor.choreography.pose(time_s)[Pose.Z])


def _area(box: Box) -> float:
    return max(box.right - box.left, 0.0) * max(box.bottom - box.top, 0.0)


def _shared(box: Box, other: Box) -> float:
    """Return which share of a box lies in another one."""
    common = Box(
        max(box.left, other.left),
        max(box.top, other.top),
        min(box.right, other.right),
        min(box.bottom, other.bottom),
    )
    return _area(common) / max(_area(box), 1e-9)


def _jittered(box: Box, rng: np.random.Generator) -> Box:
    width, height = box.right - box.left, box.bottom - box.top
    steps = rng.normal(0.0, _JITTER, 4) * (width, height, width, height)
    return Box(*(float(edge + step) for edge, step in zip(box, steps, strict=True)))
