"""What a recording says of its sizes does not decide what is allocated, or for how long."""

import bz2
import random
import resource
import sqlite3
import struct
import tempfile
from functools import cache
from pathlib import Path

import lz4.frame
import pytest
import yaml
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2.reader import zstd

from activity_recognition.bags import RecordingReader
from activity_recognition.bags.limits import BoundedFile
from activity_recognition.bags.unpacking import BeyondLimitError, unpack, unpacked_limit
from activity_recognition.errors import RecordingError
from factories.mcap import MAGIC, ros2_channel, write_mcap

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
MIB = 1024 * 1024
HEADROOM = 768 * MIB
"""Address space that a reader of files of some kilobytes is given on top of what is loaded."""


@pytest.fixture(autouse=True)
def little_memory():
    """Let an allocation far beyond the size of these files fail."""
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def read_all(path: Path) -> str:
    """Read a recording to its end; return what it is refused for, empty where it is read."""
    try:
        with RecordingReader(path) as reader:
            for _ in reader.records():
                pass
            for _ in reader.samples():
                pass
    except RecordingError as error:
        reason = str(error)
    else:
        reason = ''
    assert len(reason) < 1000 + len(str(path))
    assert 'does not fit into memory' not in reason
    return reason


@pytest.fixture
def originals(ros2_bag, ros1_bag, tmp_path) -> dict[str, bytes]:
    """Return small files of every kind by ending and how they are packed."""
    records = [
        ('/cam', START_NS + k * 100 * MS, ros2_bag.image(START_NS + k * 100 * MS, k))
        for k in range(6)
    ]
    files = {}
    for storage, compression in (('mcap', 'none'), ('mcap', 'storage'), ('sqlite3', 'none')):
        folder = ros2_bag.write(
            tmp_path / f'{storage}-{compression}', records, storage, compression=compression
        )
        (file,) = (f for f in folder.iterdir() if f.suffix != '.yaml')
        files[f'{compression}{file.suffix}'] = file.read_bytes()
    channel = ros2_channel('/cam', [(t, m) for _, t, m in records])
    path = tmp_path / 'x.mcap'
    files['plain.mcap'] = write_mcap(path, [channel], chunked=False, summary=False).read_bytes()
    for compression in ('none', 'bz2', 'lz4'):
        files[f'{compression}.bag'] = ros1_file(ros1_bag, tmp_path / 'x.bag', compression)
    return files


def ros1_file(ros1_bag, path: Path, compression: str, words: int = 6) -> bytes:
    path.unlink(missing_ok=True)
    writer = Rosbag1Writer(path)
    if compression != 'none':
        writer.set_compression(Rosbag1Writer.CompressionFormat[compression.upper()])
    with writer:
        name = 'std_msgs/msg/String'
        connection = writer.add_connection('/speech', name, typestore=ros1_bag.store)
        for k in range(words):
            message = ros1_bag.make(name, data=str(k))
            raw = ros1_bag.store.serialize_ros1(message, name)
            writer.write(connection, START_NS + k * MS, raw)
    return path.read_bytes()


def mutants(data: bytes, count: int, seed: int):
    """Yield copies with a few bytes replaced, mostly by those that make lengths large."""
    draw = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            place = draw.randrange(len(changed))
            changed[place] = draw.choice((0xFF, 0x7F, 0x80, 0, draw.randrange(256)))
        if draw.random() < 0.2:
            place = draw.randrange(len(changed) - 8)
            changed[place : place + 4] = draw.choice((b'\xff' * 4, b'\0\0\0\x40', b'\0\0\0\x10'))
        yield bytes(changed)


def check_mutants(originals, tmp_path, count: int) -> None:
    """Expect every damaged file to be read or refused in a sentence, with little memory."""
    outcomes = {}
    for name, data in originals.items():
        path = tmp_path / f'damaged{Path(name).suffix}'
        path.write_bytes(data)
        assert read_all(path) == ''
        refused = 0
        for mutant in mutants(data, count, seed=len(name)):
            path.write_bytes(mutant)
            refused += bool(read_all(path))
        outcomes[name] = refused
    assert min(outcomes.values()) > 0, outcomes


def test_flipped_bytes_allocate_nothing(originals, tmp_path):
    check_mutants(originals, tmp_path, 40)


