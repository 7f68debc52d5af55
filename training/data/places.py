"""The recordings of a folder, or of a place in object storage, one at a time on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activity_recognition.bags import find_recordings, label_files
from activity_recognition.bags.storage import BARE_SUFFIXES, METADATA
from activity_recognition.errors import RecordingError
from activity_recognition.scratch import scratch_folder
from activity_recognition.training.data.splits import SPLITS_FILE, Assignment, read_splits
from activity_recognition.training.data.store import Store, is_url


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
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


def find_sources(data: Path | str) -> tuple[list[Source], dict[str, Assignment]]:
    """Return the recordings at a place, sorted, and what ``splits.csv`` says of them by name.

    Raises:
        RecordingError: the place does not exist, or its table of splits is wrong.
    """
    if is_url(data):
        return _find_remote(str(data))
    folder = Path(data).absolute()
    found = find_recordings(folder)
    names = [path.relative_to(folder).as_posix() if path != folder else path.name for path in found]
    table = read_splits(folder) if folder.is_dir() else {}
    sources = [Source(name=name, path=path) for name, path in zip(names, found, strict=True)]
    return sources, {n: table[path] for n, path in zip(names, found, strict=True) if path in table}


def _find_remote(place: str) -> tuple[list[Source], dict[str, Assignment]]:
    store = Store(place)
    files = store.names()
    visible = [f for f in files if not any(part.startswith('.') for part in PurePosixPath(f).parts)]
    if METADATA in files:
        raise RecordingError(
            f'{place}: expected recordings below it, this is one itself; name the folder above it'
        )
    sources = [
        Source(name=name, url=place, files=_files_of(name, visible))
        for name in sorted(_recordings(visible), key=PurePosixPath)
    ]
    return sources, _read_splits(store, files, [source.name for source in sources])


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


def _read_splits(store: Store, files: Sequence[str], names: Sequence[str]) -> dict[str, Assignment]:
    if SPLITS_FILE not in files:
        return {}
    with scratch_folder() as scratch:
        # The table is checked against what is there, for which names are enough.
        folder = scratch
        for name in names:
            stand_in = folder / name if name.endswith(BARE_SUFFIXES) else folder / name / METADATA
            stand_in.parent.mkdir(parents=True, exist_ok=True)
            stand_in.touch()
        store.get(SPLITS_FILE, folder / SPLITS_FILE)
        table = read_splits(folder)
    return {path.relative_to(folder).as_posix(): entry for path, entry in table.items()}
