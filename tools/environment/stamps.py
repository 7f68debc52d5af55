"""Fingerprints that say whether a step has to be done again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

LINKED = ('activity_recognition', 'training', 'config', 'launch', 'scripts')
"""Folders whose files are linked into the install: only their names matter."""

COMPILED = ('CMakeLists.txt', 'package.xml', 'msg', 'interfaces')
"""Files and folders whose contents the build depends on."""

_CACHES = {'__pycache__', '.mypy_cache', '.ruff_cache', '.pytest_cache'}


def of_values(values: Iterable[str]) -> str:
    """Fingerprint of some strings in their order."""
    return hashlib.sha256('\0'.join(values).encode()).hexdigest()


def of_contents(paths: Iterable[Path]) -> str:
    """Fingerprint of files, by name and content."""
    return of_values(f'{path.name}:{_digest(path)}' for path in paths)


def of_compiled(root: Path) -> str:
    """Fingerprint of the files whose contents the build reads."""
    files = [path for name in COMPILED for path in _files(root / name)]
    return of_values([*_names(root, files), of_contents(files)])


def of_linked(root: Path) -> str:
    """Fingerprint of the names of the files that the install links to."""
    return of_values(_names(root, [path for name in LINKED for path in _files(root / name)]))


def is_current(stamp: Path, fingerprint: str) -> bool:
    """Return whether a stamp says that this was done.

    Args:
        stamp: the file that says it.
        fingerprint: of what the step depends on.
    """
    try:
        return stamp.read_text(encoding='utf-8').strip() == fingerprint
    except FileNotFoundError:
        return False


def write(stamp: Path, fingerprint: str) -> None:
    """Note that a step is done.

    Args:
        stamp: the file that says it.
        fingerprint: of what the step depends on.
    """
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(fingerprint + '\n', encoding='utf-8')


def _files(path: Path) -> Iterator[Path]:
    """All files at or under a path, sorted, apart from caches."""
    if path.is_file():
        yield path
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _CACHES)
        yield from (Path(folder, name) for name in sorted(names) if not name.endswith('.pyc'))


def _names(root: Path, files: Iterable[Path]) -> Iterator[str]:
    """Names from the root, and whether the files may be executed."""
    return (f'{path.relative_to(root)}:{os.access(path, os.X_OK)}' for path in files)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
