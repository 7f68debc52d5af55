"""What cannot be read is named, with the tool of its own kind; what is skipped, too."""

import gzip
import shutil
import sqlite3

import pytest
from rosbags.rosbag2.reader import zstd

from activity_recognition.bags import RecordingReader, unread_files
from activity_recognition.errors import RecordingError
from factories.mcap import STORE, ros2_channel, write_mcap

START_NS = 1_700_000_000_000_000_000
ROS1_TOOLS, ROS2_TOOLS = ('rosbag reindex', 'rosbag fix'), ('ros2 bag', 'mcap ')


def refusal(path) -> str:
    with pytest.raises(RecordingError) as caught, RecordingReader(path) as reader:
        list(reader.records())
    return str(caught.value)


@pytest.fixture
def word():
    return ros2_channel('/speech', [(START_NS, STORE.types['std_msgs/msg/String'](data='tea'))])


@pytest.fixture
def bag(ros1_bag):
    word = ros1_bag.make('std_msgs/msg/String', data='tea')
    return ros1_bag.write([('/speech', START_NS, word)])


def edited(path, place: bytes, value: bytes):
    """Overwrite what follows a text in a file."""
    data = bytearray(path.read_bytes())
    start = data.index(place) + len(place)
    data[start : start + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ('place', 'value', 'words'),
    [
        (b'index_pos=', bytes(8), ('without an index', '`rosbag reindex old.bag`')),
        (b'#ROSBAG V', b'1.2', ('not damaged', 'rosbag fix')),
        (b'compression=', b'rar!', ('not damaged', 'rosbag decompress')),
        (b'#ROS', b'TAR', ('damaged', '`rosbag reindex old.bag`')),
    ],
)
def test_a_ros1_bag_gets_the_advice_of_ros1(bag, place, value, words):
    reason = refusal(edited(bag, place, value))
    assert all(word in reason for word in (*words, 'ROS 1')), reason
    assert not any(tool in reason for tool in ROS2_TOOLS)


def test_an_mcap_that_was_not_closed_says_how_to_close_it(word, tmp_path):
    path = write_mcap(tmp_path / 'cut.mcap', [word])
    path.write_bytes(path.read_bytes()[:-50])
    reason = refusal(path)
    assert 'was not closed' in reason
    assert '`mcap recover cut.mcap -o' in reason
    assert not any(tool in reason for tool in ROS1_TOOLS)


def test_a_database_that_is_cut_short_gets_the_advice_of_sqlite(ros2_bag, tmp_path):
    folder = ros2_bag.write(
        tmp_path / 'other', [('/cam', START_NS, ros2_bag.image(START_NS))] * 2, 'sqlite3'
    )
    (file,) = folder.glob('*.db3')
    file.write_bytes(file.read_bytes()[:9000])
    assert '`sqlite3 other.db3 .recover`' in refusal(folder)


def test_unsupported_is_not_called_damaged(ros2_bag, tmp_path):
    folder = ros2_bag.write(tmp_path / 'bag', [('/cam', START_NS, ros2_bag.image(START_NS))])
    metadata = folder / 'metadata.yaml'
    metadata.write_text(
        metadata.read_text().replace('storage_identifier: mcap', 'storage_identifier: tape')
    )
    reason = refusal(folder)
    assert "which is not damaged: Storage plugin 'tape' not supported" in reason


def test_compressed_and_unfinished_files_are_named(word, bag, tmp_path):
    folder = tmp_path / 'recordings'
    (folder / 'day').mkdir(parents=True)
    content = write_mcap(folder / 'good.mcap', [word]).read_bytes()
    (folder / 'day' / 'a.mcap.zst').write_bytes(zstd.compress(content))
    (folder / 'day' / 'b.db3.zstd').write_bytes(b'x')
    (folder / 'c.bag.gz').write_bytes(gzip.compress(bag.read_bytes()))
    shutil.copy(bag, folder / 'd.bag.active')
    (folder / 'notes.txt.gz').write_bytes(b'x')
    (folder / '.hidden.mcap.zst').write_bytes(b'x')
    found = unread_files(folder)
    assert [reason.partition(': not read')[0].removeprefix(f'{folder}/') for reason in found] == [
        'c.bag.gz', 'd.bag.active', 'day/a.mcap.zst', 'day/b.db3.zstd',
    ]  # fmt: skip
    assert '`gunzip c.bag.gz`' in found[0]
    assert '`rosbag reindex d.bag.active` (ROS 1)' in found[1]
    assert '`zstd -d a.mcap.zst`' in found[2]
    assert refusal(folder / 'd.bag.active') == found[1]


def test_messages_that_sqlite_has_not_put_in_yet_are_named(ros2_bag, tmp_path):
    image = ros2_bag.image(START_NS)
    folder = ros2_bag.write(tmp_path / 'bag', [('/cam', START_NS, image)], 'sqlite3')
    assert unread_files(tmp_path) == []
    database = sqlite3.connect(folder / 'bag.db3', isolation_level=None)
    database.execute('PRAGMA journal_mode = wal')
    database.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES (1, 5, x'00')")
    (reason,) = unread_files(tmp_path)
    assert 'messages of bag.db3, which was not closed' in reason
    database.close()
    assert unread_files(tmp_path) == []


def test_a_split_recording_without_metadata_is_one_sentence(word, tmp_path):
    folder = tmp_path / 'split'
    folder.mkdir()
    for number in range(3):
        write_mcap(folder / f'day_{number}.mcap', [word])
    (reason,) = unread_files(tmp_path)
    assert f'`ros2 bag reindex {folder}`' in reason
    assert '3 files, day_0.mcap to day_2.mcap' in reason
    assert refusal(folder) == reason
    # Recordings of their own are no parts of one.
    (folder / 'day_1.labels.csv').touch()
    assert unread_files(tmp_path) == []


def test_a_link_to_a_folder_above_is_not_followed(tmp_path):
    (tmp_path / 'day').mkdir()
    (tmp_path / 'day' / 'a.mcap.zst').touch()
    (tmp_path / 'day' / 'up').symlink_to(tmp_path)
    (reason,) = unread_files(tmp_path)
    assert reason.startswith(f'{tmp_path}/day/a.mcap.zst')


@pytest.mark.real
def test_shared_recordings_of_ros1_and_without_metadata(shared_case):
    reason = refusal(shared_case('unindexed_ros1') / 'ros1_unindexed.bag')
    assert '`rosbag reindex ros1_unindexed.bag` (ROS 1)' in reason
    assert not any(tool in reason for tool in ROS2_TOOLS)
    with RecordingReader(shared_case('mcap_ros1') / 'ros1.mcap') as reader:
        samples = list(reader.samples())
        assert reader.drops.counts == {}
    assert [sample.stamp_ns for sample in samples] == [START_NS + k * 10**8 for k in range(20)]
    assert samples[0].image[0, 0].tolist() == [220, 30, 30]
    folder = shared_case('split_without_metadata') / 'split_nometa'
    (reason,) = unread_files(folder)
    assert reason.startswith(f'{folder}: 2 files, x_0.mcap to x_1.mcap')
    assert f'`ros2 bag reindex {folder}`' in reason
