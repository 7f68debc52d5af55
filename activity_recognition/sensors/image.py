"""Messages of an image topic -> :class:`~activity_recognition.types.Frame`.

Conversions agree with cv_bridge's to ``rgb8``. Bytes that already are what is wanted are not
copied: the frame of a tight ``rgb8`` image is a read-only view of the message's buffer. Large
images come at a part of their size (:mod:`activity_recognition.sensors.size`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from activity_recognition.errors import DecodeError, UnsupportedEncodingError, quoted
from activity_recognition.sensors.cdr import frame_id_of, header_stamp_ns
from activity_recognition.sensors.compressed import decode_compressed
from activity_recognition.sensors.decoder_settings import (
    DecoderSettings,
    SignalHealth,
    TopicMessage,
)
from activity_recognition.sensors.jpeg import jpeg_size
from activity_recognition.sensors.keypoints import KEY_POINT_TYPES, decode_key_points
from activity_recognition.sensors.size import LEAST_SIDE_PX, check_pixels, reduce_resolution
from activity_recognition.types import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from activity_recognition.sensors.cdr import Message

MAX_PIXELS = 64_000_000
"""Largest image taken; a header that claims more is refused before anything is decoded."""

_PIXELWISE = (
    None,
    cv2.COLOR_BGR2RGB,
    cv2.COLOR_RGBA2RGB,
    cv2.COLOR_BGRA2RGB,
    cv2.COLOR_GRAY2RGB,
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one encoding lies in memory and which OpenCV conversion makes it RGB."""

    channels: int
    conversion: int | None = None
    """None: the first three channels are red, green and blue already."""
    bits: int = 8
    planes: int = 2
    """Rows of the buffer per two rows of the image: 3 for 4:2:0 with chroma below luma."""

    @property
    def keeps_pixels_apart(self) -> bool:
        """Whether the conversion treats each pixel alone, so that it may come after averaging."""
        return self.bits == 8 and self.conversion in _PIXELWISE


