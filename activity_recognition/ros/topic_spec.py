"""What a playing node publishes on: topics with the types and QoS they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSProfile

from activity_recognition.modalities import ROLE_SPEC, Role
from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.qos import offered_qos

TRUTH_TOPIC = 'activity_truth'
"""What was really going on, as ActivityStamped: one message at the start of every labelled span."""
TRUTH_TYPE = 'activity_recognition/msg/ActivityStamped'


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicSpec:
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


def sensor_topic(key: str, role: Role, type_name: str) -> TopicSpec:
    """Return a topic that the recogniser takes, under its standard name.

    Args:
        key: what messages name it by.
        role: what it is to the recogniser.
        type_name: of its messages, ``pkg/msg/Type``.

    Raises:
        UnsupportedEncodingError: when the type is not installed here.
    """
    return TopicSpec(
        key=key,
        topic=role.value,
        message_class=message_class(type_name),
        qos=offered_qos(role),
        role=role,
        suffix=ROLE_SPEC[role].suffix(type_name),
    )
