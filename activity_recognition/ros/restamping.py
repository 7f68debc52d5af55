"""Moves the stamp in a serialised message, without looking at the rest of it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from activity_recognition.types import NANOSECONDS

_STAMP_END = 12
"""Encapsulation header (4 bytes), then ``sec`` and ``nanosec`` of a leading std_msgs/Header."""
_BIG_ENDIAN, _LITTLE_ENDIAN = struct.Struct('>iI'), struct.Struct('<iI')


@dataclass(frozen=True, kw_only=True, slots=True)
class StampMap:
    """Times of a recording to times of the clock they are played on."""

    recording_ns: int
    live_ns: int
    """The live time of ``recording_ns``."""
    rate: float = 1.0
    """Recorded seconds per live second."""

    def live(self, recording_ns: int) -> int:
        """Return the live time of a recorded one; distances shrink by ``rate``."""
        distance = recording_ns - self.recording_ns
        # At rate 1 the sum stays one of integers.
        return self.live_ns + (distance if self.rate == 1.0 else round(distance / self.rate))


def restamp(cdr: bytes | memoryview, stamps: StampMap) -> bytes:
    """Return a message that begins with a Header with its stamp moved to live time.

    A stamp of zero means unset in ROS and stays zero, as does one that would not fit. A buffer too
    short for a stamp is returned as it is.
    """
    if len(cdr) < _STAMP_END:
        return bytes(cdr)
    layout = _LITTLE_ENDIAN if cdr[1] & 1 else _BIG_ENDIAN
    seconds, nanoseconds = layout.unpack_from(cdr, 4)
    if not (seconds or nanoseconds):
        return bytes(cdr)
    moved_s, moved_ns = divmod(stamps.live(seconds * NANOSECONDS + nanoseconds), NANOSECONDS)
    if not 0 <= moved_s < 2**31:
        return bytes(cdr)
    return b''.join((cdr[:4], layout.pack(moved_s, moved_ns), cdr[_STAMP_END:]))
