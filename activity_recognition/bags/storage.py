"""Opens what holds a recording: rosbag2 folders, bare mcap and sqlite3 files, ROS 1 bags."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag2 import Reader as Rosbag2Reader

from activity_recognition.errors import ActivityRecognitionError, RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterator

METADATA = 'metadata.yaml'
"""The file that makes a folder a rosbag2 recording."""
BARE_SUFFIXES = ('.mcap', '.db3', '.bag')
"""Single files that are recordings."""


def open_storage(path: Path) -> Rosbag1Reader | Rosbag2Reader:
    """Return an opened reader of the recording at ``path``.

    Raises:
        RecordingError: when there is none or it is damaged.
    """
    target = _storage_path(path)
    with readable(path):
        reader: Rosbag1Reader | Rosbag2Reader = (
            Rosbag1Reader(target) if target.suffix == '.bag' else Rosbag2Reader(target)
        )
        reader.open()
    return reader


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever reading a damaged recording raises into a RecordingError naming it."""
    try:
        yield
    except (ActivityRecognitionError, MemoryError):
        raise
    except OSError as error:
        raise RecordingError(f'{path}: cannot read this recording: {error}') from error
    except Exception as error:  # storage plugins raise errors of struct, sqlite3, zstd, YAML …
        reason = str(error).rstrip('.') or type(error).__name__
        raise RecordingError(
            f'{path}: cannot read this recording: {reason}; it is damaged '
            'or was cut short; try `ros2 bag reindex` (sqlite3) or `mcap recover` (mcap), or '
            'record it again'
        ) from error


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
    raise RecordingError(
        f'{path}: not a recording; expected {METADATA} in it or exactly one file ending in '
        f'{", ".join(BARE_SUFFIXES)}, found {len(files)}'
    )
