"""Finds a pretrained network on this machine: the user's folder, the cache, installed packages.

Whatever is found is compared with the register first: its size, then its SHA-256. A process hashes
a file once, and again when the file has changed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from activity_recognition.cache_dir import cache_dir
from activity_recognition.errors import WeightsError
from activity_recognition.text_files import exists, home_expanded
from activity_recognition.weights.entries import WeightsEntry, WeightsFile, entry_of

FOLDER_VARIABLE = 'ACTIVITY_RECOGNITION_WEIGHTS'
"""Environment variable: a folder that has files of weights."""
FETCH = 'activity-recognition weights fetch'
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a network, or a part of it, was found."""

    path: Path
    """Its file, or the folder of its files."""
    faults: tuple[str, ...]
    """What is wrong with it, a sentence for each file; empty where it is the registered one."""


def find_weights(name: str) -> Path:
    """Return where a registered network lies: its file, or the folder of its files.

    The user's folder is looked at first, then the cache, then the registry packages that are
    installed. Nothing is downloaded.

    Args:
        name: of the network, for example ``movenet_lightning``.

    Raises:
        WeightsError: there is none of that name, it is not on this machine, or what lies in its
            place is something else; says what to do.
    """
    faults: list[str] = []
    for place in places(entry_of(name)):
        if not place.faults:
            return place.path
        faults += place.faults
    if faults:
        raise WeightsError(explain_wrong([name], faults[0]))
    raise WeightsError(explain_missing([name]))


def faults_of(name: str) -> tuple[str, ...]:
    """Return what is wrong with the files that lie in a network's places, a sentence for each.

    Args:
        name: of the network, which :func:`find_weights` did not find.
    """
    return tuple(text for place in places(entry_of(name)) for text in place.faults)


def places(entry: WeightsEntry) -> Iterator[Place]:
    """Yield where a network lies, whole or in part, in the order in which it is looked for.

    Args:
        entry: of the register.

    Raises:
        WeightsError: there is no place for a cache, or the user's folder is that of no home.
    """
    for folder in dict.fromkeys(filter(None, (users_folder(), weights_cache()))):
        found = locate(entry, folder)
        if any(exists(path) for path in found.values()):
            yield _place(entry, found)
    installed = _installed(entry)
    if installed is not None and not (place := _place(entry, installed)).faults:
        yield place  # another version of a package is nobody's mistake


def users_folder() -> Path | None:
    """Return the folder that the environment variable names, if it names one.

    Raises:
        WeightsError: it names that of a user who has no home.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    return home_expanded(named, WeightsError, where=FOLDER_VARIABLE).absolute() if named else None


def weights_cache() -> Path:
    """Return the folder that ``weights fetch`` writes to, which may not exist yet.

    Raises:
        WeightsError: the user has no home directory, and XDG_CACHE_HOME names none.
    """
    try:
        return (cache_dir() / 'weights').absolute()
    except RuntimeError as error:
        raise WeightsError(
            f'no place for weights: {error}; set XDG_CACHE_HOME to a folder'
        ) from error


def locate(entry: WeightsEntry, folder: Path) -> dict[WeightsFile, Path]:
    """Return where each file of a network lies in a folder, or should.

    Args:
        entry: of the register.
        folder: the cache, or a folder of the user's. A single file may also have the name of the
            network, with or without the file's suffix.
    """
    found: dict[WeightsFile, Path] = {}
    for file in entry.files:
        usual = entry.path_in(folder, file)
        others = (folder / f'{entry.name}{usual.suffix}', folder / entry.name)
        candidates = (usual,) if entry.is_folder else (usual, *others)
        found[file] = next((path for path in candidates if exists(path)), usual)
    return found


def fault(file: WeightsFile, path: Path, shown: str = '') -> str | None:
    """Return what is wrong with a file, if anything is.

    Args:
        file: what it should be.
        path: where it lies.
        shown: what to call it in the sentence; empty for its path.
    """
    shown = shown or str(path)
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            return f'{shown}: expected the file {file.name}, found something else'
        if state.st_size != file.size_bytes:
            return f'{shown}: expected {file.size_bytes} bytes, got {state.st_size}'
        key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        found = _hash_unchanged(path, key)
    except FileNotFoundError:
        return f'{shown}: expected a file of {file.size_bytes} bytes, found none'
    except OSError as error:
        return f'{shown}: cannot read it ({error.strerror or error})'
    if found != file.sha256:
        return f'{shown}: expected a file of SHA-256 {file.sha256}, got {found}'
    return None


def explain_missing(names: Sequence[str]) -> str:
    """Return what to do about networks that are not on this machine.

    Args:
        names: of the networks, at least one.
    """
    are, them = ('is', 'it') if len(names) == 1 else ('are', 'them')
    folder = users_folder()
    if folder is None:
        instead = f'or give a folder that has {them} with {FOLDER_VARIABLE}'
    elif exists(folder) and not folder.is_dir():
        instead = (
            f'or give a folder that has {them} with {FOLDER_VARIABLE}, which names {folder}, where '
            'no folder is'
        )
    else:
        instead = f'or put {them} into {folder}, which {FOLDER_VARIABLE} names'
    listed = ' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))
    return f'{listed} {are} not on this machine: run `{FETCH} {" ".join(names)}`, {instead}'


def explain_wrong(names: Sequence[str], wrong: str) -> str:
    """Return what to do about networks of which a file is not the registered one.

    Args:
        names: of all networks that are not here.
        wrong: what :func:`fault` says of a file of one.
    """
    ones = 'one' if len(names) == 1 else 'ones'
    return f'{wrong}; get the registered {ones} by `{FETCH} {" ".join(names)}`'


def explain_nothing() -> str:
    """Return what to do where no registered network is on this machine."""
    return (
        f'none of the registered networks is on this machine: run `{FETCH} --all`, or give a '
        f'folder that has them with {FOLDER_VARIABLE}'
    )


def _place(entry: WeightsEntry, found: dict[WeightsFile, Path]) -> Place:
    faults = (fault(file, path) for file, path in found.items())
    first = next(iter(found.values()))
    return Place(
        path=first.parent if entry.is_folder else first,
        faults=tuple(text for text in faults if text),
    )


def _installed(entry: WeightsEntry) -> dict[WeightsFile, Path] | None:
    """Return the files of a network in packages that are installed; none of them is imported."""
    found: dict[WeightsFile, Path] = {}
    for file in entry.files:
        for source in file.sources:
            if source.package and (path := _in_package(source.package, source.member)):
                found[file] = path
                break
        else:
            return None
    names_fit = all(path.name == file.name for file, path in found.items())
    together = len({path.parent for path in found.values()}) == 1
    return found if not entry.is_folder or (names_fit and together) else None


def _in_package(package: str, member: str) -> Path | None:
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(member)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if exists(path) else None


@lru_cache(maxsize=256)
def _hash_unchanged(path: Path, _state: tuple[int, ...]) -> str:
    """Return the SHA-256 of a file, once for each state of it."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
