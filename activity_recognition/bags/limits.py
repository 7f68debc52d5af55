"""Guards for readers of recordings: what they allocate follows from a file's real size.

A recording says how long its records are, what its chunks unpack to, and where they lie. Here that
is compared with the file before anything is read, so that a flipped bit, or a file made to exhaust
the machine, is refused. The bounds are in :mod:`activity_recognition.bags.unpacking`.
"""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from itertools import accumulate
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any

from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag1 import ReaderError as Rosbag1Error
from rosbags.rosbag1.reader import decompressors as ros1_decompressors
from rosbags.rosbag2 import ReaderError, storage_mcap

from activity_recognition.bags.unpacking import (
    MAX_RECORD_BYTES,
    BeyondLimitError,
    unpack,
    unpacked_limit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence

    from rosbags.interfaces import Connection
    from rosbags.rosbag1.reader import Chunk, IndexData
    from rosbags.rosbag2.storage_mcap import ChunkInfo

MAX_METADATA_BYTES = 4 * 1024 * 1024
"""Size of a metadata.yaml; that of a recording of ten thousand files has 3 MB."""
MAX_OVERLAPPING_BYTES = 4 * MAX_RECORD_BYTES
"""Size of the chunks of an mcap that hold the same moment: they are in memory together."""
_SMALL_BYTES = 64 * 1024
"""Reads up to this length are left to fail by themselves."""
_MAX_LINE_BYTES = 4096
_TABLES = ('schema', 'metadata', 'topics', 'message_definitions', 'messages')


class BoundedFile(io.BufferedReader):
    """A file of which nobody can ask for more than it holds, or more than a record may have."""

    def __init__(self, path: Path) -> None:
        """Open a file for reading.

        Raises:
            OSError: it cannot be opened.
        """
        super().__init__(io.FileIO(path, 'rb'))
        self.size = path.stat().st_size
        """Of the file, bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes.

        Raises:
            EOFError: the file ends before.
            BeyondLimitError: it does not, but a record may not be that long.
        """
        if size is None or size < 0 or size > _SMALL_BYTES:
            left = max(self.size - self.tell(), 0)
            size = left if size is None or size < 0 else size
            if size > left:
                raise EOFError(f'a record of {size} bytes, where the file has {left} left')
            if size > MAX_RECORD_BYTES:
                raise BeyondLimitError(
                    f'a record of {size} bytes; at most {MAX_RECORD_BYTES} are read at once'
                )
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line, or its beginning."""
        return super().readline(_MAX_LINE_BYTES if size is None or size < 0 else size)


class _BoundedPath(PosixPath):
    """A path that opens its file as :class:`BoundedFile`."""

    def open(self, *_: Any, **__: Any) -> Any:
        return BoundedFile(Path(self))


def check_chunks(chunks: Sequence[ChunkInfo], size: int) -> None:
    """Hold the index of an mcap file against the file.

    Args:
        chunks: what the index says.
        size: of the file, bytes.

    Raises:
        ReaderError: it speaks of what is not in the file.
        BeyondLimitError: the chunks unpack to more than is read.
    """
    within = all(
        chunk.chunk_start_offset + chunk.chunk_length <= size
        and chunk.compressed_size <= chunk.chunk_length
        for chunk in chunks
    )
    if not within or sum(chunk.chunk_length for chunk in chunks) > size:
        raise ReaderError('the index speaks of chunks that are not in the file')
    unpacked = sum(chunk.uncompressed_size for chunk in chunks)
    if unpacked > unpacked_limit(size):
        raise BeyondLimitError(
            f'its chunks unpack to {unpacked} bytes; at most {unpacked_limit(size)} are read from '
            'a file of this size'
        )
    edges = [
        edge
        for chunk in chunks
        for edge in (
            (chunk.message_start_time, 0, chunk.uncompressed_size),
            (chunk.message_end_time, 1, -chunk.uncompressed_size),
        )
    ]
    together = max(accumulate(change for _, _, change in sorted(edges)), default=0)
    if together > MAX_OVERLAPPING_BYTES:
        raise BeyondLimitError(
            f'{together} bytes of chunks of the same moment; at most {MAX_OVERLAPPING_BYTES} are '
            'read at once; `mcap sort` puts messages in order'
        )


def _unpack_chunk(name: str) -> Callable[[bytes, int], bytes]:
    def unpack_chunk(data: bytes, size: int) -> bytes:
        if size > MAX_RECORD_BYTES:
            raise BeyondLimitError(f'a chunk of {size} bytes; at most {MAX_RECORD_BYTES} are read')
        return unpack(name, data, size)

    return unpack_chunk


# rosbags unpacks a chunk whole and then refuses one of another size than was said. The result is
# the same where unpacking stops at that size.
storage_mcap.DECOMPRESSORS.update({name: _unpack_chunk(name) for name in ('lz4', 'zstd')})


def check_tables(database: sqlite3.Connection) -> None:
    """Refuse a database that computes what it says it holds, and rows above the limit.

    Raises:
        ReaderError: a table is a view, or a column is computed.
        sqlite3.Error: it is damaged.
    """
    if sys.version_info >= (3, 11):
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_RECORD_BYTES)
    found = database.execute(
        'SELECT name, type, rootpage FROM sqlite_master '
        'WHERE lower(name) IN (SELECT value FROM json_each(?))',
        (json.dumps(_TABLES),),
    ).fetchall()
    for name, kind, page in found:
        # The name is one of _TABLES, perhaps in capitals.
        columns = database.execute(f'PRAGMA table_xinfo({name})').fetchall()
        if kind != 'table' or not page or any(column[6] for column in columns):
            raise ReaderError(f'{name} is no table of records: it is computed')


class BoundedRosbag1Reader(Rosbag1Reader):
    """rosbags' reader of ROS 1 bags; the bag's index is compared with the file."""

    def __init__(self, path: Path) -> None:
        """Take the path of a bag.

        Raises:
            OSError: it does not exist.
        """
        super().__init__(_BoundedPath(path))
        self._size = path.stat().st_size
        self._index_bytes = self._unpacked = 0

    def read_chunk(self) -> Chunk:
        """Read a chunk's header."""
        chunk = super().read_chunk()
        for name in ('bz2', 'lz4'):
            if ros1_decompressors[name] is chunk.decompressor:
                return chunk._replace(decompressor=self._bounded(name))
        return chunk

    def read_index_data(self, pos: int, indexes: dict[int, list[IndexData]]) -> None:
        """Read the index of a chunk.

        Args:
            pos: where the index begins, bytes from the start of the file.
            indexes: takes what is read, by connection.

        Raises:
            ReaderError: the same index was read several times.
        """
        assert self.bio
        begun = self.bio.tell()
        super().read_index_data(pos, indexes)
        self._index_bytes += self.bio.tell() - begun
        if self._index_bytes > self._size:
            raise Rosbag1Error('the index names more messages than the file has room for')

    def messages(
        self,
        connections: Collection[Connection] = (),
        start: int | None = None,
        stop: int | None = None,
    ) -> Generator[tuple[Connection, int, bytes], None, None]:
        """Yield connection, record time and content of messages, in order of record time.

        Args:
            connections: whose messages are wanted; all where it is empty.
            start: record time of the first message, nanoseconds; None for the first of all.
            stop: record time before which the last message lies; None for the end.
        """
        self._unpacked = 0
        yield from super().messages(connections, start, stop)

    def _bounded(self, name: str) -> Callable[[bytes], bytes]:
        def decompress(data: bytes) -> bytes:
            unpacked = unpack(name, data)
            self._unpacked += len(unpacked)
            if self._unpacked > unpacked_limit(self._size):
                raise BeyondLimitError(
                    f'its chunks unpack to more than {unpacked_limit(self._size)} bytes, as many '
                    'as are read from a file of this size'
                )
            return unpacked

        return decompress
