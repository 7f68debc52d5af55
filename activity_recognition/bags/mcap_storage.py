"""Storage of mcap: an index that takes channels of every kind, messages through rosbags.

rosbags refuses a whole file for a schema or a profile that is not of ROS 2; here it is listed.
The format: https://mcap.dev/spec
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.storage_mcap import (
    ChunkInfo,
    McapReader,
    decompress,
    read_bytes,
    read_exact,
    read_string,
)

from activity_recognition.bags.channels import Channel, is_latched, messages_of
from activity_recognition.bags.limits import BoundedFile, check_chunks
from activity_recognition.bags.unpacking import BeyondLimitError, unpacked_limit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_MAGIC = b'\x89MCAP0\r\n'
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE = 0x01, 0x02, 0x03, 0x04, 0x05
_CHUNK, _CHUNK_INDEX, _STATISTICS = 0x06, 0x08, 0x0B
_FOOTER_BYTES = 37
"""The footer record and the magic after it, which end every file."""
_ROS_SCHEMAS = ('ros2msg', 'ros2idl', 'omgidl', 'ros1msg')
"""Encodings of schemas that are definitions of ROS messages."""


class McapStorage:
    """An opened mcap file."""

    def __init__(self, path: Path) -> None:
        """Read the index, or make one where the file has none.

        Raises:
            ReaderError, OSError and what damage makes struct and the decompressors raise.
        """
        self._reader = McapReader(path)
        self._reader.bio = file = BoundedFile(path)
        try:
            index = self._read_index(file, file.size)
            check_chunks(index.chunks, file.size)
        except BaseException:
            self.close()
            raise
        self._reader.chunks = index.chunk_infos()
        self.channels: tuple[Channel, ...] = tuple(
            replace(channel, count=index.counts[channel.id]) for channel in index.channels.values()
        )
        self._connections = {channel.id: _connection(channel, self) for channel in self.channels}
        self.start_ns, self.end_ns = index.start_ns, index.end_ns
        self.message_count = index.counts.total()

    def messages(self, channels: Collection[Channel]) -> Iterator[tuple[Channel, int, bytes]]:
        """Return channel, record time and content of the messages, in order of record time."""
        return messages_of(self._reader, self._connections, channels)

    def close(self) -> None:
        """Close the file."""
        if self._reader.bio is not None:
            self._reader.close()

    def _read_index(self, bio: BinaryIO, file_size: int) -> _Index:
        magic = bio.read(len(_MAGIC))
        if not magic:
            raise ReaderError(f'File {str(self._reader.path)!r} seems to be empty.')
        if magic != _MAGIC:
            raise ReaderError('File magic is invalid.')
        footer_start = bio.seek(-_FOOTER_BYTES, 2)
        footer = read_exact(bio, _FOOTER_BYTES)
        if footer[-len(_MAGIC) :] != _MAGIC:
            raise ReaderError('File end magic is invalid.')
        opcode, size, summary_start = struct.unpack_from('<BQQ', footer)
        if opcode != _FOOTER or size != 20 or not 0 <= summary_start <= footer_start:
            raise ReaderError('Invalid MCAP footer.')
        bio.seek(len(_MAGIC))
        header, size = struct.unpack('<BQ', read_exact(bio, 9))
        if header != _HEADER:
            raise ReaderError('Unexpected record.')
        self._reader.data_start = bio.tell() + size
        self._reader.data_end = summary_start or footer_start
        if summary_start:
            bio.seek(summary_start)
            index = _Index()
            for opcode, size in _records(bio, footer_start):
                index.take(opcode, read_exact(bio, size))
            if index.is_whole:
                return index
        scanned = _Index(unpacked_left=unpacked_limit(file_size))
        bio.seek(self._reader.data_start)
        scanned.scan(bio, self._reader.data_end)
        return scanned


@dataclass(slots=True)
class _Index:
    """What the summary section of a file says, or would say."""

    schemas: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Name of the type, and its definition where that is one of ROS."""
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkInfo] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    """Messages by channel."""
    start_ns: int = 2**63 - 1
    end_ns: int = 0
    is_whole: bool = False
    """Whether there were statistics, and all that they speak of."""
    lacks_schemas: bool = False
    """Whether a channel names a schema that was not there."""
    unpacked_left: int = 0
    """Bytes to which further chunks may unpack."""

    def take(self, opcode: int, content: bytes) -> None:
        """Take one record of the summary."""
        record = BytesIO(content)
        if opcode == _SCHEMA:
            self._take_schema(record)
        elif opcode == _CHANNEL:
            self._take_channel(record)
        elif opcode == _CHUNK_INDEX:
            self.chunks.append(_chunk_info(record))
        elif opcode == _STATISTICS:
            self._take_statistics(record)

    def scan(self, bio: BinaryIO, end: int, *, in_chunk: bool = False) -> None:
        """Take all records up to ``end`` of the file, or of an unpacked chunk."""
        for opcode, size in _records(bio, end):
            if opcode == _MESSAGE:
                channel, _, record_ns = struct.unpack('<HIQ', read_exact(bio, 14))
                self.counts[channel] += 1
                self.start_ns = min(self.start_ns, record_ns)
                self.end_ns = max(self.end_ns, record_ns)
            elif opcode == _CHUNK:
                if in_chunk:
                    raise ReaderError('Nested MCAP chunks are not supported.')
                chunk = _unpacked(BytesIO(read_exact(bio, size)))
                self.unpacked_left -= len(chunk)
                if self.unpacked_left < 0:
                    raise BeyondLimitError('its chunks unpack to more than its size allows')
                self.scan(BytesIO(chunk), len(chunk), in_chunk=True)
            elif opcode in (_SCHEMA, _CHANNEL):
                self.take(opcode, read_exact(bio, size))

    def chunk_infos(self) -> list[ChunkInfo]:
        """Return the chunks for rosbags, which skips those that seem to lack what is wanted."""
        return [
            chunk._replace(
                channel_count=dict.fromkeys(chunk.message_index_offsets or self.channels, 1)
            )
            for chunk in self.chunks
        ]

    def _take_schema(self, record: BytesIO) -> None:
        (number,) = struct.unpack('<H', read_exact(record, 2))
        name, encoding = _text(record), _text(record)
        self.schemas[number] = name, _text(record) if encoding in _ROS_SCHEMAS else ''

    def _take_channel(self, record: BytesIO) -> None:
        number, schema = struct.unpack('<HH', read_exact(record, 4))
        topic, encoding = _text(record), _text(record)
        # Another schema than is there, or none: the type stays unknown.
        type_name, definition = self.schemas.get(schema, ('', ''))
        self.channels[number] = Channel(
            id=number,
            topic=topic,
            type_name=type_name,
            encoding=encoding,
            definition=definition,
            latched=is_latched(_metadata(read_bytes(record)).get('offered_qos_profiles')),
        )
        self.lacks_schemas |= bool(schema) and schema not in self.schemas

    def _take_statistics(self, record: BytesIO) -> None:
        messages, _, channels, _, _, _, self.start_ns, self.end_ns = struct.unpack(
            '<QHIIIIQQ', read_exact(record, 42)
        )
        self.counts = Counter(dict(struct.iter_unpack('<HQ', read_bytes(record))))
        self.is_whole = (
            not self.lacks_schemas
            and channels == len(self.channels)
            and messages == self.counts.total()
        )


