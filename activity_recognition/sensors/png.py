"""PNG payloads -> RGB pixels, with a bound on what one payload may cost."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from activity_recognition.errors import DecodeError
from activity_recognition.sensors.size import check_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_READ_BGR = cv2.IMREAD_COLOR
# OpenCV before 4.11 decodes to BGR only; its result is turned around afterwards.
_READ_RGB: int = getattr(cv2, 'IMREAD_COLOR_RGB', cv2.IMREAD_COLOR)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_NEEDED = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')
_DEFLATE_RATIO = 1032
_MAX_SMALL_CHUNKS = 1000
_BYTES_PER_CHUNK = 1024


class _Chunk(NamedTuple):
    kind: bytes
    begin: int
    """Where its length stands."""
    length: int
    """Bytes of contents."""

    @property
    def end(self) -> int:
        return self.begin + 12 + self.length


def decode_png(
    data: NDArray[np.uint8], *, max_pixels: int, stored_as_rgb: bool
) -> NDArray[np.uint8]:
    """Return the image in a PNG payload, RGB, (H, W, 3), contiguous.

    The chunks are compared with the payload and their checksums before anything is decoded, and
    only those that make the image are: text and profiles may unpack to a thousand times their
    size.

    Args:
        data: the payload, (N,).
        max_pixels: refuse an image whose header claims more.
        stored_as_rgb: whether the encoder took red for blue.

    Raises:
        DecodeError: for a damaged payload, and for one that would cost more than it may.
    """
    chunks = list(_chunks(data.data))
    _check_header(data.data, chunks, max_pixels)
    needed = [chunk for chunk in chunks if chunk.kind in _NEEDED]
    _check_sums(data.data, needed)
    if len(needed) < len(chunks):
        parts = [data[: len(PNG_MAGIC)], *(data[chunk.begin : chunk.end] for chunk in needed)]
        data = np.concatenate(parts)
    return _decoded(data, stored_as_rgb=stored_as_rgb)


def _chunks(payload: memoryview) -> Iterator[_Chunk]:
    """Yield the chunks up to the end chunk (PNG specification, 5.3)."""
    position, count = len(PNG_MAGIC), 0
    most = _MAX_SMALL_CHUNKS + len(payload) // _BYTES_PER_CHUNK
    while position + 12 <= len(payload):
        length, kind = struct.unpack_from('>I4s', payload, position)
        chunk = _Chunk(kind, position, length)
        count += 1
        if chunk.end > len(payload):
            raise DecodeError(
                f'image payload: the PNG image is damaged or cut short: a chunk at byte {position} '
                f'claims {length} bytes, and {len(payload) - position - 12} are left'
            )
        if kind[:1].isupper() and kind not in _NEEDED:
            # It changes the image, and is not of the standard: an app's own PNG.
            raise DecodeError(
                f'image payload: the PNG image is damaged or of no standard kind: it cannot be '
                f'read without its chunk {kind!r}'
            )
        if count > most:
            raise DecodeError(
                f'image payload: the PNG image has more than {most} chunks in {len(payload)} bytes'
            )
        yield chunk
        if kind == b'IEND':
            return
        position = chunk.end
    raise DecodeError('image payload: the PNG image is cut short: it has no end chunk')


def _check_header(payload: memoryview, chunks: list[_Chunk], max_pixels: int) -> None:
    """Refuse a header that is none, or that claims more than is allowed or than there is.

    Deflate unpacks to 1032 times its size at most: a repeat of 258 bytes takes two bits or more.
    """
    first = chunks[0]
    if first.kind != b'IHDR' or first.length != 13:
        raise DecodeError('image payload: the PNG image does not begin with its header')
    width, height, depth, colours = struct.unpack_from('>IIBB', payload, first.begin + 8)
    check_pixels(width, height, max_pixels)
    if colours not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise DecodeError(
            f'image payload: the PNG header has colour type {colours} with {depth} bits, which '
            'there is not'
        )
    unpacked = height * (1 + (width * depth * _CHANNELS[colours] + 7) // 8)
    packed = sum(chunk.length for chunk in chunks if chunk.kind == b'IDAT')
    if unpacked > packed * _DEFLATE_RATIO:
        raise DecodeError(
            f'image payload: {packed} bytes of PNG data cannot hold the {width} x {height} pixels '
            'that the header claims'
        )


def _check_sums(payload: memoryview, chunks: list[_Chunk]) -> None:
    for chunk in chunks:
        contents = payload[chunk.begin + 4 : chunk.end - 4]
        (expected,) = struct.unpack_from('>I', payload, chunk.end - 4)
        if zlib.crc32(contents) != expected:
            raise DecodeError(
                f'image payload: the PNG image is damaged: the checksum of a chunk at byte '
                f'{chunk.begin} is not that of its {chunk.length} bytes'
            )


def _decoded(data: NDArray[np.uint8], *, stored_as_rgb: bool) -> NDArray[np.uint8]:
    order = _READ_BGR if stored_as_rgb else _READ_RGB
    try:
        pixels = cv2.imdecode(data, order | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DecodeError(f'image payload: OpenCV cannot decode the PNG image: {error}') from error
    if pixels is None:
        raise DecodeError(f'image payload: {data.nbytes} bytes are not a whole PNG image')
    if order == cv2.IMREAD_COLOR and not stored_as_rgb:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(pixels, dtype=np.uint8)
