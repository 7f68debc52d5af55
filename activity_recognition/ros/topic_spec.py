"""What a playing node publishes on: one outlet per topic, with the type and QoS it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSProfile

from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.qos import SENSOR_OFFERS
from activity_recognition.ros.topic_choice import COMPRESSED_IMAGE, COMPRESSED_SUFFIX
from activity_recognition.sensors.decoders import Role

TRUTH_TOPIC = 'activity_truth'
"""What was really going on, as ActivityStamped: one message at the start of every stretch."""
TRUTH_TYPE = 'activity_recognition/msg/ActivityStamped'


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
        qos=SENSOR_OFFERS[role],
        role=role,
        suffix=COMPRESSED_SUFFIX if type_name == COMPRESSED_IMAGE else '',
    )
