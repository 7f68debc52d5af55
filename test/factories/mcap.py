"""Mcap files with channels of every kind, byte by byte as https://mcap.dev/spec has them."""

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rosbags.typesys import Stores, get_typestore

MAGIC = b'\x89MCAP0\r\n'
STORE = get_typestore(Stores.ROS2_JAZZY)


@dataclass(frozen=True, kw_only=True)
class McapChannel:
    """A channel and its messages, (record time, content)."""

    topic: str
    messages: tuple[tuple[int, bytes], ...]
    encoding: str = 'cdr'
    schema: tuple[str, str, bytes] | None = None
    """Name, encoding, data; None for a channel without a schema."""
    metadata: tuple[tuple[str, str], ...] = ()


def ros2_channel(topic: str, messages, **options) -> McapChannel:
    """Return a channel of message objects, (record time, message), with their definition."""
    name = messages[0][1].__msgtype__
    text = STORE.generate_msgdef(name, ros_version=2)[0]
    return McapChannel(
        topic=topic,
        messages=tuple((t, bytes(STORE.serialize_cdr(m, name))) for t, m in messages),
        schema=options.pop('schema', (name, 'ros2msg', text.encode())),
        **options,
    )


def write_mcap(
    path: Path,
    channels: list[McapChannel],
    *,
    profile: str = 'ros2',
    chunked: bool = True,
    summary: bool = True,
    statistics: bool = True,
    message_index: bool = True,
    repeat_schemas: bool = True,
) -> Path:
    """Write a file of one chunk, or of none."""
    schemas = [
        _record(0x03, struct.pack('<H', n) + _text(c.schema[0]) + _text(c.schema[1])
                + _bytes(c.schema[2]))
        for n, c in enumerate(channels, 1) if c.schema
    ]  # fmt: skip
    listed = [_channel(number, channel) for number, channel in enumerate(channels, 1)]
    messages = sorted(
        (time_ns, number, content)
        for number, channel in enumerate(channels, 1)
        for time_ns, content in channel.messages
    )
    body = b''.join([*schemas, *listed])
    offsets: dict[int, list[tuple[int, int]]] = {}
    for time_ns, number, content in messages:
        offsets.setdefault(number, []).append((time_ns, len(body)))
        body += _record(0x05, struct.pack('<HIQQ', number, 0, time_ns, time_ns) + content)
    first_ns, last_ns = messages[0][0], messages[-1][0]
    data = MAGIC + _record(0x01, _text(profile) + _text('test'))
    chunk_index = b''
    if chunked:
        start = len(data)
        head = struct.pack('<QQQI', first_ns, last_ns, len(body), 0) + _text('')
        data += _record(0x06, head + struct.pack('<Q', len(body)) + body)
        length, where = len(data) - start, {}
        for number, entries in offsets.items() if message_index else ():
            where[number] = len(data)
            content = b''.join(struct.pack('<QQ', *entry) for entry in entries)
            data += _record(0x07, struct.pack('<H', number) + _bytes(content))
        content = b''.join(struct.pack('<HQ', *item) for item in where.items())
        chunk_index = _record(
            0x08,
            struct.pack('<QQQQ', first_ns, last_ns, start, length) + _bytes(content)
            + struct.pack('<Q', len(data) - start - length) + _text('')
            + struct.pack('<QQ', len(body), len(body)),
        )  # fmt: skip
    else:
        data += body
    data += _record(0x0F, struct.pack('<I', 0))
    summary_start = len(data) if summary else 0
    if summary:
        counts = Counter(number for _, number, _ in messages)
        content = b''.join(struct.pack('<HQ', *item) for item in counts.items())
        numbers = (len(messages), len(schemas), len(channels), 0, 0, int(chunked))
        data += b''.join([*(schemas if repeat_schemas else ()), *listed]) + chunk_index
        if statistics:
            times = struct.pack('<QHIIIIQQ', *numbers, first_ns, last_ns)
            data += _record(0x0B, times + _bytes(content))
    path.write_bytes(data + _record(0x02, struct.pack('<QQI', summary_start, 0, 0)) + MAGIC)
    return path


def _channel(number: int, channel: McapChannel) -> bytes:
    pairs = b''.join(_text(key) + _text(value) for key, value in channel.metadata)
    head = struct.pack('<HH', number, number if channel.schema else 0)
    return _record(0x04, head + _text(channel.topic) + _text(channel.encoding) + _bytes(pairs))


def _record(opcode: int, content: bytes) -> bytes:
    return struct.pack('<BQ', opcode, len(content)) + content


def _bytes(content: bytes) -> bytes:
    return struct.pack('<I', len(content)) + content


def _text(text: str) -> bytes:
    return _bytes(text.encode())
