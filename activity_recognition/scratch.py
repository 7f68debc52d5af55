"""What is written: whole or not at all, and nothing is left of what was not finished.

Temporary folders do not outlive their process, not even one that is killed.

A folder is locked while its process lives; the kernel lets go of the lock however that ends. The
next folder of the same kind that is made in the same place removes those that no process holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = 'activity_recognition-'
"""Of folders in the machine's temporary folder."""
_MARK = '.activity_recognition_scratch'
"""A file that distinguishes these folders from others of such a name."""


@contextmanager
def scratch_folder(parent: Path | None = None, prefix: str = PREFIX) -> Iterator[Path]:
    """Make a temporary folder, removed at the end; remove what dead processes left of its kind.

    Args:
        parent: where to make it, and made where it is missing; the machine's temporary folder by
            default.
        prefix: what its name begins with; no other folder's name there may.

    Raises:
        OSError: the folder cannot be made.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    place.mkdir(parents=True, exist_ok=True)
    _remove_left(place, prefix)
    # Locked under another name first: no process takes it for one that was left.
    made = Path(tempfile.mkdtemp(prefix=f'.new-{prefix.lstrip(".")}', dir=place))
    folder = place / f'{prefix}{made.name.rpartition(prefix.lstrip("."))[2]}'
    held = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(held)
        (made / _MARK).touch()
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
            if (folder / _MARK).is_file() and _lock(held):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)


def _lock(held: int) -> bool:
    """Take the lock of an open folder; return whether that worked."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the file system has no locks
        return False
    return True


def replace_text(path: Path, text: str, what: str) -> None:
    """Write a text; the old file stays until that is done.

    Args:
        path: of the file.
        text: what it is to hold.
        what: it is, in words.

    Raises:
        OutputError: it cannot be written.
    """
    partial = path.with_name(f'.{path.name}.partial')
    with writing(path, what):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding='utf-8')
        partial.replace(path)


@contextmanager
def writing(path: Path, what: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn what fails in writing (a full disk, mostly) into an error that names the path.

    Args:
        path: what is written; for the message.
        what: it is, in words.
        errors: kinds that fail in writing beside OSError.

    Raises:
        OutputError: it cannot be written.
    """
    kinds: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except kinds as error:
        reason = getattr(error, 'strerror', None) or str(error) or type(error).__name__
        raise OutputError(
            f'{path}: cannot write {what}: {reason}; make room there, or name another place'
        ) from error
