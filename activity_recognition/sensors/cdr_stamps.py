"""The stamp of a serialised message that begins with a std_msgs/Header, without the rest of it.

In CDR (OMG DDSI-RTPS 2.3, 10.2) four bytes of encapsulation come first; the lowest bit of the
second says little-endian. Seconds (int32) and nanoseconds (uint32) follow.
"""

from __future__ import annotations

import struct

from activity_recognition.errors import DecodeError
from activity_recognition.types import NANOSECONDS

_BEGIN, _END = 4, 12
_BIG_ENDIAN, _LITTLE_ENDIAN = struct.Struct('>iI'), struct.Struct('<iI')


def read_stamp(cdr: bytes | memoryview) -> int:
    """Return the stamp in a buffer, nanoseconds; 0 means unset.

    Raises:
        DecodeError: when the buffer is too short for a stamp.
    """
    if len(cdr) < _END:
        raise DecodeError(f'message length: {len(cdr)} bytes cannot hold a header')
    seconds, nanoseconds = _layout(cdr).unpack_from(cdr, _BEGIN)
    return int(seconds) * NANOSECONDS + int(nanoseconds)


def with_stamp(cdr: bytes | memoryview, stamp_ns: int) -> bytes:
    """Return a copy of a buffer that can hold a stamp, with another one.

    Args:
        cdr: the message with its encapsulation header.
        stamp_ns: its new stamp.

    Raises:
        OverflowError: when the time does not fit into a message.
    """
    seconds, nanoseconds = divmod(stamp_ns, NANOSECONDS)
    if not 0 <= seconds < 2**31:
        raise OverflowError(f'expected a time in [0, 2**31) s, got {seconds} s')
    return b''.join((cdr[:_BEGIN], _layout(cdr).pack(seconds, nanoseconds), cdr[_END:]))


def _layout(cdr: bytes | memoryview) -> struct.Struct:
    return _LITTLE_ENDIAN if cdr[1] & 1 else _BIG_ENDIAN
