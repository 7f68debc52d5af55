"""The image for people: the newest frame with what was decided about it, drawn when watched."""

from __future__ import annotations

import array
import functools
import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sensor_msgs.msg import Image

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time
    from numpy.typing import NDArray

    from activity_recognition.msg import ActivityStamped

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
_STATUS_WORDS = {1: 'unknown', 2: 'no data'}


def draw(image: NDArray[np.uint8] | None, message: ActivityStamped) -> NDArray[np.uint8]:
    """Return an image, uint8 RGB (H, 640, 3): label, confidence bars, evidence per modality.

    Args:
        image: the newest frame, RGB (H, W, 3); None draws on black.
        message: the decision.
    """
    canvas = _background(image)
    _shade(canvas, 0, 40)
    label = message.label or _STATUS_WORDS.get(message.status, '')
    colour = _GREEN if message.label else _ORANGE
    _write(canvas, f'{label} {message.confidence:.0%}', (10, 28), 0.8, colour)
    _write(canvas, f'{message.latency_s * 1e3:.0f} ms', (WIDTH_PX - 110, 28), 0.6, _WHITE)
    _draw_scores(canvas, message)
    _draw_evidence(canvas, message)
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


def _draw_scores(canvas: NDArray[np.uint8], message: ActivityStamped) -> None:
    for row, score in enumerate(message.scores[:SCORES_SHOWN]):
        top = 52 + 24 * row
        length = round(180 * score.probability)
        cv2.rectangle(canvas, (10, top), (190, top + 18), (40, 40, 40), -1)
        cv2.rectangle(canvas, (10, top), (10 + length, top + 18), (60, 110, 200), -1)
        _write(canvas, f'{score.label} {score.probability:.0%}', (14, top + 14), 0.45, _WHITE)


def _draw_evidence(canvas: NDArray[np.uint8], message: ActivityStamped) -> None:
    """Write a column per modality: its name and numbers, and below them its own label."""
    bottom = canvas.shape[0]
    _shade(canvas, bottom - _EVIDENCE_PX, bottom)
    column = WIDTH_PX // max(len(message.evidence), 1)
    for index, item in enumerate(message.evidence):
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


def to_image_message(image: NDArray[np.uint8], *, stamp: Time, frame_id: str) -> Image:
    """Return an RGB image as a message, through cv_bridge where it works.

    Args:
        image: RGB, (H, W, 3).
        stamp: of the header.
        frame_id: of the header.
    """
    bridge = _cv_bridge()
    message = bridge.cv2_to_imgmsg(image, encoding='rgb8') if bridge else _by_hand(image)
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


@functools.cache
def _cv_bridge() -> Any:
    """Return a CvBridge; None without one or with one made for another NumPy."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        bridge.cv2_to_imgmsg(np.zeros((1, 1, 3), np.uint8), encoding='rgb8')
    except Exception:
        return None
    return bridge


def _by_hand(image: NDArray[np.uint8]) -> Image:
    height, width, channels = image.shape
    message = Image(height=height, width=width, encoding='rgb8', step=width * channels)
    # Assigning an array spares the setter a check of every byte.
    data = array.array('B')
    data.frombytes(image.tobytes())
    message.data = data
    return message
