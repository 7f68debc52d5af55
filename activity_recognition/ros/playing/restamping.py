"""Moves the stamp in a serialised message, without looking at the rest of it."""

from __future__ import annotations

from dataclasses import dataclass

from activity_recognition.errors import DecodeError
from activity_recognition.sensors.cdr_stamps import read_stamp, with_stamp


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

    Args:
        cdr: the message as it was recorded.
        stamps: recorded times to live ones.
    """
    try:
        stamp_ns = read_stamp(cdr)
        return with_stamp(cdr, stamps.live(stamp_ns)) if stamp_ns else bytes(cdr)
    except (DecodeError, OverflowError):
        return bytes(cdr)
