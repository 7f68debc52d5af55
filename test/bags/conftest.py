"""Samples to store, and bags written by rosbags without the package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from activity_recognition.types import AudioChunk, Frame, Sample, Utterance

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
AUDIO_TYPES = {
    'audio_common_msgs/msg/AudioData': 'uint8[] data',
    'audio_common_msgs/msg/AudioDataStamped': 'std_msgs/Header header\nAudioData audio',
    'audio_common_msgs/msg/AudioInfo': (
        'uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\n'
        'string coding_format'
    ),
}


def scene(seconds: float = 1.0, rate_hz: int = 16_000, seed: int = 0) -> list[Sample]:
    """Return ten frames and ten chunks a second and an utterance, by arrival."""
    rng = np.random.default_rng(seed)
    shading = np.add.outer(np.arange(24), np.arange(32))[:, :, None] + np.array([0, 60, 120])
    shading = shading.astype(np.uint8)
    samples: list[Sample] = []
    for index in range(int(seconds * 10)):
        stamp_ns = START_NS + index * 100 * MS
        samples.append(
            Frame(
                stamp_ns=stamp_ns,
                arrival_ns=stamp_ns + 12 * MS,
                image=shading + np.uint8(index),
                frame_id='camera',
            )
        )
        values = rng.integers(-32768, 32768, rate_hz // 10).astype(np.float32) / 32768
        samples.append(
            AudioChunk(
                stamp_ns=stamp_ns,
                arrival_ns=stamp_ns + 105 * MS,
                samples=values,
                sample_rate_hz=rate_hz,
                frame_id='mic',
            )
        )
    samples.append(
        Utterance(
            stamp_ns=START_NS + 400 * MS,
            arrival_ns=START_NS + 900 * MS,
            text='put the kettle on',
            confidence=0.5,
            locale='en',
            frame_id='mic',
        )
    )
    return sorted(samples, key=lambda sample: sample.arrival_ns)


class Ros1Bag:
    """Writes ROS 1 messages; headers get a counter, as ROS 1 has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = get_typestore(Stores.ROS1_NOETIC)
        for name, text in AUDIO_TYPES.items():
            self.store.register(get_types_from_msg(text, name))

    def make(self, type_name: str, **fields: Any) -> Any:
        if isinstance(fields.get('header'), int):
            stamp_ns = fields['header']
            fields['header'] = self.store.types['std_msgs/msg/Header'](
                seq=77,
                stamp=self.store.types['builtin_interfaces/msg/Time'](
                    sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
                ),
                frame_id='eye',
            )
        return self.store.types[type_name](**fields)

    def write(self, records: list[tuple[str, int, Any]]) -> Path:
        with Rosbag1Writer(self.path) as writer:
            connections: dict[str, Any] = {}
            for topic, record_ns, message in records:
                name = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(
                        topic, name, typestore=self.store, latching=int(topic.endswith('info'))
                    )
                raw = self.store.serialize_ros1(message, name)
                writer.write(connections[topic], record_ns, raw)
        return self.path


@pytest.fixture
def ros1_bag(tmp_path: Path) -> Ros1Bag:
    return Ros1Bag(tmp_path / 'old.bag')


class Ros2Bag:
    """Writes ROS 2 messages with definitions of any kind."""

    def __init__(self) -> None:
        self.store = get_typestore(Stores.ROS2_JAZZY)
        for name, text in AUDIO_TYPES.items():
            self.store.register(get_types_from_msg(text, name))

    def make(self, type_name: str, **fields: Any) -> Any:
        if isinstance(fields.get('header'), int):
            stamp_ns = fields['header']
            fields['header'] = self.store.types['std_msgs/msg/Header'](
                stamp=self.store.types['builtin_interfaces/msg/Time'](
                    sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
                ),
                frame_id='eye',
            )
        return self.store.types[type_name](**fields)

    def image(self, stamp_ns: int, value: int = 0) -> Any:
        return self.make(
            'sensor_msgs/msg/Image',
            header=stamp_ns,
            height=2,
            width=3,
            encoding='rgb8',
            is_bigendian=0,
            step=9,
            data=np.full(18, value, np.uint8),
        )

    def audio(self, stamp_ns: int, samples: np.ndarray) -> Any:
        return self.make(
            'audio_common_msgs/msg/AudioDataStamped',
            header=stamp_ns,
            audio=self.make(
                'audio_common_msgs/msg/AudioData', data=samples.astype('<i2').view(np.uint8)
            ),
        )

    def info(self, rate_hz: int = 16_000, coding: str = 'wave') -> Any:
        return self.make(
            'audio_common_msgs/msg/AudioInfo',
            channels=1,
            sample_rate=rate_hz,
            sample_format='S16LE',
            bitrate=0,
            coding_format=coding,
        )

    def text(self, text: str) -> Any:
        return self.make('std_msgs/msg/String', data=text)

    def write(
        self,
        path: Path,
        records: list[tuple[str, int, Any]],
        storage: str = 'mcap',
        *,
        compression: str = 'none',
    ) -> Path:
        """Write messages, or (type name, bytes) pairs as they are."""
        plugin = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}[storage]
        writer = Rosbag2Writer(path, version=9, storage_plugin=plugin)
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
        with writer:
            connections: dict[str, Any] = {}
            for topic, record_ns, message in records:
                raw = isinstance(message, tuple)
                name = message[0] if raw else message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, name, typestore=self.store)
                data = message[1] if raw else self.store.serialize_cdr(message, name)
                writer.write(connections[topic], record_ns, data)
        return path


@pytest.fixture
def ros2_bag() -> Ros2Bag:
    return Ros2Bag()


@pytest.fixture
def write_bag(tmp_path: Path, ros2_bag: Ros2Bag) -> Callable[..., Path]:
    """Write records as a rosbag2 folder of the name ``bag``."""

    def write(records: list[tuple[str, int, Any]], storage: str = 'mcap') -> Path:
        return ros2_bag.write(tmp_path / 'bag', records, storage)

    return write


@pytest.fixture(name='scene')
def scene_fixture() -> Callable[..., list[Sample]]:
    return scene
