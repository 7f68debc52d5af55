"""JPEG and PNG payloads of sensor_msgs CompressedImage -> RGB pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.errors import UnsupportedEncodingError, quoted
from activity_recognition.sensors.jpeg import JPEG_MAGIC, decode_jpeg
from activity_recognition.sensors.png import PNG_MAGIC, decode_png
from activity_recognition.sensors.size import LEAST_SIDE_PX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLOUR_ENCODINGS = ('rgb8', 'rgba8', 'rgb16', 'rgba16', 'bgr8', 'bgra8', 'bgr16', 'bgra16')


def decode_compressed(
    data: NDArray[np.uint8],
    image_format: str,
    *,
    max_pixels: int,
    least_side_px: int = LEAST_SIDE_PX,
) -> NDArray[np.uint8]:
    """Return the image in a JPEG or PNG payload, RGB, (H, W, 3), contiguous.

    Args:
        data: the payload, (N,).
        image_format: ``format`` of the message: ``jpeg``, ``png``, or as image_transport writes it,
            ``<encoding>; <codec> compressed <stored encoding>``.
        max_pixels: refuse an image whose header claims more, before decoding it.
        least_side_px: keep both sides of a JPEG image at least this long where they are; a larger
            one is decoded at a half, a quarter or an eighth of its size.

    Raises:
        UnsupportedEncodingError: for depth images and codecs other than JPEG and PNG.
        DecodeError: for a damaged or truncated payload, and for one that would cost more than it
            may; :mod:`~activity_recognition.sensors.jpeg` and ``png`` have the rules.
    """
    if 'compressedDepth' in image_format:
        raise UnsupportedEncodingError(
            f'image format: {quoted(image_format)} is a depth image; point the image topic at '
            'the colour camera'
        )
    # An orientation tag is left alone: the camera driver has turned the image already.
    begin = data[: len(PNG_MAGIC)].tobytes()
    as_rgb = _stored_as_rgb(image_format)
    if begin.startswith(JPEG_MAGIC):
        return decode_jpeg(
            data, max_pixels=max_pixels, least_side_px=least_side_px, stored_as_rgb=as_rgb
        )
    if begin == PNG_MAGIC:
        # Of a PNG image OpenCV would decode all, and then leave pixels out.
        return decode_png(data, max_pixels=max_pixels, stored_as_rgb=as_rgb)
    raise UnsupportedEncodingError(
        f'image format: {data.nbytes} bytes of format {quoted(image_format)} are neither JPEG '
        "nor PNG; set the publisher's image_transport format to jpeg or png"
    )


def _stored_as_rgb(image_format: str) -> bool:
    """Tell whether the encoder was fed RGB in place of BGR, which swaps the file's colours.

    The rule is compressed_image_transport's: a colour encoding before the semicolon and no
    ``compressed bgr`` after it.
    """
    encoding, separator, codec = image_format.partition(';')
    return (
        bool(separator) and encoding.strip() in _COLOUR_ENCODINGS and 'compressed bgr' not in codec
    )