@pytest.mark.slow
def test_many_flipped_bytes_allocate_nothing(originals, tmp_path):
    check_mutants(originals, tmp_path, 600)


def test_a_record_is_never_longer_than_its_file(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(bytes(100_000))
    with BoundedFile(path) as file:
        with pytest.raises(EOFError, match='100000 left'):
            file.read(1 << 50)
        assert len(file.read(99_000)) == 99_000
        assert len(file.read()) == 1000
    sparse = tmp_path / 'sparse'
    with sparse.open('wb') as file:
        file.truncate(1 << 40)
    with BoundedFile(sparse) as file, pytest.raises(BeyondLimitError, match='at most 268435456'):
        file.read(1 << 39)


COMPRESS = {'bz2': bz2.compress, 'lz4': lz4.frame.compress, 'zstd': zstd.compress}


@pytest.mark.parametrize('name', COMPRESS)
def test_unpacking_stops_at_its_limit(name):
    content = bytes(range(256)) * 4_000
    packed = COMPRESS[name](content)
    assert unpack(name, packed, len(content)) == content
    assert unpack(name, packed + packed) == content + content
    with pytest.raises(BeyondLimitError, match='1023999'):
        unpack(name, packed, len(content) - 1)
    with pytest.raises(EOFError, match='end mark'):
        unpack(name, packed[:-20])


@cache
def bomb(size: int) -> bytes:
    """Return a little zstd that unpacks to ``size`` zeros."""
    compressor = zstd.ZstdCompressor(level=1)
    parts = [compressor.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b''.join([*parts, compressor.flush()])


def chunked(compressed: bytes, said: int, copies: int = 1) -> bytes:
    """Return an mcap of chunks of zstd that are said to hold ``said`` bytes of the same moment."""

    def record(opcode: int, content: bytes) -> bytes:
        return struct.pack('<BQ', opcode, len(content)) + content

    def text(content: bytes) -> bytes:
        return struct.pack('<I', len(content)) + content

    name = b'std_msgs/msg/String'
    schema = record(3, struct.pack('<H', 1) + text(name) + text(b'ros2msg') + text(b'string data'))
    channel = record(4, struct.pack('<HH', 1, 1) + text(b'/speech') + text(b'cdr') + text(b''))
    data = MAGIC + record(1, text(b'ros2') + text(b''))
    times = START_NS, START_NS + 1
    index = b''
    for _ in range(copies):
        start = len(data)
        head = struct.pack('<QQQI', *times, said, 0) + text(b'zstd')
        data += record(6, head + struct.pack('<Q', len(compressed)) + compressed)
        index += record(
            8,
            struct.pack('<QQQQ', *times, start, len(data) - start)
            + text(struct.pack('<HQ', 1, start)) + struct.pack('<Q', 0) + text(b'zstd')
            + struct.pack('<QQ', len(compressed), said),
        )  # fmt: skip
    summary = len(data)
    statistics = struct.pack('<QHIIIIQQ', 1, 1, 1, 0, 0, copies, *times)
    data += schema + channel + index + record(11, statistics + text(struct.pack('<HQ', 1, 1)))
    return data + record(2, struct.pack('<QQI', summary, 0, 0)) + MAGIC


@pytest.mark.parametrize(
    ('said', 'copies', 'reason'),
    [
        (1000, 1, 'more than the 1000 bytes'),
        (1 << 40, 1, 'its chunks unpack to 1099511627776 bytes'),
        (600 * MIB, 1, 'a chunk of 629145600 bytes; at most 268435456'),
        (180 * MIB, 6, 'bytes of chunks of the same moment'),
    ],
)
def test_a_chunk_unpacks_to_no_more_than_is_read(tmp_path, said, copies, reason):
    path = tmp_path / 'bomb.mcap'
    path.write_bytes(chunked(bomb(800 * MIB), said, copies))
    assert path.stat().st_size < 256 * 1024 * copies
    assert reason in read_all(path)


def test_a_packed_file_unpacks_to_no_more_than_its_size_allows(ros2_bag, tmp_path, monkeypatch):
    monkeypatch.setattr('activity_recognition.bags.unpacking._UNPACKED_BYTES', MIB)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    records = [('/cam', START_NS + k, ros2_bag.image(START_NS + k, k)) for k in range(3)]
    folder = ros2_bag.write(tmp_path / 'bag', records, 'sqlite3', compression='file')
    assert read_all(folder) == ''
    (file,) = folder.glob('*.zstd')
    file.write_bytes(bomb(800 * MIB))
    limit = unpacked_limit(file.stat().st_size)
    assert f'bag.db3.zstd unpacks to more than {limit} bytes' in read_all(folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ['bag']


def database(path: Path, *statements: str) -> Path:
    """Write an sqlite3 recording of one word, then run statements on it."""
    connection = sqlite3.connect(path)
    connection.executescript(
        'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, '
        "serialization_format TEXT); INSERT INTO topics VALUES(1, '/speech', "
        "'std_msgs/msg/String', 'cdr');"
        'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, '
        f'data BLOB); INSERT INTO messages VALUES(1, 1, {START_NS}, '
        "x'00010000040000006f6e6500');" + ''.join(statements)
    )
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize(
    'statements',
    [
        'ALTER TABLE messages RENAME TO m; CREATE VIEW messages AS SELECT id, topic_id, '
        'timestamp, zeroblob(900000000) AS data FROM m;',
        'ALTER TABLE messages DROP COLUMN data; '
        'ALTER TABLE messages ADD COLUMN data BLOB AS (zeroblob(900000000));',
        'ALTER TABLE topics RENAME TO t; CREATE VIEW topics AS WITH RECURSIVE n(x) AS '
        '(SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id, name, type, '
        'serialization_format FROM n, t;',
    ],
)
def test_a_database_computes_nothing(tmp_path, statements):
    assert read_all(database(tmp_path / 'whole.db3')) == ''
    assert 'it is computed' in read_all(database(tmp_path / 'x.db3', statements))


@pytest.mark.parametrize(
    'statement',
    [
        "UPDATE messages SET timestamp = 'noon';",
        'UPDATE messages SET timestamp = 1e300;',
        'UPDATE messages SET timestamp = -5;',
    ],
)
def test_a_record_time_of_another_kind_is_refused(tmp_path, statement):
    assert 'cannot read this recording' in read_all(database(tmp_path / 'x.db3', statement))


def test_metadata_decides_nothing_about_memory(ros2_bag, tmp_path):
    folder = ros2_bag.write(tmp_path / 'bag', [('/cam', START_NS, ros2_bag.image(START_NS))])
    metadata = folder / 'metadata.yaml'
    content = yaml.safe_load(metadata.read_text())
    information = content['rosbag2_bagfile_information']
    information['relative_file_paths'] *= 2
    metadata.write_text(yaml.safe_dump(content))
    assert 'names a file twice' in read_all(folder)
    metadata.write_text('a: ' + '[' * 100_000)
    assert 'ros2 bag reindex' in read_all(folder)
    metadata.write_text('#' * (5 * MIB))
    assert 'at most 4194304 are read' in read_all(folder)


def test_an_index_that_repeats_itself_is_refused(tmp_path, ros1_bag):
    """Every chunk of ROS 1 is said to be the first one, so that its index is read many times."""
    path = tmp_path / 'x.bag'
    data = ros1_file(ros1_bag, path, 'none', words=200)
    position = data.index(b'index_pos=') + 10
    (index,) = struct.unpack_from('<Q', data, position)
    count = data.index(b'chunk_count=') + 12
    start = data.index(b'\x06', index) - 7  # the header of the chunk's info
    (header,) = struct.unpack_from('<I', data, start - 4)
    info = data[start - 4 :]
    copies = 5000
    changed = bytearray(data[: start - 4] + info * copies)
    changed[count : count + 4] = struct.pack('<I', copies)
    path.write_bytes(changed)
    assert header < len(info)
    assert 'more messages than the file has room for' in read_all(path)


def test_memory_that_is_short_all_the_same_is_said(tmp_path, monkeypatch, ros2_bag):
    folder = ros2_bag.write(tmp_path / 'bag', [('/cam', START_NS, ros2_bag.image(START_NS))])

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr('activity_recognition.bags.folder_storage.McapStorage.messages', fail)
    with (
        RecordingReader(folder) as reader,
        pytest.raises(RecordingError, match='does not fit into memory'),
    ):
        list(reader.records())
