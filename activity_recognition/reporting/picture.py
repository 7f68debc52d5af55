"""An image for people: a frame with the body's joints and what was decided about it drawn in.

The node's overlay, `watch --overlay` and live views draw with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.keypoints import KeyPoints, canonical_name
from activity_recognition.keypoints.figure import LIMB_COLOURS, OTHER, TRUNK
from activity_recognition.keypoints.skeletons import LIMBS, SIDES
from activity_recognition.reporting.scores import answer_of

WIDTH_PX = 640
"""Frames are scaled to this width, so that text and cost are the same for every camera."""
HEIGHTS_PX = (240, 1600)
"""Least and most height: an image of one column would be drawn as millions of rows."""
SCORES_SHOWN = 4
_EVIDENCE_PX = 46
_TEXT_SIZES = (0.45, 0.4, 0.35)
"""Of the evidence; the largest that fits is taken."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _GREY, _GREEN, _ORANGE = (255, 255, 255), (150, 150, 150), (90, 200, 90), (250, 160, 60)
_FARTHEST = 8
"""Joints are drawn that lie up to so many widths or heights of the image outside of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownEvidence:
    """What one modality contributed."""

    modality: str
    present: bool
    label: str = ''
    confidence: float = math.nan
    weight: float = math.nan
    """NaN where it was not measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownDecision:
    """A decision as it is drawn."""

    status: int
    """As in ``ActivityStamped``."""
    label: str
    confidence: float
    scores: tuple[tuple[str, float], ...] = ()
    """Label and probability, best first."""
    evidence: tuple[ShownEvidence, ...] = ()
    latency_s: float = math.nan
    """NaN where none is to be shown."""


def draw(
    image: NDArray[np.uint8] | None,
    decision: ShownDecision | None,
    key_points: KeyPoints | None = None,
) -> NDArray[np.uint8]:
    """Return an image, uint8 RGB (H, 640, 3): joints, label, confidence bars, evidence.

    Args:
        image: the newest frame, RGB (H, W, 3); None draws on black.
        decision: what is known of it; None where nothing was decided yet.
        key_points: of the body in it; None draws none.
    """
    canvas = _background(image)
    if key_points is not None:
        _draw_joints(canvas, key_points)
    _shade(canvas, 0, 40)
    if decision is None:
        _write(canvas, 'nothing decided yet', (10, 28), 0.8, _GREY)
        return canvas
    label = decision.label or answer_of(decision.status, '').strip('()')
    colour = _GREEN if decision.label else _ORANGE
    _write(canvas, f'{label} {decision.confidence:.0%}', (10, 28), 0.8, colour)
    if not math.isnan(decision.latency_s):
        _write(canvas, f'{decision.latency_s * 1e3:.0f} ms', (WIDTH_PX - 110, 28), 0.6, _WHITE)
    _draw_scores(canvas, decision.scores[:SCORES_SHOWN])
    _draw_evidence(canvas, decision.evidence)
    return canvas


def _background(image: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    if image is None:
        return np.zeros((WIDTH_PX * 3 // 4, WIDTH_PX, 3), np.uint8)
    least, most = HEIGHTS_PX
    height = min(max(round(image.shape[0] * WIDTH_PX / image.shape[1]), least), most)
    resized = cv2.resize(image, (WIDTH_PX, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(resized, dtype=np.uint8)


def _shade(canvas: NDArray[np.uint8], top: int, bottom: int) -> None:
    """Darken a stripe, so that writing can be read on any image."""
    canvas[top:bottom] //= 3


def _write(
    canvas: NDArray[np.uint8],
    text: str,
    place: tuple[int, int],
    size: float,
    colour: tuple[int, int, int],
) -> None:
    cv2.putText(canvas, text, place, _FONT, size, colour, 1, cv2.LINE_AA)


def _draw_joints(canvas: NDArray[np.uint8], points: KeyPoints) -> None:
    """Draw lines between joints that are connected, and a dot on each; the image stays visible."""
    height, width = canvas.shape[:2]
    scale = np.array([width / points.width_px, height / points.height_px])
    places = (points.joints_px.astype(np.float64) + 0.5) * scale - 0.5
    joints: dict[str, tuple[int, int]] = {}
    for name, place in zip(points.names, places, strict=True):
        if np.abs(place / (width, height)).max() <= _FARTHEST:  # not where it is NaN
            joints.setdefault(canonical_name(name) or name, (round(place[0]), round(place[1])))
    for one, other, colour in _bones(joints):
        cv2.line(canvas, joints[one], joints[other], colour, 3, cv2.LINE_AA)
    for name, place in joints.items():
        side = name.partition('_')[0]
        cv2.circle(canvas, place, 4, LIMB_COLOURS.get(side, OTHER), -1, cv2.LINE_AA)
        cv2.circle(canvas, place, 4, _WHITE, 1, cv2.LINE_AA)


def _bones(joints: Iterable[str]) -> Iterator[tuple[str, str, tuple[int, int, int]]]:
    """Yield the joints that are connected, of those that are there, and the colour."""
    there = set(joints)
    for side in SIDES:
        for limb in LIMBS:
            chain = [f'{side}_{part}' for part in limb if f'{side}_{part}' in there]
            for one, other in itertools.pairwise(chain):
                yield one, other, LIMB_COLOURS[side]
    for one, other in _TRUNK:
        if {one, other} <= there:
            yield one, other, TRUNK


_TRUNK = (
    ('left_shoulder', 'right_shoulder'),
    ('left_hip', 'right_hip'),
    *((f'{side}_shoulder', f'{side}_hip') for side in SIDES),
    *((f'{side}_ear', f'{side}_eye') for side in SIDES),
    *(('nose', f'{side}_eye') for side in SIDES),
)


def _draw_scores(canvas: NDArray[np.uint8], scores: Iterable[tuple[str, float]]) -> None:
    for row, (label, probability) in enumerate(scores):
        top = 52 + 24 * row
        length = round(180 * probability)
        cv2.rectangle(canvas, (10, top), (190, top + 18), (40, 40, 40), -1)
        cv2.rectangle(canvas, (10, top), (10 + length, top + 18), (60, 110, 200), -1)
        _write(canvas, f'{label} {probability:.0%}', (14, top + 14), 0.45, _WHITE)


def _draw_evidence(canvas: NDArray[np.uint8], evidence: tuple[ShownEvidence, ...]) -> None:
    """Write a column per modality: its name and numbers, and below them its own label."""
    bottom = canvas.shape[0]
    _shade(canvas, bottom - _EVIDENCE_PX, bottom)
    column = WIDTH_PX // max(len(evidence), 1)
    for index, item in enumerate(evidence):
        left, numbers = 10 + column * index, '-'
        if item.present:
            weight = '' if math.isnan(item.weight) else f' {item.weight:+.2f}'
            numbers = f'{item.confidence:.0%}{weight}'
        colour = _WHITE if item.present else _GREY
        lines = (f'{item.modality}: {numbers}', item.label if item.present else '')
        for text, height in zip(lines, (26, 8), strict=True):
            fitted, size = _fitted(text, column - 14)
            _write(canvas, fitted, (left, bottom - height), size, colour)


def _fitted(text: str, width: int) -> tuple[str, float]:
    """Return a text and its size such that it fits into a width, pixels; cut where it must be."""
    for size in _TEXT_SIZES:
        if _width(text, size) <= width:
            return text, size
    while text and _width(f'{text}..', size) > width:
        text = text[:-1]
    return f'{text}..', size


def _width(text: str, size: float) -> int:
    (width, _), _ = cv2.getTextSize(text, _FONT, size, 1)
    return int(width)