def _records(bio: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Yield opcode and size of each record up to ``end``, with the file at its content."""
    while bio.tell() < end:
        opcode, size = struct.unpack('<BQ', read_exact(bio, 9))
        start = bio.tell()
        if size > end - start:
            raise ReaderError(
                f'a record at byte {start - 9} of {size} bytes, where {end - start} are left'
            )
        yield opcode, size
        bio.seek(start + size)


def _unpacked(chunk: BytesIO) -> bytes:
    _, _, size, checksum = struct.unpack('<QQQI', read_exact(chunk, 28))
    compression = read_string(chunk)
    (packed,) = struct.unpack('<Q', read_exact(chunk, 8))
    return decompress(read_exact(chunk, packed), compression, size, checksum)


def _chunk_info(record: BytesIO) -> ChunkInfo:
    start_ns, end_ns, offset, length = struct.unpack('<QQQQ', read_exact(record, 32))
    offsets = dict(struct.iter_unpack('<HQ', read_bytes(record)))
    (index_length,) = struct.unpack('<Q', read_exact(record, 8))
    compression = read_string(record)
    packed, size = struct.unpack('<QQ', read_exact(record, 16))
    return ChunkInfo(
        *(start_ns, end_ns, offset, length, offsets, index_length, compression, packed, size), {}
    )


def _metadata(content: bytes) -> dict[str, str]:
    record, found = BytesIO(content), {}
    while record.tell() < len(content):
        key = _text(record)
        found[key] = _text(record)
    return found


def _text(record: BytesIO) -> str:
    """Return a text; comments of definitions are not always UTF-8, and some schemas are no text."""
    return read_bytes(record).decode(errors='replace')


def _connection(channel: Channel, owner: object) -> Connection:
    """Return what rosbags asks for to read a channel's messages."""
    return Connection(
        id=channel.id,
        topic=channel.topic,
        msgtype=channel.type_name,
        msgdef=MessageDefinition(MessageDefinitionFormat.NONE, ''),
        digest='',
        msgcount=channel.count,
        ext=ConnectionExtRosbag2(channel.encoding, []),
        owner=owner,
    )
