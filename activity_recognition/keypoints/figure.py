"""A body's key points drawn as a figure, for networks that see pixels.

Left and right limbs have colours of their own, and thickness follows the body's size, so that the
drawing shows what a photograph would: which limb is where, how near, and how it moves.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import cv2
import numpy as np

from activity_recognition.keypoints.skeletons import LIMBS, SIDES, canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from activity_recognition.keypoints.points import KeyPoints

    Place = NDArray[np.float64]
    """x and y in the drawing, pixels."""

BACKGROUND = (112, 116, 120)
TRUNK = (64, 160, 92)
HEAD = (232, 190, 150)
FACE = (48, 36, 36)
LIMB_COLOURS = {'left': (66, 104, 220), 'right': (220, 76, 60)}
OTHER = (200, 200, 60)
"""Of key points whose names say no part of the body."""

_SHIFT = 4
"""Binary places of the coordinates that OpenCV draws at."""
_LONGEST_RATIO = 4
_FARTHEST_RATIO = 8
_LEG_SHADE = 0.8
_TRUNK_WIDTH, _LEG_WIDTH, _ARM_WIDTH, _HEAD_RADIUS = 0.3, 0.24, 0.18, 0.24
"""Parts of the trunk's length."""


def canvas_size(width_px: int, height_px: int, least_side_px: int) -> tuple[int, int]:
    """Return width and height of the drawing that is drawn for an image.

    Args:
        width_px: of the image.
        height_px: of the image.
        least_side_px: as long as the shorter side becomes where it is longer; the longer one
            becomes at most four times as long.
    """
    shorter, longer = sorted((width_px, height_px))
    scale = min(1.0, least_side_px / shorter, _LONGEST_RATIO * least_side_px / longer)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def draw_figure(points: KeyPoints, *, least_side_px: int) -> NDArray[np.uint8]:
    """Return a drawing of a body, uint8 RGB (H, W, 3); without any joint, the background.

    Args:
        points: what is drawn; joints that are missing, and limbs without two joints, are left out.
        least_side_px: what the drawing keeps of the image's size, see :func:`canvas_size`.
    """
    width, height = canvas_size(points.width_px, points.height_px, least_side_px)
    drawing: NDArray[np.uint8] = np.full((height, width, 3), BACKGROUND, np.uint8)
    scale = np.array([width / points.width_px, height / points.height_px])
    places = (points.joints_px.astype(np.float64) + 0.5) * scale - 0.5
    farthest = _FARTHEST_RATIO * max(width, height)
    joints: dict[str, Place] = {}
    others: list[Place] = []
    for name, place in zip(points.names, places, strict=True):
        if not np.abs(place).max() <= farthest:  # also where it is NaN
            continue
        known = canonical_name(name)
        if known is None:
            others.append(place)
        else:
            joints.setdefault(known, place)
    _Figure(drawing, joints, others).draw()
    return drawing


