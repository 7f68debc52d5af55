"""Where recordings lie: below a folder, or in object storage; one at a time on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from activity_recognition.bags import find_recordings, label_files, unread_files
from activity_recognition.bags.storage import BARE_SUFFIXES, METADATA
from activity_recognition.errors import RecordingError
from activity_recognition.scratch import scratch_folder
from activity_recognition.training.data.splits import (
    SPLITS_FILE,
    Assignment,
    read_splits,
    scan_splits,
)
from activity_recognition.training.data.store import Store, is_url


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingLocation:
    """One recording, wherever it is; sent to worker processes."""

    name: str
    """Its path below the folder or URL of all recordings."""
    path: Path | None = None
    """Where it is on this machine, or in what it shares with others."""
    url: str = ''
    """Of all recordings, where they are in object storage."""
    files: tuple[str, ...] = ()
    """In object storage, all its files and those of its labels, by their names from there."""

    @contextmanager
    def here(self) -> Iterator[Path]:
        """Give the recording as a path of this machine while the block runs.

        Raises:
            RecordingError: it cannot be fetched.
        """
        if self.path is not None:
            yield self.path
            return
        store = Store(self.url)
        with scratch_folder() as scratch:
            for file in self.files:
                store.get(file, scratch / file)
            yield scratch / self.name


class RecordingPlace(Protocol):
    """A place with recordings as sensors sent them."""

    locations: Sequence[RecordingLocation]
    """All recordings, sorted."""
    unread: Sequence[str]
    """Why what looks like a recording is none: compressed or unfinished."""

    def assignments(self) -> Mapping[str, Assignment]:
        """Return what ``splits.csv`` says of recordings, by their names.

        Raises:
            RecordingError: the table is wrong.
        """
        ...


def find_place(data: Path | str) -> RecordingPlace:
    """Look for recordings at a place.

    Args:
        data: folder with recordings, one recording, or a URL with recordings below it.

    Raises:
        RecordingError: no such place.
    """
    return RemoteFolder(str(data)) if is_url(data) else BagFolder(Path(data).absolute())


class BagFolder:
    """A folder with recordings, or one recording."""

    def __init__(self, folder: Path) -> None:
        """Find the recordings below ``folder``.

        Raises:
            RecordingError: no such folder.
        """
        self.folder = folder
        self.found: Sequence[Path] = find_recordings(folder)
        self.unread: Sequence[str] = unread_files(folder)
        self.locations: Sequence[RecordingLocation] = [
            RecordingLocation(name=self._name(path), path=path) for path in self.found
        ]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix() if path != self.folder else path.name

    def assignments(self) -> Mapping[str, Assignment]:
        """Return what ``splits.csv`` says, by the recordings' names."""
        table = self.table()
        return {self._name(path): table[path] for path in self.found if path in table}

    def table(self) -> Mapping[Path, Assignment]:
        """Return what ``splits.csv`` says, by the recordings' paths."""
        return read_splits(self.folder) if self.folder.is_dir() else {}

    def scan_table(self) -> tuple[Mapping[Path, Assignment], list[str]]:
        """Return what can be read of ``splits.csv``, and everything that is wrong with it."""
        return scan_splits(self.folder)


class RemoteFolder:
    """Recordings in object storage, which are fetched one at a time."""

    unread: Sequence[str] = ()

    def __init__(self, place: str) -> None:
        """Find the recordings below the URL ``place``.

        Raises:
            RecordingError: the place is a recording itself, or cannot be listed.
        """
        self._store = Store(place)
        self._files = self._store.names()
        if METADATA in self._files:
            raise RecordingError(
                f'{place}: expected recordings below it, this is one itself; name the folder '
                'above it'
            )
        visible = [f for f in self._files if not _is_hidden(f)]
        self.locations: Sequence[RecordingLocation] = [
            RecordingLocation(name=name, url=place, files=_files_of(name, visible))
            for name in sorted(_recordings(visible), key=PurePosixPath)
        ]

    def assignments(self) -> Mapping[str, Assignment]:
        """Return what ``splits.csv`` says, by the recordings' names."""
        if SPLITS_FILE not in self._files:
            return {}
        with scratch_folder() as folder:
            # The table is checked against what is there, for which names are enough.
            for name in (location.name for location in self.locations):
                bare = name.endswith(BARE_SUFFIXES)
                stand_in = folder / name if bare else folder / name / METADATA
                stand_in.parent.mkdir(parents=True, exist_ok=True)
                stand_in.touch()
            self._store.get(SPLITS_FILE, folder / SPLITS_FILE)
            table = read_splits(folder)
        return {path.relative_to(folder).as_posix(): entry for path, entry in table.items()}


def _is_hidden(file: str) -> bool:
    return any(part.startswith('.') for part in PurePosixPath(file).parts)


def _recordings(files: Sequence[str]) -> Iterator[str]:
    folders = {str(PurePosixPath(f).parent) for f in files if PurePosixPath(f).name == METADATA}
    yield from folders
    for file in files:
        path = PurePosixPath(file)
        if path.suffix in BARE_SUFFIXES and not folders & {str(parent) for parent in path.parents}:
            yield file


def _files_of(name: str, files: Sequence[str]) -> tuple[str, ...]:
    labels = {path.as_posix() for path in label_files(Path(name))}
    return tuple(f for f in files if f == name or f.startswith(f'{name}/') or f in labels)
