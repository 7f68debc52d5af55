"""Fingerprints that tell whether a step has to be done again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

LINKED_FOLDERS = ('activity_recognition', 'training', 'config', 'launch', 'scripts')
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


def of_sources(root: Path) -> str:
    """Fingerprint of what the build reads: contents that are compiled, names that are linked."""
    compiled = [path for name in COMPILED for path in _files(root / name)]
    linked = [path for name in LINKED_FOLDERS for path in _files(root / name)]
    names = (f'{path.relative_to(root)}:{os.access(path, os.X_OK)}' for path in [*compiled, *linked])
    return of_values([*names, of_contents(compiled)])


def is_current(stamp: Path, fingerprint: str) -> bool:
    """Tell whether a stamp says that this was done."""
    try:
        return stamp.read_text(encoding='utf-8').strip() == fingerprint
    except FileNotFoundError:
        return False


def write(stamp: Path, fingerprint: str) -> None:
    """Note that a step is done."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(fingerprint + '\n', encoding='utf-8')


def _files(path: Path) -> Iterator[Path]:
    """All files at or under a path, sorted, apart from caches."""
    if path.is_file():
        yield path
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _CACHES)
        yield from (Path(folder, name) for name in sorted(names) if not name.endswith('.pyc'))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
