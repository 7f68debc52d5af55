"""What Fast DDS keeps in shared memory, and what of it belongs to processes that are gone.

A participant has a segment, ``fastrtps_<16 digits>``, and ports, ``fastrtps_port<number>``, each
with a lock file ``…_el`` or ``…_sl`` that it holds by flock(2) as long as it lives. What a killed
process leaves may stay for ever: a segment of the shipped profile is 64 MiB. The kernel gives up
the locks of a process that ends, so a lock that can be taken is one that nobody holds; also across
containers that share ``/dev/shm``, which process ids do not show. Fast DDS judges in the same way.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path('/dev/shm')  # noqa: S108 - where Fast DDS keeps its segments

STALE_AFTER_S = 5.0
"""A lock file that is younger may belong to a participant that is just about to lock it."""

_LOCK_FILE = re.compile(r'(?P<name>fast(?:rtps|dds)_(?:[0-9a-f]{16}|port\d{1,5}))_[es]l')
_MIB = 1 << 20
_BLOCK_BYTES = 512
"""Unit of ``st_blocks``: what is held, of a file that may have holes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment or port of shared memory, whose owner lives or does not."""

    name: str
    files: tuple[Path, ...]
    """What it consists of, beside its lock files."""
    locks: tuple[Path, ...]
    """Its lock files; a port may have two, one for a single reader and one for many."""
    size_bytes: int
    """Memory that it holds."""
    is_stale: bool
    """Whether nobody holds a lock of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedMemory:
    """What there is, and how much room."""

    segments: tuple[Segment, ...]
    free_bytes: int
    total_bytes: int

    @property
    def stale(self) -> tuple[Segment, ...]:
        """Those of processes that are gone."""
        return tuple(segment for segment in self.segments if segment.is_stale)

    @property
    def advice(self) -> str:
        """How to get back what is stale, in words; empty where nothing is."""
        size_bytes = sum(segment.size_bytes for segment in self.stale)
        if not size_bytes:
            return ''
        return (
            f'{size_bytes / _MIB:.1f} MiB belong to processes that are gone: '
            '`activity-recognition shared-memory --clean` frees them'
        )


def look(folder: Path = SHARED_MEMORY, *, now_s: float | None = None) -> SharedMemory:
    """Return what Fast DDS keeps in a folder; changes nothing.

    Args:
        folder: where segments are kept.
        now_s: the time, seconds since 1970; None asks the clock.
    """
    now_s = time.time() if now_s is None else now_s
    usage = shutil.disk_usage(folder)
    matches = (_LOCK_FILE.fullmatch(path.name) for path in folder.iterdir())
    names = sorted({match['name'] for match in matches if match is not None})
    found = (_segment(folder, name, now_s) for name in names)
    return SharedMemory(
        segments=tuple(segment for segment in found if segment is not None),
        free_bytes=usage.free,
        total_bytes=usage.total,
    )


def remove(segment: Segment) -> bool:
    """Remove a stale segment and return whether it is gone.

    Its lock is held meanwhile; where somebody has taken it since :func:`look`, nothing is removed.

    Raises:
        PermissionError: it belongs to another user.
    """
    with _try_locks(segment.locks) as locked:
        if not locked:
            return False
        # The locks last: where something stays, it is found again.
        for file in (*segment.files, *segment.locks):
            file.unlink(missing_ok=True)
    return True


def _segment(folder: Path, name: str, now_s: float) -> Segment | None:
    """Return what is there of a name; None when it has gone meanwhile."""
    locks = [path for kind in ('_el', '_sl') if (path := folder / f'{name}{kind}').exists()]
    files = [path for path in (folder / name, folder / f'sem.{name}_mutex') if path.exists()]
    with suppress(FileNotFoundError):
        size_bytes = sum(path.lstat().st_blocks * _BLOCK_BYTES for path in files)
        newest_s = max(path.lstat().st_ctime for path in locks) if locks else now_s
        is_stale = False
        if now_s - newest_s > STALE_AFTER_S:
            with _try_locks(locks) as is_stale:
                pass
        return Segment(name, tuple(files), tuple(locks), size_bytes, is_stale)
    return None


@contextmanager
def _try_locks(paths: Iterable[Path]) -> Iterator[bool]:
    """Hold the locks of some files while the block runs, and yield whether all could be had.

    A file that may not be read, or that is no file, counts as locked.
    """
    with ExitStack() as opened:
        yield all(_try_lock(path, opened) for path in paths)


def _try_lock(path: Path, opened: ExitStack) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    opened.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
