"""Storage of sqlite3, as rosbag2 writes it; rosbags refuses a file for one odd definition in it."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

from rosbags.rosbag2 import ReaderError

from activity_recognition.bags.channels import Channel, is_latched
from activity_recognition.bags.limits import check_tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_DEFINITIONS = ('ros2msg', 'ros2idl')
"""Encodings of definitions of ROS messages; rosbag2 writes ``unknown`` for what it did not find."""


class SqliteStorage:
    """An opened .db3 file."""

    def __init__(self, path: Path) -> None:
        """Open the file read-only and list what it holds.

        Raises:
            ReaderError, sqlite3.Error: it is damaged, or no recording.
        """
        # Immutable: no journal is looked for or written beside the file.
        uri = f'{path.absolute().as_uri()}?mode=ro&immutable=1'
        self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._database.text_factory = lambda raw: raw.decode(errors='replace')
        try:
            check_tables(self._database)
            if not {'topics', 'messages'} <= self._names('SELECT name FROM sqlite_master'):
                raise ReaderError(f'Cannot open database {path} or database missing tables.')
            first_ns, last_ns, self.message_count = self._rows(
                'SELECT min(timestamp), max(timestamp), count(*) FROM messages'
            )[0]
            self.channels = tuple(self._list())
        except BaseException:
            self.close()
            raise
        self.start_ns, self.end_ns = int(first_ns or 0), int(last_ns or 0)

    def messages(self, channels: Collection[Channel]) -> Iterator[tuple[Channel, int, bytes]]:
        """Yield channel, record time and content of the messages, in order of record time."""
        wanted = {channel.id: channel for channel in channels}
        rows = self._database.execute(
            'SELECT topic_id, timestamp, data FROM messages '
            'WHERE topic_id IN (SELECT value FROM json_each(?)) ORDER BY timestamp, rowid',
            (json.dumps(list(wanted)),),
        )
        for number, record_ns, data in rows:
            yield wanted[number], int(record_ns), data if isinstance(data, bytes) else b''

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        self._database.close()

    def _list(self) -> Iterator[Channel]:
        counts = dict(self._rows('SELECT topic_id, count(*) FROM messages GROUP BY topic_id'))
        definitions: dict[str, str] = {}
        if self._names('PRAGMA table_info(message_definitions)', column=1):
            for type_name, encoding, text in self._rows(
                'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
            ):
                if encoding in _DEFINITIONS:
                    definitions.setdefault(str(type_name), str(text))
        columns = [row[1] for row in self._rows('PRAGMA table_info(topics)')]
        for row in self._rows('SELECT * FROM topics ORDER BY id'):
            topic = dict(zip(columns, row, strict=True))
            type_name = str(topic['type'])
            yield Channel(
                id=topic['id'],
                topic=str(topic['name']),
                type_name=type_name,
                encoding=str(topic['serialization_format']),
                definition=definitions.get(type_name, ''),
                count=counts.get(topic['id'], 0),
                latched=is_latched(topic.get('offered_qos_profiles')),
            )

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._database.execute(query).fetchall()

    def _names(self, query: str, *, column: int = 0) -> set[str]:
        return {row[column] for row in self._rows(query)}
