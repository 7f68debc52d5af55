"""JPEG payloads -> RGB pixels, with a bound on what one payload may cost.

libjpeg-turbo decodes, through simplejpeg, which hands on what the decoder has to say about the
payload; OpenCV's reader prints it and returns an image all the same. The numbers are equal:
https://github.com/libjpeg-turbo/libjpeg-turbo is what OpenCV's wheels are built with too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from activity_recognition.errors import DecodeError
from activity_recognition.sensors.size import check_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEG_MAGIC = b'\xff\xd8\xff'
MAX_SCANS = 100
"""Most scans of one image; encoders make about ten for a progressive one."""
MAX_PADDING_BYTES = 16
"""Most bytes that may be left over in front of a marker.

Many cameras leave some at the end of each restart interval (Logitech's C270 and C910 up to 9) in
intact images. A flipped bit leaves dozens: what was meant for the rest of the interval.
"""
_SCANS_OF_LARGEST = 10
_PIXELS_PER_BYTE = 512
_SCAN_MARKER = 0xDAFF  # read as a little-endian number
_DIVISORS = (8, 4, 2)
_LEFT_OVER = re.compile(r'(\d+) extraneous bytes before marker')
_HARMLESS = re.compile(
    'unknown JFIF revision|Unknown Adobe color transform|bad ICC marker|'
    'Invalid SOS parameters for sequential JPEG'
)
_FILL = re.compile(b'\xff*')
_START_OF_SCAN, _ADOBE = 0xDA, 0xEE
_LEFT_OUT = {*range(0xE0, 0xF0), 0xFE}  # application data and comments
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_MAX_SEGMENTS = 1000


def decode_jpeg(
    data: NDArray[np.uint8], *, max_pixels: int, least_side_px: int, stored_as_rgb: bool
) -> NDArray[np.uint8]:
    """Return the image in a JPEG payload, RGB, (H, W, 3), contiguous.

    A large image is decoded at a half, a quarter or an eighth of its size, which libjpeg does in a
    part of the time (scaled inverse DCT). An image is damaged when the decoder has anything to say
    about it, apart from up to :data:`MAX_PADDING_BYTES` left over in front of a marker, and from
    what does not change the image. Damage that leaves a code that can be read, as most single
    bits of a coefficient, cannot be seen.

    Args:
        data: the payload, (N,).
        max_pixels: refuse an image whose header claims more.
        least_side_px: keep both sides of the image at least this long where they are.
        stored_as_rgb: whether the encoder took red for blue.

    Raises:
        DecodeError: for a damaged payload, and for one that would cost more than it may.
    """
    data, height, width = _with_size(data)
    check_pixels(width, height, max_pixels)
    _check_payload(data, width, height)
    _check_scans(data, width * height, max_pixels)
    divisor = _divisor(min(width, height), least_side_px)
    pixels = np.zeros((-(-height // divisor), -(-width // divisor), 3), np.uint8)
    part = {'min_height': pixels.shape[0], 'min_width': pixels.shape[1]} if divisor > 1 else {}
    order = 'BGR' if stored_as_rgb else 'RGB'
    try:
        simplejpeg.decode_jpeg(data, order, buffer=pixels, **part)
    except ValueError as error:
        # Of the data it complains when everything has been decoded, so the pixels are there.
        if not _is_harmless(str(error)):
            raise DecodeError(f'image payload: the JPEG image is damaged: {error}') from error
    return pixels


def jpeg_size(data: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Return width and height that the header of a JPEG payload claims; None for another payload.

    Args:
        data: the payload, (N,).

    Raises:
        DecodeError: for a header that cannot be read.
    """
    if data[: len(JPEG_MAGIC)].tobytes() != JPEG_MAGIC:
        return None
    _, height, width = _with_size(data)
    return width, height


def _is_harmless(complaint: str) -> bool:
    """Return whether a complaint of libjpeg's is about what does not change the image."""
    left_over = _LEFT_OVER.search(complaint)
    if left_over is None:
        return _HARMLESS.search(complaint) is not None
    return int(left_over[1]) <= MAX_PADDING_BYTES


def _with_size(data: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, int]:
    """Return a payload whose header libjpeg has nothing to say about, its height and its width."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError) as error:
        if not _is_harmless(str(error)):
            raise _unreadable(error) from error
    else:
        return data, int(height), int(width)
    # simplejpeg decodes nothing then: harmless or not.
    data = _plain(data.tobytes())
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError) as error:
        raise _unreadable(error) from error
    return data, int(height), int(width)


def _unreadable(error: Exception) -> DecodeError:
    return DecodeError(
        'image payload: the JPEG image has no header that can be read, or chroma subsampling that '
        f'is not supported: {error}'
    )


def _plain(payload: bytes) -> NDArray[np.uint8]:
    """Return a JPEG image without what its header holds beside the image.

    Its segments are walked (ITU-T T.81, B.1.1) up to the first scan.
    """
    kept, position = [payload[:2]], 2
    for _ in range(_MAX_SEGMENTS):
        begin = payload.find(b'\xff', position, position + MAX_PADDING_BYTES + 1)
        fill = _FILL.match(payload, begin) if begin >= 0 else None
        marker = fill.end() if fill else len(payload)
        if marker + 3 > len(payload):
            break
        kind = payload[marker]
        if kind == _START_OF_SCAN:
            return np.frombuffer(b''.join((*kept, b'\xff', payload[marker:])), np.uint8)
        position = marker + 1
        if kind not in _STANDALONE:
            position += int.from_bytes(payload[position : position + 2], 'big')
        segment = payload[marker:position]
        colours = kind == _ADOBE and len(segment) >= 15 and segment[14] <= 2
        if kind not in _LEFT_OUT or colours:
            kept += [b'\xff', segment]
    raise DecodeError('image payload: the JPEG header is damaged: it has no image behind it')


def _check_payload(data: NDArray[np.uint8], width: int, height: int) -> None:
    """Refuse a header that claims more than the payload can hold.

    Huffman codes take a bit or more, and each block of 8 x 8 pixels has a code of its own in the
    scan of the coefficients at its start (ITU-T T.81, F.1.2, G.1.2): 512 pixels a byte at most.
    """
    if width * height > data.nbytes * _PIXELS_PER_BYTE:
        raise DecodeError(
            f'image payload: {data.nbytes} bytes cannot hold the {width} x {height} pixels that '
            'the JPEG header claims'
        )


def _check_scans(data: NDArray[np.uint8], num_pixels: int, max_pixels: int) -> None:
    """Refuse an image that is refined in too many scans: each visits every block of it."""
    scans = sum(
        np.count_nonzero(
            data[begin : begin + (data.size - begin) // 2 * 2].view('<u2') == _SCAN_MARKER
        )
        for begin in (0, 1)
    )
    if scans > MAX_SCANS or scans * num_pixels > _SCANS_OF_LARGEST * max_pixels:
        raise DecodeError(
            f'image payload: {scans} scans of {num_pixels} pixels; expected at most {MAX_SCANS} '
            f'scans and {_SCANS_OF_LARGEST * max_pixels} pixels in all scans together; have the '
            'publisher send baseline JPEG'
        )


def _divisor(side_px: int, least_side_px: int) -> int:
    """Return the largest divisor that leaves the shorter side long enough."""
    return next((part for part in _DIVISORS if side_px // part >= least_side_px), 1)
