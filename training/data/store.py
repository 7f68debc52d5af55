"""Files at a place that fsspec knows: a folder, or a URL such as ``s3://bucket/shards``."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from activity_recognition.errors import ConfigError, MissingExtraError, RecordingError, quoted

_BLOCK = 1 << 20


def is_url(place: Path | str) -> bool:
    """Return whether a place is named by a URL and not by a path."""
    return '://' in str(place)


def is_below(name: str) -> bool:
    """Tell whether a name, with ``/`` between folders, leads to nothing outside its place."""
    parts = name.split('/')
    return not any(part in ('', '.', '..') for part in parts) and not set(name) & {'\0', '\\'}


class Store:
    """Files below one place, by their names from there, with ``/`` between folders.

    A file is there whole or not at all. Anything that fails is a RecordingError that names it.
    """

    def __init__(self, place: Path | str) -> None:
        """Open a folder or URL; nothing is made before it is written to.

        Raises:
            ConfigError: no such kind of URL.
            MissingExtraError: the package that reads such URLs is not installed.
        """
        self.place = str(place).rstrip('/')
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.place)
        except ImportError as error:
            raise MissingExtraError(
                f'{self.place}: {error}; put that Python package into the environment'
            ) from error
        except ValueError as error:
            raise ConfigError(f'{self.place}: no such kind of storage: {error}') from error

    @property
    def is_local(self) -> bool:
        """Whether the files lie in a folder of this machine."""
        return isinstance(self._fs, LocalFileSystem)

    @property
    def is_shared(self) -> bool:
        """Whether other processes see the same files."""
        return 'memory' not in self._protocols

    def url(self, name: str) -> str:
        """Return what to call a file."""
        return f'{self.place}/{name}'

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        with self._named(name):
            return bool(self._fs.isfile(self._path(name)))

    def names(self) -> list[str]:
        """Return all files, sorted."""
        with self._named('.'):
            start = len(self._root.rstrip('/')) + 1
            return sorted(path[start:] for path in self._fs.find(self._root))

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        with self._named(name):
            content: bytes = self._fs.cat_file(self._path(name))
            return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file.

        Args:
            name: of the file, from the place.
            content: all of it.
        """
        with self._named(name):
            if self.is_local:
                with self._replaced(name) as scratch:
                    scratch.write_bytes(content)
            else:
                self._fs.pipe_file(self._path(name), content)

    def put(self, local: Path, name: str) -> None:
        """Move a local file here.

        Args:
            local: the file; it is moved.
            name: what it is called here.
        """
        with self._named(name):
            if self.is_local:
                with self._replaced(name) as scratch:
                    shutil.move(local, scratch)
            else:
                self._fs.put_file(str(local), self._path(name))
                local.unlink()

    def get(self, name: str, local: Path) -> None:
        """Copy a file to a local one.

        Args:
            name: of the file, from the place.
            local: where the copy goes; its folder is made.
        """
        with self._named(name):
            local.parent.mkdir(parents=True, exist_ok=True)
            self._fs.get_file(self._path(name), str(local))

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._named(name):
            self._fs.rm_file(self._path(name))

    def remove_unfinished(self, folder: str) -> None:
        """Remove what a process that was killed left of the files that it was writing."""
        if self.is_local:
            with self._named(folder):
                for path in Path(self._path(folder)).glob('.*.part'):
                    path.unlink()

    def sha256(self, name: str) -> str:
        """Return the checksum of a file, hexadecimal."""
        digest = hashlib.sha256()
        with self._named(name), self._fs.open(self._path(name), 'rb') as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol: Any = self._fs.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    def _path(self, name: str) -> str:
        if name != '.' and not is_below(name):
            raise RecordingError(
                f'{self.place}: expected the name of a file below it, got {quoted(name)}; '
                'prepare or copy the files again'
            )
        return f'{self._root.rstrip("/")}/{name}'

    @contextmanager
    def _replaced(self, name: str) -> Iterator[Path]:
        """Let a file beside the wanted one be written, then put it in its place."""
        path = Path(self._path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f'.{path.name}.{os.getpid()}.part')
        try:
            yield scratch
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise RecordingError(f'{self.url(name)}: there is no such file') from error
        except OSError as error:
            raise RecordingError(f'{self.url(name)}: cannot be used: {error}') from error
