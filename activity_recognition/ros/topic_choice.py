"""Which topic and type each input is read from, given what the graph offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activity_recognition.errors import ConfigError, quoted
from activity_recognition.sensors import Role
from activity_recognition.sensors.cdr import full_type_name
from activity_recognition.sensors.decoders import AUDIO_INFO_TYPE, AUDIO_TYPES, IMAGE_TYPES
from activity_recognition.sensors.transcript import TRANSCRIPT_TYPES

if TYPE_CHECKING:
    from rclpy.qos import QoSProfile

    from activity_recognition.config import TopicsConfig

RAW_IMAGE, COMPRESSED_IMAGE = IMAGE_TYPES
COMPRESSED_SUFFIX = '/compressed'
"""Where image_transport publishes the compressed images of a topic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One publisher on the graph."""

    topic: str
    type_name: str
    qos: QoSProfile
    node_name: str = ''
    """Who publishes, with its namespace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What to subscribe to."""

    topic: str
    type_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What one role accepts."""

    role: Role
    topic: str
    """Resolved name."""
    types: tuple[str, ...]
    """Accepted types, the preferred first; it is also the guess while nobody publishes."""
    any_type: bool = False
    """Whether other types are accepted, too."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics to look at."""
        if self.role is Role.IMAGE and COMPRESSED_IMAGE in self.types:
            return (self.topic, self.topic + COMPRESSED_SUFFIX)
        return (self.topic,)


def wanted(role: Role, topic: str, config: TopicsConfig) -> Wanted:
    """Return what ``role`` accepts under the given settings.

    Raises:
        ConfigError: when a type in the settings is no type name.
    """
    if role is Role.IMAGE:
        types: tuple[str, ...] = {'raw': (RAW_IMAGE,), 'compressed': (COMPRESSED_IMAGE,)}.get(
            config.image_transport, IMAGE_TYPES
        )
        return Wanted(role=role, topic=topic, types=types)
    if role is Role.AUDIO_INFO:
        return Wanted(role=role, topic=topic, types=(AUDIO_INFO_TYPE,))
    if role is Role.AUDIO:
        types = _chosen(config.audio_type, 'topics.audio_type') or AUDIO_TYPES
        return Wanted(role=role, topic=topic, types=types)
    chosen = _chosen(config.transcript_type, 'topics.transcript_type')
    return Wanted(
        role=role,
        topic=topic,
        types=chosen or TRANSCRIPT_TYPES,
        any_type=not chosen and bool(config.transcript_field),
    )


def _chosen(name: str, key: str) -> tuple[str, ...]:
    if not name:
        return ()
    try:
        return (full_type_name(name),)
    except Exception as error:
        raise ConfigError(
            f"{key}: expected 'package/msg/Type' or nothing, got {quoted(name)}"
        ) from error


def choose(want: Wanted, offers: Iterable[Offer]) -> tuple[Source | None, str]:
    """Return what to subscribe to, and a sentence when what is published cannot be taken.

    The base topic goes before its ``/compressed`` companion, then the preferred type. While nobody
    publishes, only a type that leaves no choice is subscribed to: a participant cannot hold two
    types of one topic, so a wrong guess would break a publisher in the same process.
    """
    offered = list(offers)
    for topic in want.topics:
        here = [offer.type_name for offer in offered if offer.topic == topic]
        for type_name in want.types:
            fits = topic == want.topic or type_name == COMPRESSED_IMAGE
            if type_name in here and fits:
                return Source(topic=topic, type_name=type_name), _others(topic, type_name, here)
        if here and want.any_type:
            # By name: the graph lists publishers in an order of its own.
            taken = min(here)
            return Source(topic=topic, type_name=taken), _others(topic, taken, here)
    problem = _refusal(want, offered)
    return (None if problem else _certain(want)), problem


def _certain(want: Wanted) -> Source | None:
    """Return the only source that could ever be chosen, if there is just one.

    Compressed images may come under two names; image_transport's is taken until one is published.
    """
    if len(want.types) > 1 or want.any_type:
        return None
    topics = [topic for topic in want.topics if topic.endswith(COMPRESSED_SUFFIX)] or want.topics
    return Source(topic=topics[0], type_name=want.types[0])


def _others(topic: str, taken: str, here: list[str]) -> str:
    others = sorted(set(here) - {taken})
    if not others:
        return ''
    return (
        f'{topic}: publishers disagree on the type: {taken} is taken, {", ".join(others)} is not; '
        'give them topics of their own'
    )


def _refusal(want: Wanted, offered: list[Offer]) -> str:
    wrong = sorted({offer.type_name for offer in offered if offer.topic == want.topic})
    if not wrong:
        return ''
    todo = {
        Role.IMAGE: "set topics.image_transport to '' or remap image",
        Role.AUDIO: "set topics.audio_type to '' or remap audio",
        Role.AUDIO_INFO: 'remap audio_info',
        Role.TRANSCRIPT: 'set topics.transcript_type and topics.transcript_field to read it',
    }[want.role]
    return (
        f'{want.topic}: expected {" or ".join(want.types)}, '
        f'but {", ".join(wrong)} is published; {todo}'
    )
