"""ROS 1 bags, through rosbags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag1,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag1.reader import Header, RecordType

from activity_recognition.bags.channels import ROS1, Channel, messages_of
from activity_recognition.bags.limits import BoundedRosbag1Reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


class _Reader(BoundedRosbag1Reader):
    """rosbags' reader, but a topic's odd name, type or definition is no reason to refuse a bag."""

    def read_connection(self) -> Connection:
        """Read a connection record; texts that are not UTF-8 are taken as far as they are."""
        assert self.bio
        header = Header.read(self.bio, RecordType.CONNECTION)
        number, topic = header.get_uint32('conn'), _text(header, 'topic')
        about = Header.read(self.bio)
        return Connection(
            id=number,
            topic=_normalised(topic),
            msgtype=_text(about, 'type'),
            msgdef=MessageDefinition(
                MessageDefinitionFormat.MSG, _text(about, 'message_definition')
            ),
            digest=_text(about, 'md5sum'),
            msgcount=0,
            ext=ConnectionExtRosbag1(None, int(_text(about, 'latching').strip() == '1')),
            owner=self,
        )


class Ros1Storage:
    """An opened ROS 1 bag."""

    def __init__(self, path: Path) -> None:
        """Open the bag and list what it holds.

        Raises:
            ReaderError and what damage makes rosbags raise.
        """
        self._reader = _Reader(path)
        self._reader.open()
        self._connections = {connection.id: connection for connection in self._reader.connections}
        self.channels: tuple[Channel, ...] = tuple(
            _channel(connection) for connection in self._connections.values()
        )
        self.message_count = sum(channel.count for channel in self.channels)
        self.start_ns, self.end_ns = self._reader.start_time, self._reader.end_time - 1

    def messages(self, channels: Collection[Channel]) -> Iterator[tuple[Channel, int, bytes]]:
        """Return channel, record time and content of the messages, in order of record time."""
        return messages_of(self._reader, self._connections, channels)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _channel(connection: Connection) -> Channel:
    extra = connection.ext
    return Channel(
        id=connection.id,
        topic=connection.topic,
        type_name=connection.msgtype,
        encoding=ROS1,
        definition=connection.msgdef.data,
        count=connection.msgcount,
        latched=isinstance(extra, ConnectionExtRosbag1) and bool(extra.latching),
    )


def _normalised(topic: str) -> str:
    """Return a topic's name without doubled slashes."""
    name = '/'.join(part for part in topic.split('/') if part)
    return f'/{name}' if topic.startswith('/') else name


def _text(header: Header, name: str) -> str:
    return header.get(name, b'').decode(errors='replace')
