"""JPEG and PNG payloads of sensor_msgs CompressedImage -> RGB pixels."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np

from activity_recognition.errors import DecodeError, UnsupportedEncodingError
from activity_recognition.sensors.size import LEAST_SIDE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_JPEG_MAGIC = b'\xff\xd8\xff'
_JPEG_END = b'\xff\xd9'
_JPEG_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_JPEG_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READ_BGR = cv2.IMREAD_COLOR
# OpenCV before 4.11 decodes to BGR only; its result is turned around afterwards.
_READ_RGB: int = getattr(cv2, 'IMREAD_COLOR_RGB', cv2.IMREAD_COLOR)
# A part of the size comes with a bit of its own beside the colours; OpenCV's names join it to BGR.
_PARTS = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}
_TAIL_BYTES = 64
_COLOUR_ENCODINGS = ('rgb8', 'rgba8', 'rgb16', 'rgba16', 'bgr8', 'bgra8', 'bgr16', 'bgra16')


def decode_compressed(
    data: NDArray[np.uint8],
    image_format: str,
    *,
    max_pixels: int,
    least_side_px: int = LEAST_SIDE_PX,
) -> NDArray[np.uint8]:
    """Return the image in a JPEG or PNG payload, RGB, (H, W, 3), contiguous.

    A large JPEG image is decoded at a half, a quarter or an eighth of its size, which libjpeg does
    in a part of the time (scaled inverse DCT).

    Args:
        data: the payload, (N,).
        image_format: ``format`` of the message: ``jpeg``, ``png``, or as image_transport writes it,
            ``<encoding>; <codec> compressed <stored encoding>``.
        max_pixels: refuse an image whose header claims more, before decoding it.
        least_side_px: keep both sides of a JPEG image at least this long where they are.

    Raises:
        UnsupportedEncodingError: for depth images and codecs other than JPEG and PNG.
        DecodeError: for a damaged or truncated payload and for an image too large.
    """
    if 'compressedDepth' in image_format:
        raise UnsupportedEncodingError(
            f'image format: {image_format!r} is a depth image; point the image topic at the colour '
            'camera'
        )
    kind = _kind_of(data, image_format)
    width, height = _jpeg_size(data.data) if kind == 'JPEG' else _png_size(data.data)
    if not width or not height:
        raise DecodeError(f'image size: got an empty image of {width} x {height} pixels')
    if width * height > max_pixels:
        raise DecodeError(
            f'image size: {width} x {height} pixels are more than the {max_pixels} allowed'
        )
    # Of a PNG image OpenCV would decode all, and then leave pixels out.
    part = _part(min(width, height), least_side_px) if kind == 'JPEG' else 0
    return _decode(data, part, stored_as_rgb=_stored_as_rgb(image_format))


def _part(side_px: int, least_side_px: int) -> int:
    """Return the flag of the smallest part that is large enough; 0 for the whole."""
    for divisor, flag in _PARTS.items():
        if side_px // divisor >= least_side_px:
            return flag
    return 0


def _decode(data: NDArray[np.uint8], part: int, *, stored_as_rgb: bool) -> NDArray[np.uint8]:
    order = _READ_BGR if stored_as_rgb else _READ_RGB
    try:
        # The camera driver has turned the image already: a tag must not turn it again.
        pixels = cv2.imdecode(data, order | part | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DecodeError(f'image payload: OpenCV cannot decode it: {error}') from error
    if pixels is None:
        raise DecodeError(f'image payload: {data.nbytes} bytes are not a whole JPEG or PNG image')
    if order == cv2.IMREAD_COLOR and not stored_as_rgb:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def _stored_as_rgb(image_format: str) -> bool:
    """Tell whether the encoder was fed RGB in place of BGR, which swaps the file's colours.

    The rule is compressed_image_transport's: a colour encoding before the semicolon and no
    ``compressed bgr`` after it.
    """
    encoding, separator, codec = image_format.partition(';')
    return (
        bool(separator) and encoding.strip() in _COLOUR_ENCODINGS and 'compressed bgr' not in codec
    )


def _kind_of(data: NDArray[np.uint8], image_format: str) -> str:
    """Return ``JPEG`` or ``PNG``, by how a payload begins, after a look at its end."""
    begin = data[: len(_PNG_MAGIC)].tobytes()
    if begin.startswith(_JPEG_MAGIC):
        if not _holds(data, _JPEG_END):
            raise DecodeError('image payload: the JPEG image is cut short: it has no end marker')
        return 'JPEG'
    if begin == _PNG_MAGIC:
        if not _holds(data, b'IEND'):
            raise DecodeError('image payload: the PNG image is cut short: it has no end chunk')
        return 'PNG'
    raise UnsupportedEncodingError(
        f'image format: {data.nbytes} bytes of format {image_format!r} are neither JPEG nor '
        "PNG; set the publisher's image_transport format to jpeg or png"
    )


def _holds(data: NDArray[np.uint8], mark: bytes) -> bool:
    """Return whether the mark is there; only behind padding is it not at the very end."""
    return mark in data[-_TAIL_BYTES:].tobytes() or mark in data.tobytes()


def _png_size(payload: memoryview) -> tuple[int, int]:
    if bytes(payload[12:16]) != b'IHDR' or len(payload) < 24:
        raise DecodeError('image payload: the PNG image does not begin with its header')
    width, height = struct.unpack_from('>II', payload, 16)
    return width, height


def _jpeg_size(payload: memoryview) -> tuple[int, int]:
    """Walk a JPEG's segments (ITU-T T.81, B.1.1) up to its frame header."""
    position = 2
    while position + 9 < len(payload):
        if payload[position] != 0xFF:
            break
        marker = payload[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif marker in _JPEG_FRAME_HEADERS:
            height, width = struct.unpack_from('>HH', payload, position + 5)
            return width, height
        else:
            position += 2 + int(struct.unpack_from('>H', payload, position + 2)[0])
    raise DecodeError('image payload: the JPEG image has no frame header')
