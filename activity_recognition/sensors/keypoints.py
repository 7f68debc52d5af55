"""Key points of a body -> :class:`~activity_recognition.types.Frame`, drawn and as they are."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.errors import DecodeError
from activity_recognition.keypoints import SKELETONS, KeyPoints, draw_figure, name_fault, size_fault
from activity_recognition.modalities import ROLE_SPEC, Role
from activity_recognition.sensors.cdr import frame_id_of, header_stamp_ns
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.types import Frame

if TYPE_CHECKING:
    from activity_recognition.sensors.cdr import Message

KEY_POINT_TYPES = ROLE_SPEC[Role.IMAGE].stand_in_types
"""Types with the key points of one body that an image topic may have."""
KEY_POINTS_TYPE = 'activity_recognition/msg/KeyPoints'

_SKELETON = SKELETONS['rep155']


def decode_key_points(
    message: Message, arrival_ns: int, *, least_side_px: int = LEAST_SIDE_PX
) -> Frame:
    """Return the frame that shows a body: its key points, and a figure drawn of them.

    Args:
        message: an ``activity_recognition/KeyPoints`` or ``hri_msgs/Skeleton2D``. The latter does
            not say what shape the image has; it counts as square.
        arrival_ns: when it could be known; its stamp too where the header has none.
        least_side_px: the shorter side of the drawing is not longer than this.

    Raises:
        DecodeError: for a message that contradicts itself, or with names that cannot be.
    """
    stamp_ns = header_stamp_ns(message)
    points = _skeleton(message) if hasattr(message, 'skeleton') else _key_points(message)
    return Frame(
        stamp_ns=arrival_ns if stamp_ns is None else stamp_ns,
        arrival_ns=arrival_ns,
        image=draw_figure(points, least_side_px=least_side_px),
        key_points=points,
        frame_id=frame_id_of(message),
    )


def _key_points(message: Message) -> KeyPoints:
    width, height = int(message.width), int(message.height)
    if fault := size_fault(width, height):
        raise DecodeError(f'key point image size: {fault}')
    names = tuple(message.names)
    if fault := _fault(names):
        raise DecodeError(f'key point names: {fault}')
    x, y, scores = message.x, message.y, message.scores
    if not len(names) == len(x) == len(y) or len(scores) not in (0, len(names)):
        raise DecodeError(
            f'key point number: expected x, y and scores, where there are any, for each of '
            f'{len(names)} names, got {len(x)} x, {len(y)} y and {len(scores)} scores'
        )
    places = np.stack([x, y], axis=1)
    return KeyPoints.of(names, places, scores if len(scores) else None, (width, height))


def _skeleton(message: Message) -> KeyPoints:
    """Return the key points of a REP-155 skeleton; one without points is of nobody."""
    found = message.skeleton
    if len(found) not in (0, len(_SKELETON)):
        raise DecodeError(
            f'skeleton length: expected {len(_SKELETON)} points (REP-155), got {len(found)}'
        )
    values = np.full((len(_SKELETON), 3), np.nan, np.float32)
    if found:
        values[:] = [(point.x, point.y, point.c) for point in found]
    with np.errstate(over='ignore'):  # what becomes infinite is missing
        places = values[:, :2] * np.float32(LEAST_SIDE_PX)
    return KeyPoints.of(_SKELETON, places, values[:, 2], (LEAST_SIDE_PX, LEAST_SIDE_PX))


# A tracker sends the same names with every message.
@lru_cache(maxsize=64)
def _fault(names: tuple[str, ...]) -> str | None:
    return name_fault(names)
