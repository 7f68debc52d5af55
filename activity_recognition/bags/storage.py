"""Opens what holds a recording: rosbag2 folders, bare mcap and sqlite3 files, ROS 1 bags."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.rosbag2 import ReaderError

from activity_recognition.bags.advice import explain, unread_file, without_metadata
from activity_recognition.bags.folder_storage import METADATA, FolderStorage
from activity_recognition.bags.mcap_storage import McapStorage
from activity_recognition.bags.ros1_storage import Ros1Storage
from activity_recognition.bags.sqlite_storage import SqliteStorage
from activity_recognition.errors import ActivityRecognitionError, RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from activity_recognition.bags.channels import Channel, Storage

__all__ = [
    'BARE_SUFFIXES',
    'METADATA',
    'open_storage',
    'readable',
    'with_valid_times',
    'writable',
]

_FILES: dict[str, Callable[[Path], Storage]] = {
    '.mcap': McapStorage,
    '.db3': SqliteStorage,
    '.bag': Ros1Storage,
}
BARE_SUFFIXES = tuple(_FILES)
"""Single files that are recordings."""
_LATEST_NS = 2**63
"""Times are integers of 64 bits."""


def open_storage(path: Path) -> Storage:
    """Return the opened recording at ``path``; only what is asked of it is looked into.

    Raises:
        RecordingError: when there is none or it is damaged.
    """
    target = _storage_path(path)
    with readable(path):
        storage = FolderStorage(target) if target.is_dir() else _FILES[target.suffix](target)
        if storage.message_count and not 0 <= storage.start_ns <= storage.end_ns < _LATEST_NS:
            storage.close()
            raise ReaderError(
                f'it lasts from {storage.start_ns:.6g} to {storage.end_ns:.6g} ns since 1970'
            )
    return storage


def with_valid_times(
    messages: Iterator[tuple[Channel, int, bytes]],
) -> Iterator[tuple[Channel, int, bytes]]:
    """Yield messages as long as their record times can be counted in nanoseconds since 1970.

    Raises:
        ReaderError: one of them cannot.
    """
    for channel, record_ns, data in messages:
        if not 0 <= record_ns < _LATEST_NS:
            raise ReaderError(f'a message on {channel.topic[:100]} was recorded at {record_ns} ns')
        yield channel, record_ns, data


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever reading a recording raises into a RecordingError that names it."""
    try:
        yield
    except ActivityRecognitionError:
        raise
    except OSError as error:
        raise RecordingError(f'{path}: cannot read this recording: {error}') from error
    except Exception as error:  # storages raise errors of struct, sqlite3, zstd, YAML …
        raise RecordingError(f'{path}: {explain(error, path)}') from error


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn whatever writing a recording raises (a full disk, mostly) into a RecordingError."""
    try:
        yield
    except (ActivityRecognitionError, MemoryError):
        raise
    except Exception as error:  # as above
        raise RecordingError(
            f'{path}: cannot write this recording: {error or type(error).__name__}'
        ) from error


def _storage_path(path: Path) -> Path:
    """Return what to open: the path itself, or the only bag file of a folder without metadata."""
    if not path.exists():
        raise RecordingError(f'{path}: no such recording')
    if path.is_file():
        if path.suffix not in BARE_SUFFIXES:
            if reason := unread_file(path):
                raise RecordingError(reason)
            raise RecordingError(
                f'{path}: not a recording; expected a rosbag2 folder or a file ending in '
                f'{", ".join(BARE_SUFFIXES)}; ordinary videos are imported first '
                '(activity-recognition import)'
            )
        return path
    if (path / METADATA).is_file():
        return path
    files = [file for file in sorted(path.iterdir()) if file.suffix in BARE_SUFFIXES]
    if len(files) == 1:
        return files[0]
    if reason := without_metadata(path):
        raise RecordingError(reason)
    raise RecordingError(
        f'{path}: not a recording; expected {METADATA} in it or exactly one file ending in '
        f'{", ".join(BARE_SUFFIXES)}, found {len(files)}'
    )
