"""Parity with cv_bridge, where one is installed that works with this OpenCV and this NumPy."""

import array
import sys

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from activity_recognition.msg import ActivityStamped
from activity_recognition.ros.recognizing import overlay
from activity_recognition.ros.recognizing.conversions import to_time
from activity_recognition.sensors import TypeRegistry, decode_image

WIDTH, HEIGHT = 10, 6
CHANNELS = {
    **{f'{name}{bits}': len(name) for name in ('rgb', 'bgr', 'rgba', 'bgra') for bits in (8, 16)},
    **{f'mono{bits}': 1 for bits in (8, 16)},
    **{f'bayer_{name}{bits}': 1 for name in ('rggb', 'bggr', 'gbrg', 'grbg') for bits in (8, 16)},
    # It has no other names of these.
    **dict.fromkeys(('yuv422', 'yuv422_yuy2'), 2),
}

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

needs_cv_bridge = pytest.mark.skipif(
    overlay._cv_bridge() is None, reason='no cv_bridge that works is installed here'
)


def image_message(encoding):
    """Return an Image of random bytes."""
    size = CHANNELS[encoding] * (2 if encoding.endswith('16') else 1)
    message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=WIDTH * size)
    content = np.random.default_rng(5).integers(0, 256, message.step * HEIGHT, np.uint8)
    message.data = array.array('B', content.tobytes())
    return message


@needs_cv_bridge
@pytest.mark.parametrize('encoding', CHANNELS)
def test_frames_are_those_of_cv_bridge(encoding):
    message = image_message(encoding)
    expected = overlay._cv_bridge().imgmsg_to_cv2(message, 'rgb8')
    raw = TypeRegistry(prefixes=()).deserialise(serialize_message(message), 'sensor_msgs/msg/Image')
    np.testing.assert_array_equal(decode_image(raw, 9).image, expected)


@needs_cv_bridge
def test_the_overlay_is_the_message_of_cv_bridge(monkeypatch):
    picture = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    settings = {'stamp': to_time(3), 'frame_id': 'camera'}
    theirs = overlay.to_image_message(picture, **settings)
    monkeypatch.setattr(overlay, '_cv_bridge', lambda: None)
    assert overlay.to_image_message(picture, **settings) == theirs


def test_a_cv_bridge_that_does_not_work_is_passed_over(monkeypatch):
    class Broken:
        def cv2_to_imgmsg(self, *_, **__):
            raise KeyError(16)  # made for an OpenCV that numbers its types in another way

    module = type(overlay)('cv_bridge')
    module.CvBridge = Broken
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)
    overlay._cv_bridge.cache_clear()
    try:
        message = overlay.to_image_message(
            np.ones((2, 3, 3), np.uint8), stamp=to_time(3), frame_id='camera'
        )
    finally:
        overlay._cv_bridge.cache_clear()
    assert (message.encoding, bytes(message.data)) == ('rgb8', b'\1' * 18)


@pytest.mark.parametrize('shape', [(16_000, 1, 3), (1, 16_000, 3), (16_000, 16, 3)])
def test_a_narrow_image_is_no_picture_of_millions_of_rows(shape):
    picture = overlay.draw(np.zeros(shape, np.uint8), ActivityStamped())
    assert picture.shape[1:] == (640, 3)
    assert 240 <= picture.shape[0] <= 1600
