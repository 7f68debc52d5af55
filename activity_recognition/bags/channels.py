"""What a storage holds, before anything of it is understood."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from rosbags.interfaces import Connection, QosDurability
from rosbags.rosbag2.metadata import parse_qos

CDR, ROS1 = 'cdr', 'ros1'
READABLE_ENCODINGS = (CDR, ROS1)
"""Encodings of messages that can be decoded, as mcap and rosbag2 name them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """One stream of messages in a storage; a topic may have several."""

    id: int
    """Number within the storage."""
    topic: str
    type_name: str
    """As the storage has it: any text, empty where it has none."""
    encoding: str = CDR
    """Of its messages: ``cdr``, ``ros1``, ``json``, ``protobuf``, …"""
    definition: str = ''
    """Text of the type's definition; empty where there is none, or none of ROS."""
    count: int = 0
    """Messages."""
    latched: bool = False
    """Whether it was offered transient local."""


class Storage(Protocol):
    """An opened storage. What is not asked for is listed in ``channels`` and never looked into."""

    channels: tuple[Channel, ...]
    start_ns: int
    """Record time of the first message."""
    end_ns: int
    """Record time of the last message."""
    message_count: int

    def messages(self, channels: Collection[Channel]) -> Iterator[tuple[Channel, int, bytes]]:
        """Yield channel, record time and content of the messages, in order of record time."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


class ConnectionReader(Protocol):
    """A reader of rosbags."""

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, record time and content of the messages, in order of record time."""
        ...


def messages_of(
    reader: ConnectionReader, connections: Mapping[int, Connection], channels: Collection[Channel]
) -> Iterator[tuple[Channel, int, bytes]]:
    """Yield channel, record time and content of the messages, in order of record time.

    Args:
        reader: opened.
        connections: of the reader, by the number of their channel.
        channels: those whose messages are wanted.
    """
    wanted = {channel.id: channel for channel in channels}
    chosen = [connections[number] for number in wanted]
    for connection, record_ns, data in reader.messages(chosen):
        yield wanted[connection.id], record_ns, data


def is_latched(profiles: Any) -> bool:
    """Tell whether offered QoS profiles, a list or its YAML, are latched; what is odd is not."""
    with suppress(Exception):  # they are of any shape, and decide about nothing else
        return any(
            profile.durability is QosDurability.TRANSIENT_LOCAL for profile in parse_qos(profiles)
        )
    return False
