"""Messages as publishers would serialise them, with stores that the package knows nothing of."""

from __future__ import annotations

from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

STAMP_NS = 1_700_000_000_123_456_789


class Publisher:
    """Makes and serialises messages with one type store."""

    def __init__(self, package: str = '', definitions: dict[str, str] | None = None) -> None:
        self.store = get_typestore(Stores.ROS2_JAZZY)
        for name, text in (definitions or {}).items():
            self.store.register(get_types_from_msg(text, f'{package}/msg/{name}'))

    def make(self, type_name: str, **fields: Any) -> Any:
        """Return a message; ``header`` may be given as (stamp in ns, frame)."""
        if isinstance(fields.get('header'), tuple):
            stamp_ns, frame_id = fields['header']
            fields['header'] = self.make(
                'std_msgs/msg/Header', stamp=self.time(stamp_ns), frame_id=frame_id
            )
        return self.store.types[type_name](**fields)

    def time(self, time_ns: int) -> Any:
        return self.make(
            'builtin_interfaces/msg/Time', sec=time_ns // 10**9, nanosec=time_ns % 10**9
        )

    def cdr(self, message: Any, *, little_endian: bool = True) -> bytes:
        name = message.__msgtype__
        return bytes(self.store.serialize_cdr(message, name, little_endian=little_endian))
