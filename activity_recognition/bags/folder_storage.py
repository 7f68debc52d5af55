"""A rosbag2 folder: ``metadata.yaml`` and the storages that it names, read as one."""

from __future__ import annotations

import heapq
from contextlib import ExitStack
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from rosbags.rosbag2 import ReaderError

from activity_recognition.bags.channels import Channel, Storage, is_latched
from activity_recognition.bags.limits import MAX_METADATA_BYTES
from activity_recognition.bags.mcap_storage import McapStorage
from activity_recognition.bags.sqlite_storage import SqliteStorage
from activity_recognition.bags.unpacking import BeyondLimitError, unpack, unpack_file
from activity_recognition.errors import RecordingError
from activity_recognition.scratch import scratch_folder
from activity_recognition.text_files import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

METADATA = 'metadata.yaml'
_MAX_VALUES = 1_000_000
"""Values in the metadata; every file that a recording was split into has some fifteen."""
"""The file that makes a folder a rosbag2 recording."""
_NEWEST = 9
"""Version of the metadata up to which it is known."""
_PLUGINS: dict[str, Callable[[Path], Storage]] = {'mcap': McapStorage, 'sqlite3': SqliteStorage}


class FolderStorage:
    """An opened rosbag2 folder.

    What it holds, its files say; the metadata says which they are, when it begins and ends, and how
    it is compressed.
    """

    def __init__(self, folder: Path) -> None:
        """Open the files of a recording.

        Raises:
            ReaderError, YAMLError and what the storages raise: something is damaged.
        """
        metadata = _read_metadata(folder)
        self._stack = ExitStack()
        self._is_packed = metadata.compression_mode == 'message'
        try:
            files = metadata.files
            if metadata.compression_mode == 'file':
                files = self._unpack(files)
            self._parts = [self._open(metadata.plugin, file) for file in files]
        except BaseException:
            self.close()
            raise
        self._members = _members(self._parts)
        self.channels: tuple[Channel, ...] = tuple(
            _join(number, [channel for _, channel in group], metadata.latched)
            for number, group in enumerate(self._members)
        )
        self.message_count = sum(part.message_count for part in self._parts)
        filled = [part for part in self._parts if part.message_count]
        self.start_ns, self.end_ns = metadata.span_ns or (
            min((part.start_ns for part in filled), default=0),
            max((part.end_ns for part in filled), default=0),
        )

    def messages(self, channels: Collection[Channel]) -> Iterator[tuple[Channel, int, bytes]]:
        """Yield channel, record time and content of the messages, in order of record time."""
        for places in self._overlapping():
            streams = [
                _renamed(self._parts[place], own)
                for place in places
                if (own := self._wanted(place, channels))
            ]
            for channel, record_ns, data in heapq.merge(*streams, key=itemgetter(1)):
                yield channel, record_ns, unpack('zstd', data) if self._is_packed else data

    def _overlapping(self) -> Iterator[list[int]]:
        """Yield the places of the files by time; those that share some are read side by side."""
        filled = [place for place, part in enumerate(self._parts) if part.message_count]
        group: list[int] = []
        end_ns = 0
        for place in sorted(filled, key=lambda place: self._parts[place].start_ns):
            if group and self._parts[place].start_ns >= end_ns:
                yield group
                group = []
            group.append(place)
            end_ns = max(end_ns, self._parts[place].end_ns)
        if group:
            yield group

    def _wanted(self, place: int, channels: Collection[Channel]) -> dict[int, Channel]:
        """Return the channels to read of a file, by their numbers there."""
        return {
            member.id: channel
            for channel in channels
            for index, member in self._members[channel.id]
            if index == place
        }

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def _open(self, plugin: Callable[[Path], Storage], file: Path) -> Storage:
        part = plugin(file)
        self._stack.callback(part.close)
        return part

    def _unpack(self, files: list[Path]) -> list[Path]:
        folder = self._stack.enter_context(scratch_folder())
        for file in files:
            unpack_file(file, folder / file.stem)
        return [folder / file.stem for file in files]


def _renamed(part: Storage, own: Mapping[int, Channel]) -> Iterator[tuple[Channel, int, bytes]]:
    members = [channel for channel in part.channels if channel.id in own]
    for channel, record_ns, data in part.messages(members):
        yield own[channel.id], record_ns, data


def _members(parts: list[Storage]) -> list[list[tuple[int, Channel]]]:
    """Return the channels of all files that are one, each with the number of its file."""
    groups: dict[tuple[str, str, str], list[tuple[int, Channel]]] = {}
    for place, part in enumerate(parts):
        for channel in part.channels:
            key = channel.topic, channel.type_name, channel.encoding
            groups.setdefault(key, []).append((place, channel))
    return list(groups.values())


def _join(number: int, members: list[Channel], latched: Collection[str]) -> Channel:
    return replace(
        members[0],
        id=number,
        definition=next((m.definition for m in members if m.definition), ''),
        count=sum(member.count for member in members),
        latched=members[0].topic in latched or any(member.latched for member in members),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Metadata:
    """What is needed of the metadata."""

    plugin: Callable[[Path], Storage]
    files: list[Path]
    compression_mode: str
    """``none``, ``file`` or ``message``."""
    latched: set[str]
    """Topics that were offered transient local."""
    span_ns: tuple[int, int] | None
    """Record times of the first and the last message; None where it does not say."""


def _read_metadata(folder: Path) -> _Metadata:
    path = folder / METADATA
    if (size := path.stat().st_size) > MAX_METADATA_BYTES:
        raise BeyondLimitError(
            f'{METADATA} has {size} bytes; at most {MAX_METADATA_BYTES} are read'
        )
    text = path.read_text(encoding='utf-8')
    try:
        content = parse_yaml(text, RecordingError, where=METADATA, max_values=_MAX_VALUES)
        content = content['rosbag2_bagfile_information']
        version, plugin = int(content['version']), str(content['storage_identifier'])
        files = [folder / PurePath(name).name for name in content['relative_file_paths']]
        mode = str(content.get('compression_mode') or 'none').lower()
        packing = str(content.get('compression_format') or '')
    except (RecordingError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReaderError(f'Invalid bag metadata: {error}.') from error
    if version > _NEWEST:
        raise ReaderError(f'Rosbag2 version {version} not supported.')
    if plugin not in _PLUGINS:
        raise ReaderError(f'Storage plugin {plugin!r} not supported.')
    if len(set(files)) < len(files):
        raise ReaderError('Invalid bag metadata: it names a file twice.')
    if missing := [file.name for file in files if not file.exists()]:
        raise ReaderError(f'Some database files are missing: {missing}')
    if mode != 'none' and packing != 'zstd':
        raise ReaderError(f'Compression format {packing!r} is not supported.')
    return _Metadata(
        plugin=_PLUGINS[plugin],
        files=files,
        compression_mode=mode,
        latched=_latched_topics(content),
        span_ns=_span_ns(content),
    )


def _span_ns(content: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return when a recording begins and ends; None where the metadata does not say."""
    try:
        start_ns = int(content['starting_time']['nanoseconds_since_epoch'])
        return start_ns, start_ns + int(content['duration']['nanoseconds'])
    except (KeyError, TypeError, ValueError):
        return None


def _latched_topics(content: Mapping[str, Any]) -> set[str]:
    found = set()
    topics = content.get('topics_with_message_count')
    for entry in topics if isinstance(topics, list) else ():
        topic = entry.get('topic_metadata') if isinstance(entry, dict) else None
        if isinstance(topic, dict) and is_latched(topic.get('offered_qos_profiles')):
            found.add(str(topic.get('name')))
    return found