class _Figure:
    """One figure in one drawing."""

    def __init__(
        self, drawing: NDArray[np.uint8], joints: dict[str, Place], others: Sequence[Place]
    ) -> None:
        self._drawing = drawing
        self._joints = joints
        self._others = others
        self._neck = self._first_or_middle('neck', 'shoulder')
        self._hips = self._first_or_middle('hip_centre', 'hip')
        limit = max(drawing.shape[:2])
        self._size = min(max(self._body_size(), 4.0), float(limit))

    def draw(self) -> None:
        """Draw legs, trunk, head and arms, in this order: arms are mostly before the body."""
        for place in self._others:
            self._disc(place, max(0.05 * self._size, 1.5), OTHER)
        self._limbs(LIMBS[0], _LEG_WIDTH, _LEG_SHADE)
        self._trunk()
        self._head()
        self._limbs(LIMBS[1], _ARM_WIDTH, 1.0)

    def _first_or_middle(self, name: str, part: str) -> Place | None:
        if name in self._joints:
            return self._joints[name]
        pair = [self._joints[key] for side in SIDES if (key := f'{side}_{part}') in self._joints]
        return np.mean(pair, axis=0) if pair else None

    def _body_size(self) -> float:
        """Return the trunk's length as it would be seen upright, pixels.

        Whatever is seen end-on looks shorter, so the largest of several guesses is taken.
        """
        guesses = [
            factor * _distance(self._joints[one], self._joints[other])
            for one, other, factor in _PROPORTIONS
            if one in self._joints and other in self._joints
        ]
        if self._neck is not None and self._hips is not None:
            guesses.append(_distance(self._neck, self._hips))
        places = [*self._joints.values(), *self._others]
        if not guesses and places:
            guesses.append(0.3 * float(np.ptp(places, axis=0).max()))
        return max(guesses, default=0.0)

    def _limbs(self, limb: Sequence[str], width: float, shade: float) -> None:
        for side in SIDES:
            colour = tuple(round(shade * channel) for channel in LIMB_COLOURS[side])
            chain = [
                self._joints[key] for part in limb if (key := f'{side}_{part}') in self._joints
            ]
            for place, (start, end) in enumerate(itertools.pairwise(chain)):
                self._bar(start, end, width * self._size * (1 - 0.15 * place), colour)
            if len(chain) == 1:
                self._disc(chain[0], width * self._size / 2, colour)

    def _trunk(self) -> None:
        if self._neck is not None and self._hips is not None:
            self._bar(self._neck, self._hips, _TRUNK_WIDTH * self._size, TRUNK)
        corners = [
            self._joints.get(name)
            for name in ('left_shoulder', 'right_shoulder', 'right_hip', 'left_hip')
        ]
        there = [corner for corner in corners if corner is not None]
        if len(there) == len(corners):
            hull = cv2.convexHull(_fixed(np.array(there)))
            cv2.fillConvexPoly(self._drawing, hull, TRUNK, cv2.LINE_AA, _SHIFT)
        for one, other in ((0, 1), (2, 3)):
            start, end = corners[one], corners[other]
            if start is not None and end is not None:
                self._bar(start, end, 0.6 * _ARM_WIDTH * self._size, TRUNK)

    def _head(self) -> None:
        """Draw neck and head, and on it what is known of the face, which says where it looks."""
        face = [self._joints[key] for key in _FACE if key in self._joints]
        middle = self._joints.get('head')
        if middle is None:
            ears = [self._joints[key] for key in _FACE[3:] if key in self._joints]
            middle = np.mean(ears if len(ears) == 2 else face, axis=0) if face else None
        if middle is None:
            return
        if self._neck is not None:
            self._bar(self._neck, middle, 0.6 * _ARM_WIDTH * self._size, HEAD)
        self._disc(middle, _HEAD_RADIUS * self._size, HEAD)
        for key in _FACE[:3]:
            if key in self._joints:
                self._disc(self._joints[key], 0.04 * self._size, FACE)

    def _bar(self, start: Place, end: Place, width: float, colour: tuple[int, ...]) -> None:
        thickness = max(1, round(width))
        first, last = (tuple(map(int, _fixed(place))) for place in (start, end))
        cv2.line(self._drawing, first, last, colour, thickness, cv2.LINE_AA, _SHIFT)

    def _disc(self, centre: Place, radius: float, colour: tuple[int, ...]) -> None:
        place = tuple(map(int, _fixed(centre)))
        size = max(1, round(radius * (1 << _SHIFT)))
        cv2.circle(self._drawing, place, size, colour, -1, cv2.LINE_AA, _SHIFT)


_FACE = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')


def _proportions() -> Iterator[tuple[str, str, float]]:
    for side in SIDES:
        yield f'{side}_hip', f'{side}_knee', 1.1
        yield f'{side}_knee', f'{side}_ankle', 1.1
        yield f'{side}_shoulder', f'{side}_elbow', 1.6
        yield f'{side}_elbow', f'{side}_wrist', 1.8
    yield 'left_shoulder', 'right_shoulder', 1.3


_PROPORTIONS = tuple(_proportions())
"""Two joints, and how many times as long as their distance the trunk is, about."""


def _distance(one: Place, other: Place) -> float:
    return float(np.hypot(*(one - other)))


def _fixed(places: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(places * (1 << _SHIFT)).astype(np.int32)
