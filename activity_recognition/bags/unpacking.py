"""Unpacks compressed parts of recordings, no further than a recording's size allows."""

from __future__ import annotations

import bz2
import shutil
import sys
from typing import TYPE_CHECKING, Any

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_RECORD_BYTES = 256 * 1024 * 1024
"""A record, message or chunk of a recording that is larger, packed or unpacked, is not read."""
_UNPACKED_BYTES = 1024**3
_UNPACKED_RATIO = 1000
_PIECE_BYTES = 4 * 1024 * 1024
_SPARE_BYTES = 256 * 1024 * 1024
"""What unpacking leaves free on the disk."""


class BeyondLimitError(Exception):
    """A part of a recording that is larger than what is read."""


# They have no type in common: eof, needs_input, unused_data and decompress(data, max_length).
_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    'bz2': bz2.BZ2Decompressor,
    'lz4': lz4.frame.LZ4FrameDecompressor,
    'zstd': zstd.ZstdDecompressor,
}


def unpacked_limit(size: int) -> int:
    """Return to how many bytes a file of ``size`` bytes may unpack: 1 GiB and a thousandfold."""
    return _UNPACKED_BYTES + _UNPACKED_RATIO * size


def unpack(compression: str, data: bytes | memoryview, limit: int = MAX_RECORD_BYTES) -> bytes:
    """Return what a compressed message or chunk holds.

    Args:
        compression: bz2, lz4 or zstd.
        data: one or more streams of it, one after the other.
        limit: bytes that it may hold.

    Raises:
        BeyondLimitError: it holds more.
        EOFError: it ends in the middle.
        Exception: what the decompressors raise: it is damaged.
    """
    parts: list[bytes] = []
    size = 0
    rest: bytes | memoryview = data
    while rest:
        stream = _DECOMPRESSORS[compression]()
        fed: bytes | memoryview = rest
        while True:
            part = stream.decompress(fed, _PIECE_BYTES)
            size += len(part)
            if size > limit:
                raise BeyondLimitError(
                    f'a compressed part unpacks to more than the {limit} bytes expected or allowed'
                )
            parts.append(part)
            if stream.eof:
                break
            if stream.needs_input:
                raise EOFError('compressed data end before their end mark')
            fed = b''
        rest = stream.unused_data or b''
    return b''.join(parts)


def unpack_file(source: Path, target: Path) -> None:
    """Unpack a file that is compressed by zstd.

    Args:
        source: the compressed file.
        target: the file to write.

    Raises:
        BeyondLimitError: it unpacks to more than :func:`unpacked_limit`, or than is free there.
        OSError: the target cannot be written.
        Exception: what the decompressor raises: it is damaged.
    """
    limit = unpacked_limit(source.stat().st_size)
    size = 0
    with zstd.open(source, 'rb') as packed, target.open('wb') as file:
        while part := packed.read(_PIECE_BYTES):
            size += len(part)
            if size > limit:
                raise BeyondLimitError(f'{source.name} unpacks to more than {limit} bytes')
            if len(part) + _SPARE_BYTES > shutil.disk_usage(target.parent).free:
                raise BeyondLimitError(
                    f'{source.name} does not fit into {target.parent.parent} when it is unpacked; '
                    'name a folder with more room by TMPDIR'
                )
            file.write(part)
