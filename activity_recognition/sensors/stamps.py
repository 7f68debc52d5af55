"""When a message happened: its header's stamp, or its arrival where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.errors import DecodeError
from activity_recognition.types import NANOSECONDS

if TYPE_CHECKING:
    from activity_recognition.sensors.cdr import Message

MAX_FRAME_ID = 1024
"""Longest name of a coordinate frame: what is recognised carries it on with every decision."""


def header_stamp_ns(message: Message) -> int | None:
    """Return the stamp in a message's header; None without a header or with a zero stamp.

    Raises:
        DecodeError: when the stamp is not a time.
    """
    header = getattr(message, 'header', None)
    stamp = getattr(header, 'stamp', None)
    if stamp is None:
        return None
    seconds, nanoseconds = int(stamp.sec), int(stamp.nanosec)
    if seconds < 0 or not 0 <= nanoseconds < NANOSECONDS:
        raise DecodeError(f'header stamp: not a time: sec={seconds}, nanosec={nanoseconds}')
    return seconds * NANOSECONDS + nanoseconds or None


def frame_id_of(message: Message) -> str:
    """Return the coordinate frame named in a message's header, empty where there is none.

    Raises:
        DecodeError: when the name is too long.
    """
    name = str(getattr(getattr(message, 'header', None), 'frame_id', ''))
    if len(name) > MAX_FRAME_ID:
        raise DecodeError(
            f'header frame_id: expected at most {MAX_FRAME_ID} characters, got {len(name)}; name '
            "the sensor's coordinate frame in the driver"
        )
    return name
