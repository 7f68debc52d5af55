"""Writes what is fetched: never more than was registered, and under its name only when it is whole.

A file is written into a temporary folder beside its place, flushed to the disk, compared with the
register, and renamed. So a reader sees the old file or the new one, whatever process or machine
ends meanwhile, and two processes that fetch the same do not meet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from activity_recognition.errors import OutputError, WeightsError
from activity_recognition.weights.entries import WeightsFile
from activity_recognition.weights.finding import fault

BLOCK = 1 << 18
"""Bytes that are read at a time."""

Received = Callable[[int, int], None]
"""Is told how many bytes of how many have come."""


def ignore_progress(_count: int, _total: int) -> None:
    """Tell nobody how far it is."""


@contextmanager
def writing_cache(path: Path) -> Iterator[None]:
    """Turn what fails in writing into a sentence.

    Args:
        path: what is written, for the message.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(cannot_write(path, error.strerror or str(error))) from error


def cannot_write(path: Path, reason: str) -> str:
    """Return what to say of a cache or folder that cannot be written.

    Args:
        path: what was to be written.
        reason: why it was not.
    """
    return (
        f'{path}: cannot write weights there: {reason}; make room, or name a folder that can be '
        'written with --to or XDG_CACHE_HOME'
    )


def copy_bounded(
    read: Callable[[int], bytes],
    target: Path,
    size_bytes: int,
    received: Received = ignore_progress,
) -> None:
    """Write what ``read`` gives to a file, until it ends or the registered size is reached.

    Args:
        read: returns up to so many bytes, none at the end.
        target: the file to write.
        size_bytes: registered size; not one byte more is read.
        received: is told how far it is.

    Raises:
        OutputError: the file cannot be written. What ``read`` raises is passed on.
    """
    with writing_cache(target):
        file = target.open('wb', buffering=0)  # a buffer would complain of a full disk once more
    with file:
        count = 0
        while count < size_bytes and (block := read(min(BLOCK, size_bytes - count))):
            with writing_cache(target):
                _write(file.write, block)
            count += len(block)
            received(count, size_bytes)
        with writing_cache(target):
            os.fsync(file.fileno())


def put_in_place(file: WeightsFile, staged: Path, target: Path, origin: str) -> None:
    """Give a file that was fetched its name, if it is the registered one.

    Args:
        file: what it should be.
        staged: where it was written, on the same disk.
        target: its name in the cache.
        origin: where it comes from, for the message.

    Raises:
        WeightsError: it is another file; the cache is as before.
        OutputError: it cannot be put there, as where a folder has its name.
    """
    if target.is_dir():
        raise OutputError(
            f'{target}: expected a file or nothing, found a folder; remove it, or rename it'
        )
    wrong = fault(file, staged, shown=origin)
    if wrong:
        raise WeightsError(f'{wrong}; it was not kept')
    with writing_cache(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)


def _write(write: Callable[[memoryview], int], block: bytes) -> None:
    left = memoryview(block)
    while left:
        left = left[write(left) :]
