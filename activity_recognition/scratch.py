"""Temporary folders that do not outlive their process, not even one that is killed.

A folder is locked while its process lives; the kernel lets go of the lock however that ends. The
next folder of the same kind that is made in the same place removes those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = 'activity_recognition-'
"""Of folders in the machine's temporary folder."""


@contextmanager
def scratch_folder(parent: Path | None = None, prefix: str = PREFIX) -> Iterator[Path]:
    """Make a temporary folder, removed at the end; remove what dead processes left of its kind.

    Args:
        parent: where to make it; the machine's temporary folder by default.
        prefix: what its name begins with; no other folder's name there may.

    Raises:
        OSError: the folder cannot be made.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    _remove_left(place, prefix)
    # Locked under another name first: nobody takes it for one that was left.
    made = Path(tempfile.mkdtemp(prefix=f'.new-{prefix.lstrip(".")}', dir=place))
    folder = place / f'{prefix}{made.name.rpartition(prefix.lstrip("."))[2]}'
    held = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(held)
        made.rename(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(made, ignore_errors=True)
        os.close(held)


def _remove_left(place: Path, prefix: str) -> None:
    try:
        found = [path for path in place.iterdir() if path.name.startswith(prefix)]
    except OSError:
        return
    for folder in found:
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # no folder, somebody else's, or gone by now
            continue
        try:
            if os.fstat(held).st_uid == os.getuid() and _lock(held):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)


def _lock(held: int) -> bool:
    """Take the lock of an open folder; tell whether that worked."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the file system has no locks
        return False
    return True
