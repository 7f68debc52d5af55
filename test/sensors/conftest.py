"""Messages as publishers would serialise them, with stores that the package knows nothing of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from activity_recognition.sensors import TypeRegistry
from factories.publishing import STAMP_NS, Publisher

ROS_DRIVERS = {
    'AudioData': 'uint8[] data',
    'AudioDataStamped': 'std_msgs/Header header\naudio_common_msgs/AudioData audio',
    'AudioInfo': (
        'uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\n'
        'string coding_format'
    ),
}
PORTAUDIO = {
    'AudioStamped': 'std_msgs/Header header\naudio_common_msgs/Audio audio',
    'Audio': 'audio_common_msgs/AudioData audio_data\naudio_common_msgs/AudioInfo info',
    'AudioData': (
        'float32[] float32_data\nint32[] int32_data\nint16[] int16_data\nint8[] int8_data\n'
        'uint8[] uint8_data'
    ),
    'AudioInfo': 'int32 format\nint32 channels\nint32 rate\nint32 chunk',
}


@pytest.fixture(scope='session')
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture(scope='session')
def ros_drivers() -> Publisher:
    return Publisher('audio_common_msgs', ROS_DRIVERS)


@pytest.fixture(scope='session')
def portaudio() -> Publisher:
    return Publisher('audio_common_msgs', PORTAUDIO)


@pytest.fixture(scope='session')
def receive() -> Callable[[Publisher, Any], Any]:
    """Send a message over the wire: what the package's registry makes of its buffer."""
    registry = TypeRegistry(prefixes=())

    def through(sender: Publisher, message: Any) -> Any:
        return registry.deserialise(sender.cdr(message), message.__msgtype__)

    return through


@pytest.fixture(scope='session')
def image_cdr(publisher: Publisher) -> Callable[..., bytes]:
    """Make a sensor_msgs/Image buffer from rows of bytes, (rows, row bytes)."""

    def make(
        encoding: str,
        rows: np.ndarray,
        width: int,
        height: int,
        overrides: dict[str, Any] | None = None,
        *,
        padding: int = 0,
        bigendian: bool = False,
        header: Any = (STAMP_NS, 'camera'),
    ) -> bytes:
        padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
        fields = {
            'header': header,
            'height': height,
            'width': width,
            'encoding': encoding,
            'is_bigendian': int(bigendian),
            'step': padded.shape[1],
            'data': np.ascontiguousarray(padded).reshape(-1),
        }
        fields |= overrides or {}
        return publisher.cdr(publisher.make('sensor_msgs/msg/Image', **fields))

    return make
