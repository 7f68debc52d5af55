"""JPEG and PNG payloads of sensor_msgs CompressedImage -> RGB pixels."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np

from activity_recognition.errors import DecodeError, UnsupportedEncodingError

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
_COLOUR_ENCODINGS = ('rgb8', 'rgba8', 'rgb16', 'rgba16', 'bgr8', 'bgra8', 'bgr16', 'bgra16')


def decode_compressed(
    data: NDArray[np.uint8], image_format: str, *, max_pixels: int
) -> NDArray[np.uint8]:
    """Return the image in a JPEG or PNG payload, RGB, (H, W, 3), contiguous.

    Args:
        data: the payload, (N,).
        image_format: ``format`` of the message: ``jpeg``, ``png``, or as image_transport writes it,
            ``<encoding>; <codec> compressed <stored encoding>``.
        max_pixels: refuse an image whose header claims more, before decoding it.

    Raises:
        UnsupportedEncodingError: for depth images and codecs other than JPEG and PNG.
        DecodeError: for a damaged or truncated payload and for an image too large.
    """
    if 'compressedDepth' in image_format:
        raise UnsupportedEncodingError(
            f'image format: {image_format!r} is a depth image; point the image topic at the colour '
            'camera'
        )
    payload = data.tobytes()
    width, height = _declared_size(payload, image_format)
    if not width or not height:
        raise DecodeError(f'image size: got an empty image of {width} x {height} pixels')
    if width * height > max_pixels:
        raise DecodeError(
            f'image size: {width} x {height} pixels are more than the {max_pixels} allowed'
        )
    # The camera driver has turned the image already: an orientation tag must not turn it again.
    return _decode(data, stored_as_rgb=_stored_as_rgb(image_format))


def _decode(data: NDArray[np.uint8], *, stored_as_rgb: bool) -> NDArray[np.uint8]:
    order = _READ_BGR if stored_as_rgb else _READ_RGB
    try:
        pixels = cv2.imdecode(data, order | cv2.IMREAD_IGNORE_ORIENTATION)
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


def _declared_size(payload: bytes, image_format: str) -> tuple[int, int]:
    """Return width and height from a payload's own header, after a look at its end."""
    if payload.startswith(_JPEG_MAGIC):
        if payload.rfind(_JPEG_END) < 0:
            raise DecodeError('image payload: the JPEG image is cut short: it has no end marker')
        return _jpeg_size(payload)
    if payload.startswith(_PNG_MAGIC):
        if payload.rfind(b'IEND') < 0:
            raise DecodeError('image payload: the PNG image is cut short: it has no end chunk')
        return _png_size(payload)
    raise UnsupportedEncodingError(
        f'image format: {len(payload)} bytes of format {image_format!r} are neither JPEG nor '
        "PNG; set the publisher's image_transport format to jpeg or png"
    )


def _png_size(payload: bytes) -> tuple[int, int]:
    if payload[12:16] != b'IHDR' or len(payload) < 24:
        raise DecodeError('image payload: the PNG image does not begin with its header')
    width, height = struct.unpack_from('>II', payload, 16)
    return width, height


def _jpeg_size(payload: bytes) -> tuple[int, int]:
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
