"""Finds a pretrained network on this machine: in the user's folder, then in the cache.

Whatever is found is compared with the register first: its size, then its SHA-256. A process hashes
a file once, and again when the file has changed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from activity_recognition.cache_dir import cache_dir
from activity_recognition.errors import WeightsError
from activity_recognition.text_files import exists
from activity_recognition.weights.entries import WeightsEntry, WeightsFile, entry_of

FOLDER_VARIABLE = 'ACTIVITY_RECOGNITION_WEIGHTS'
"""Environment variable: a folder that has files of weights."""
FETCH = 'activity-recognition weights fetch'
_BLOCK = 1 << 20


def find_weights(name: str) -> Path:
    """Return where a registered network lies: its file, or the folder of its files.

    The user's folder is looked at first, then the cache. Nothing is downloaded.

    Args:
        name: of the network, for example ``movenet_lightning``.

    Raises:
        WeightsError: there is none of that name, it is not on this machine, or what lies in its
            place is something else; says what to do.
    """
    entry = entry_of(name)
    wrong: list[str] = []
    for folder in weights_folders():
        paths = locate(entry, folder)
        if paths is None:
            continue
        found = [text for file, path in paths.items() if (text := fault(file, path))]
        if not found:
            first = next(iter(paths.values()))
            return first.parent if entry.is_folder else first
        wrong += found
    if wrong:
        raise WeightsError(f'{wrong[0]}; get the right one by `{FETCH} {name}`')
    raise WeightsError(_explain_missing(entry))


def weights_folders() -> Iterator[Path]:
    """Yield the folders that are looked through, in order."""
    named = users_folder()
    if named is not None:
        yield named
    yield weights_cache()


def users_folder() -> Path | None:
    """Return the folder that the environment variable names, if it names one."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else None


def weights_cache() -> Path:
    """Return the folder that ``weights fetch`` writes to, which may not exist yet.

    Raises:
        WeightsError: the user has no home directory, and XDG_CACHE_HOME names none.
    """
    try:
        return cache_dir() / 'weights'
    except RuntimeError as error:
        raise WeightsError(
            f'no place for weights: {error}; set XDG_CACHE_HOME, or give a folder that has them '
            f'with {FOLDER_VARIABLE}'
        ) from error


def locate(entry: WeightsEntry, folder: Path) -> dict[WeightsFile, Path] | None:
    """Return where the files of a network are in a folder; None where one is missing.

    Args:
        entry: of the register.
        folder: the cache, or a folder of the user's. There, a single file may also have the
            name of the network, with or without the file's suffix.
    """
    found: dict[WeightsFile, Path] = {}
    for file in entry.files:
        places = [entry.path_in(folder, file)]
        if not entry.is_folder:
            places += [folder / f'{entry.name}{Path(file.name).suffix}', folder / entry.name]
        there = next((place for place in places if exists(place)), None)
        if there is None:
            return None
        found[file] = there
    return found


def fault(file: WeightsFile, path: Path) -> str | None:
    """Return what is wrong with a file, if anything is.

    Args:
        file: what it should be.
        path: where it lies.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            return f'{path}: expected the file {file.name}, found something else'
        if state.st_size != file.size_bytes:
            return f'{path}: expected {file.size_bytes} bytes, got {state.st_size}'
        key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        found = _hash_unchanged(path, key)
    except OSError as error:
        return f'{path}: cannot read it ({error.strerror or error})'
    if found != file.sha256:
        return f'{path}: expected a file of SHA-256 {file.sha256}, got {found}'
    return None


@lru_cache(maxsize=256)
def _hash_unchanged(path: Path, _state: tuple[int, ...]) -> str:
    """Return the SHA-256 of a file, once for each state of it."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _explain_missing(entry: WeightsEntry) -> str:
    folder = users_folder()
    if folder is None:
        instead = f'or give a folder that has it with {FOLDER_VARIABLE}'
    else:
        instead = f'or put it into {folder}, which {FOLDER_VARIABLE} names'
    return f'{entry.name} is not on this machine: run `{FETCH} {entry.name}`, {instead}'
