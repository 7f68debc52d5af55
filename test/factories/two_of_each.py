"""A recording in which everything has to be named: two of each sensor, a transcript of its own."""

from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
NOTE = 'std_msgs/Header header\nhouse_msgs/Line line\nfloat32 score'
STORE = get_typestore(Stores.ROS2_JAZZY)
for _name, _text in {
    'house_msgs/msg/Line': 'string words',
    'house_msgs/msg/Note': NOTE,
    'audio_common_msgs/msg/AudioData': 'uint8[] data',
    'audio_common_msgs/msg/AudioDataStamped': 'std_msgs/Header header\nAudioData audio',
}.items():
    STORE.register(get_types_from_msg(_text, _name))
ROLES = {'image': '/left/image', 'audio': '/mic/one', 'transcript': '/heard'}
FIELD = {'transcript_field': 'line.words'}
FORMAT = {'audio_sample_format': 'S16LE', 'audio_sample_rate_hz': 8000}
ALL = {**ROLES, **FIELD, **FORMAT}


def header(stamp_ns: int):
    stamp = STORE.types['builtin_interfaces/msg/Time'](
        sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
    )
    return STORE.types['std_msgs/msg/Header'](stamp=stamp, frame_id='')


def image(stamp_ns: int, value: int):
    return STORE.types['sensor_msgs/msg/Image'](
        header=header(stamp_ns), height=8, width=8, encoding='rgb8', is_bigendian=0, step=24,
        data=np.full(192, value, np.uint8),
    )  # fmt: skip


def sound(value: int, stamp_ns: int | None = None):
    data = np.full(800, value, '<i2').view(np.uint8)
    audio = STORE.types['audio_common_msgs/msg/AudioData'](data=data)
    if stamp_ns is None:
        return audio
    kind = STORE.types['audio_common_msgs/msg/AudioDataStamped']
    return kind(header=header(stamp_ns), audio=audio)


def note(stamp_ns: int, words: str):
    line = STORE.types['house_msgs/msg/Line'](words=words)
    return STORE.types['house_msgs/msg/Note'](header=header(stamp_ns), line=line, score=0.5)


def write(path: Path, shade: int = 0, seconds: int = 2, *, stamped: bool = False) -> Path:
    """Write two cameras, two microphones without AudioInfo, and a transcript of a type of its own.

    The left camera shows 10, the right one 200; the first microphone has a quarter of full scale,
    the second one silence. ``shade`` is added to left pictures; sound has stamps if ``stamped``.
    """
    records = []
    for k in range(10 * seconds):
        t = START_NS + k * 100 * MS
        records += [('/left/image', t, image(t, 10 + shade)), ('/right/image', t, image(t, 200))]
        for topic, value in (('/mic/one', 8192), ('/mic/two', 0)):
            records.append((topic, t + 100 * MS, sound(value, t if stamped else None)))
    records.append(('/heard', START_NS + 900 * MS, note(START_NS + 500 * MS, 'put it down')))
    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for topic, record_ns, message in sorted(records, key=lambda record: record[1]):
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=STORE)
            writer.write(connections[topic], record_ns, STORE.serialize_cdr(message, name))
    (path / 'labels.csv').write_text('start_s,end_s,label\n0,1,wave\n1,2,none\n')
    return path


def write_three(folder: Path) -> Path:
    """Write three such recordings, which differ, below a new folder, and return the folder."""
    folder.mkdir()
    for number in range(3):
        write(folder / f'r{number}', number)
    return folder
