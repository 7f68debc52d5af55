"""The bytes of ROS itself: what rclpy writes is decoded, what a recording holds rclpy reads."""

import array
import importlib

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, RecordingWriter
from activity_recognition.sensors import SensorDecoders
from activity_recognition.types import AudioChunk, Frame

# ROS's own generator imports a parser that uses a deprecated module of Python's.
pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]
STAMP_NS = 1_700_000_000_000_000_123


@pytest.fixture(scope='module')
def ros():
    """Return a function that gives a ROS message class, and rclpy's serialization."""

    def message_class(type_name):
        package, _, name = type_name.split('/')
        return getattr(importlib.import_module(f'{package}.msg'), name)

    return message_class, importlib.import_module('rclpy.serialization')


def with_header(message):
    message.header.stamp.sec = STAMP_NS // 10**9
    message.header.stamp.nanosec = STAMP_NS % 10**9
    message.header.frame_id = 'camera'
    return message


def test_images_of_rclpy(ros):
    message_class, serialization = ros
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    message = with_header(message_class('sensor_msgs/msg/Image')())
    message.height, message.width, message.encoding, message.step = 5, 7, 'bgr8', 21
    message.data = array.array('B', pixels.tobytes())
    cdr = serialization.serialize_message(message)
    frame = SensorDecoders().decode('image', 'sensor_msgs/msg/Image', cdr, 9)
    np.testing.assert_array_equal(frame.image, pixels[:, :, ::-1])
    assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, 'camera')


def test_audio_and_its_info_of_rclpy(ros):
    message_class, serialization = ros
    samples = np.arange(-400, 400, dtype='<i2')
    audio = with_header(message_class('audio_common_msgs/msg/AudioDataStamped')())
    audio.audio.data = array.array('B', samples.tobytes())
    info = message_class('audio_common_msgs/msg/AudioInfo')()
    info.channels, info.sample_rate = 2, 16_000
    info.sample_format, info.coding_format = 'S16LE', 'wave'
    decoders = SensorDecoders()
    for role, message in (('audio_info', info), ('audio', audio)):
        name = f'audio_common_msgs/msg/{type(message).__name__}'
        sample = decoders.decode(role, name, serialization.serialize_message(message), 9)
    assert len(sample.samples) == 400
    assert sample.stamp_ns == STAMP_NS
    np.testing.assert_allclose(sample.samples, samples.reshape(-1, 2).mean(axis=1) / 32768)


def test_text_of_rclpy(ros):
    message_class, serialization = ros
    for text in ('', 'a', 'ab', 'abc', 'schöne Tasse'):
        message = message_class('std_msgs/msg/String')(data=text)
        cdr = serialization.serialize_message(message)
        utterance = SensorDecoders().decode('transcript', 'std_msgs/msg/String', cdr, 9)
        assert (utterance.text if utterance else '') == text


@pytest.mark.parametrize('image', ['raw', 'jpeg'])
def test_rclpy_reads_what_a_recording_holds(ros, scene, tmp_path, image):
    message_class, serialization = ros
    samples = scene()
    with RecordingWriter(tmp_path / 'made', image=image) as writer:
        for sample in samples:
            writer.write(sample)
    seen = {}
    with RecordingReader(tmp_path / 'made') as reader:
        for record in reader.records():
            message = serialization.deserialize_message(
                bytes(record.cdr), message_class(record.type_name)
            )
            seen.setdefault(record.type_name, []).append(message)
    frames = [sample for sample in samples if isinstance(sample, Frame)]
    chunks = [sample for sample in samples if isinstance(sample, AudioChunk)]
    images = seen['sensor_msgs/msg/Image' if image == 'raw' else 'sensor_msgs/msg/CompressedImage']
    assert [message.header.stamp.nanosec for message in images] == [
        frame.stamp_ns % 10**9 for frame in frames
    ]
    if image == 'raw':
        assert bytes(images[3].data) == frames[3].image.tobytes()
    heard = seen['audio_common_msgs/msg/AudioDataStamped']
    pcm = np.frombuffer(bytes(heard[2].audio.data), '<i2')
    np.testing.assert_array_equal(pcm, chunks[2].samples * 32768)
    assert seen['std_msgs/msg/String'][0].data == 'put the kettle on'