# OpenCV names a Bayer pattern by the second row's first pixels, ROS by the first row's.
_BAYER = {
    'bayer_rggb': cv2.COLOR_BAYER_BG2RGB,
    'bayer_bggr': cv2.COLOR_BAYER_RG2RGB,
    'bayer_gbrg': cv2.COLOR_BAYER_GR2RGB,
    'bayer_grbg': cv2.COLOR_BAYER_GB2RGB,
}
_LAYOUTS: dict[str, _Layout] = {
    'rgb8': _Layout(3),
    'bgr8': _Layout(3, cv2.COLOR_BGR2RGB),
    'rgba8': _Layout(4, cv2.COLOR_RGBA2RGB),
    'bgra8': _Layout(4, cv2.COLOR_BGRA2RGB),
    'mono8': _Layout(1, cv2.COLOR_GRAY2RGB),
    '8UC1': _Layout(1, cv2.COLOR_GRAY2RGB),
    '8UC3': _Layout(3),
    '8UC4': _Layout(4, cv2.COLOR_RGBA2RGB),
    'rgb16': _Layout(3, None, 16),
    'bgr16': _Layout(3, cv2.COLOR_BGR2RGB, 16),
    'rgba16': _Layout(4, cv2.COLOR_RGBA2RGB, 16),
    'bgra16': _Layout(4, cv2.COLOR_BGRA2RGB, 16),
    'mono16': _Layout(1, cv2.COLOR_GRAY2RGB, 16),
    '16UC1': _Layout(1, cv2.COLOR_GRAY2RGB, 16),
    'uyvy': _Layout(2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422': _Layout(2, cv2.COLOR_YUV2RGB_UYVY),
    'yuyv': _Layout(2, cv2.COLOR_YUV2RGB_YUY2),
    'yuv422_yuy2': _Layout(2, cv2.COLOR_YUV2RGB_YUY2),
    'nv12': _Layout(1, cv2.COLOR_YUV2RGB_NV12, planes=3),
    'nv21': _Layout(1, cv2.COLOR_YUV2RGB_NV21, planes=3),
    **{
        f'{name}{bits}': _Layout(1, code, bits) for name, code in _BAYER.items() for bits in (8, 16)
    },
}
IMAGE_ENCODINGS = tuple(_LAYOUTS)
"""Encodings of sensor_msgs Image that can be decoded."""


_UNSEEN_PX = 16
"""Shorter side of drawings that nobody sees."""


class ImageDecoder:
    """Decodes the messages of an image topic; keeps nothing of them."""

    health = SignalHealth()

    def __init__(
        self,
        *,
        least_side_px: int = LEAST_SIDE_PX,
        drawn_side_px: int | None = None,
        key_points_alone: bool = False,
        images_alone: bool = False,
    ) -> None:
        """Make a decoder.

        Args:
            least_side_px: the sides of images stay at least so long where they are.
            drawn_side_px: the shorter side of drawings of key points; None for ``least_side_px``.
            key_points_alone: whether images are refused.
            images_alone: whether key points are.
        """
        self._least_side_px = least_side_px
        self._drawn_side_px = least_side_px if drawn_side_px is None else drawn_side_px
        self._key_points_alone, self._images_alone = key_points_alone, images_alone

    @classmethod
    def of(cls, settings: DecoderSettings) -> ImageDecoder:
        """Return a decoder of images no smaller than a network takes them, if it takes them."""
        video = settings.model.video
        is_seen = settings.is_watched or not video.key_points
        return cls(
            least_side_px=max(video.least_side_px, settings.least_side_px),
            drawn_side_px=None if is_seen else _UNSEEN_PX,
            key_points_alone=bool(video.key_points) and not video.finds_key_points,
            images_alone=video.takes_both,
        )

    def decode_topic(self, message: TopicMessage) -> Frame:
        """Return the frame in an Image or CompressedImage, or drawn of key points.

        Raises:
            DecodeError: as of :func:`decode_image`, or for an image where key points are needed,
                or the other way round.
        """
        has_key_points = message.type_name in KEY_POINT_TYPES
        if self._images_alone and has_key_points:
            raise DecodeError(
                'key points without an image: the checkpoint also sees what moves in images '
                '(video.motion_memory_s), expected sensor_msgs/msg/Image or CompressedImage, got '
                f'{message.type_name}; remap image to the topic of a camera, or load a checkpoint '
                'that takes key points alone'
            )
        if self._key_points_alone and not has_key_points:
            raise DecodeError(
                'image without key points: the checkpoint takes the key points of a body, expected '
                f'one of {", ".join(KEY_POINT_TYPES)}, got {message.type_name}; remap image to the '
                'topic of a skeleton tracker, or load a checkpoint that sees images'
            )
        given = message.content, message.arrival_ns
        if has_key_points:
            return decode_key_points(*given, least_side_px=self._drawn_side_px)
        return decode_image(*given, least_side_px=self._least_side_px)


def decode_image(
    message: Message,
    arrival_ns: int,
    *,
    max_pixels: int = MAX_PIXELS,
    least_side_px: int = LEAST_SIDE_PX,
) -> Frame:
    """Return the frame in a sensor_msgs Image or CompressedImage.

    Args:
        message: a message object of either type.
        arrival_ns: when it could be known; its stamp too where the header has none.
        max_pixels: refuse larger images, before decoding them.
        least_side_px: keep both sides of the image at least this long where they are; larger
            ones may come at a half, a quarter or an eighth of their size.

    Raises:
        UnsupportedEncodingError: for a format that holds no colour image.
        DecodeError: for an image that contradicts its own description.
    """
    stamp_ns, frame_id = header_stamp_ns(message), frame_id_of(message)
    compressed = hasattr(message, 'format')
    pixels = (
        decode_compressed(
            message.data,
            str(message.format),
            max_pixels=max_pixels,
            least_side_px=least_side_px,
        )
        if compressed
        else _decode_raw(message, max_pixels, least_side_px)
    )
    return Frame(
        stamp_ns=arrival_ns if stamp_ns is None else stamp_ns,
        arrival_ns=arrival_ns,
        image=pixels,
        frame_id=frame_id,
        full_size=_full_size(message, pixels, compressed=compressed),
    )


def _full_size(
    message: Message, pixels: NDArray[np.uint8], *, compressed: bool
) -> tuple[int, int] | None:
    """Return width and height of the camera's image; None where it was decoded at full size."""
    height, width = pixels.shape[:2]
    if not compressed:
        size = int(message.width), int(message.height)
    elif (found := jpeg_size(message.data)) is not None:
        size = found
    else:
        return None
    return None if size == (width, height) else size


def _decode_raw(message: Message, max_pixels: int, least_side_px: int) -> NDArray[np.uint8]:
    layout = _layout_of(str(message.encoding))
    pixels = _as_array(message, layout, max_pixels)
    if layout.keeps_pixels_apart:
        pixels = reduce_resolution(pixels, least_side_px)
    if layout.conversion is not None:
        try:
            pixels = cv2.cvtColor(pixels, layout.conversion)
        except cv2.error as error:
            raise DecodeError(
                f'image size: OpenCV cannot convert {message.width} x {message.height} pixels of '
                f'{message.encoding!r}, whose width and height may have to be even: {error}'
            ) from error
    if layout.bits == 16:
        pixels = cv2.convertScaleAbs(pixels, alpha=255.0 / 65535.0)
    if not layout.keeps_pixels_apart:
        pixels = reduce_resolution(pixels, least_side_px)
    return np.ascontiguousarray(pixels)


def _layout_of(encoding: str) -> _Layout:
    try:
        return _LAYOUTS[encoding]
    except KeyError:
        raise UnsupportedEncodingError(
            f'image encoding: {quoted(encoding)} is not a colour or grey image that can be taken; '
            f'expected one of {", ".join(IMAGE_ENCODINGS)}; point the image topic at the colour '
            'stream (depth images come as 32FC1)'
        ) from None


def _as_array(message: Message, layout: _Layout, max_pixels: int) -> NDArray[np.uint8]:
    """Return the message's pixels, native-endian and in the image's shape; a view if possible."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    data: NDArray[np.uint8] = message.data
    check_pixels(width, height, max_pixels)
    rows = height * layout.planes // 2
    row_bytes = width * layout.channels * layout.bits // 8
    if step < row_bytes or data.nbytes != step * rows:
        raise DecodeError(
            f'image data length: {width} x {height} {message.encoding!r} needs a step of at least '
            f'{row_bytes} and step x {rows} bytes, got step {step} and {data.nbytes} bytes'
        )
    itemsize = layout.bits // 8
    order = '>' if message.is_bigendian else '<'
    pixels: NDArray[np.uint8] = np.ndarray(
        (rows, width, layout.channels)[: 2 if layout.channels == 1 else 3],
        f'{order}u{itemsize}',
        buffer=data,
        strides=(step, layout.channels * itemsize, itemsize)[: 2 if layout.channels == 1 else 3],
    )
    if itemsize == 1:
        return pixels
    # OpenCV wants native numbers at even addresses; a buffer promises neither.
    return np.require(pixels, f'=u{itemsize}', 'A')
