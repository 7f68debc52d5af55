"""What a playing node publishes on: one outlet per topic, with the type and QoS it needs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.type_support import check_is_valid_msg_type

from activity_recognition.errors import UnsupportedEncodingError
from activity_recognition.ros.sources import COMPRESSED_IMAGE, COMPRESSED_SUFFIX
from activity_recognition.sensors.decoders import Role

TRUTH_TOPIC = 'activity_truth'
"""What was really going on, as ActivityStamped: one message at the start of every stretch."""
TRUTH_TYPE = 'activity_recognition/msg/ActivityStamped'


def _qos(depth: int, *, best_effort: bool = False, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


ROLE_QOS = {
    Role.IMAGE: _qos(5, best_effort=True),
    Role.AUDIO: _qos(50),
    Role.AUDIO_INFO: _qos(1, latched=True),
    Role.TRANSCRIPT: _qos(10),
}
"""As camera and microphone drivers publish."""
OTHER_QOS = _qos(10)
LATCHED_QOS = _qos(100, latched=True)
CLOCK_QOS = _qos(1, best_effort=True)
DIAGNOSTICS_QOS = _qos(10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlet:
    """One topic to publish on."""

    key: str
    """What messages name it by: its topic in the recording."""
    topic: str
    """The name to publish under, before remapping."""
    message_class: Any
    qos: QoSProfile
    role: Role | None = None
    """What the topic is to the recogniser, if it is anything."""
    suffix: str = ''
    """Appended after remapping: compressed images go where image_transport puts them."""

    @property
    def stamped(self) -> bool:
        """Whether messages begin with a Header."""
        fields = self.message_class.get_fields_and_field_types()
        return next(iter(fields.values()), '') == 'std_msgs/Header'


def sensor_outlet(key: str, role: Role, type_name: str) -> Outlet:
    """Return the outlet of a topic that the recogniser takes, under its standard name.

    Raises:
        UnsupportedEncodingError: when the type is not installed here.
    """
    return Outlet(
        key=key,
        topic=role.value,
        message_class=message_class(type_name),
        qos=ROLE_QOS[role],
        role=role,
        suffix=COMPRESSED_SUFFIX if type_name == COMPRESSED_IMAGE else '',
    )


def message_class(type_name: str) -> Any:
    """Return the installed class of a message type, ``pkg/msg/Type``.

    Raises:
        UnsupportedEncodingError: when it is not installed here, or not usable.
    """
    package, _, name = type_name.split('/')
    try:
        found = getattr(importlib.import_module(f'{package}.msg'), name)
        check_is_valid_msg_type(found)
    except Exception as error:  # a broken type support raises whatever its library raises
        raise UnsupportedEncodingError(
            f'{type_name} is not installed here, so it cannot be published ({error}); install or '
            f'source the package {package}'
        ) from error
    return found
