"""Which topic and type each input is read from, given what the graph offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activity_recognition.errors import ConfigError, quoted
from activity_recognition.modalities import ROLE_SPEC, Role
from activity_recognition.sensors.cdr import full_type_name

if TYPE_CHECKING:
    from rclpy.qos import QoSProfile

    from activity_recognition.config import TopicsConfig


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
class Accepted:
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
        suffixes = (suffix for kind, suffix in ROLE_SPEC[self.role].suffixes if kind in self.types)
        return (self.topic, *(self.topic + suffix for suffix in suffixes))


def accepted(role: Role, topic: str, config: TopicsConfig) -> Accepted:
    """Return what a role accepts under the given settings.

    Args:
        role: what the topic is to the recogniser.
        topic: its resolved name.
        config: of the topics.

    Raises:
        ConfigError: when a type in the settings is no type name.
    """
    spec = ROLE_SPEC[role]
    word = getattr(config, spec.type_setting) if spec.type_setting else ''
    if spec.type_words:
        named = dict(zip(spec.type_words, spec.message_types, strict=False))
        chosen: tuple[str, ...] = (named[word],) if word in named else ()
    else:
        chosen = _chosen(word, f'topics.{spec.type_setting}')
    takes_any = bool(spec.field_setting and getattr(config, spec.field_setting))
    return Accepted(
        role=role,
        topic=topic,
        types=chosen or spec.message_types,
        any_type=takes_any and not chosen,
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


def choose(accepts: Accepted, offers: Iterable[Offer]) -> tuple[Source | None, str]:
    """Return what to subscribe to, and a sentence when what is published cannot be taken.

    The base topic goes before its ``/compressed`` companion, then the preferred type. While nobody
    publishes, only a type that leaves no choice is subscribed to: a participant cannot hold two
    types of one topic, so a wrong guess would break a publisher in the same process.

    Args:
        accepts: what the role accepts.
        offers: what the graph has, at least on the role's topics.
    """
    offered = list(offers)
    suffix = ROLE_SPEC[accepts.role].suffix
    for topic in accepts.topics:
        here = [offer.type_name for offer in offered if offer.topic == topic]
        for type_name in accepts.types:
            fits = topic in (accepts.topic, accepts.topic + suffix(type_name))
            if type_name in here and fits:
                return Source(topic=topic, type_name=type_name), _others(topic, type_name, here)
        if here and accepts.any_type:
            # By name: the graph lists publishers in an order of its own.
            taken = min(here)
            return Source(topic=topic, type_name=taken), _others(topic, taken, here)
    problem = _refusal(accepts, offered)
    return (None if problem else _certain(accepts)), problem


def _certain(accepts: Accepted) -> Source | None:
    """Return the only source that could ever be chosen, if there is just one.

    Compressed images may come under two names; image_transport's is taken until one is published.
    """
    if len(accepts.types) > 1 or accepts.any_type:
        return None
    (type_name,) = accepts.types
    suffix = ROLE_SPEC[accepts.role].suffix(type_name)
    is_complete = bool(suffix) and accepts.topic.endswith(suffix)
    topic = accepts.topic if is_complete else accepts.topic + suffix
    return Source(topic=topic, type_name=type_name)


def _others(topic: str, taken: str, here: list[str]) -> str:
    others = sorted(set(here) - {taken})
    if not others:
        return ''
    return (
        f'{topic}: publishers disagree on the type: {taken} is taken, {", ".join(others)} is not; '
        'give them topics of their own'
    )


def _refusal(accepts: Accepted, offered: list[Offer]) -> str:
    wrong = sorted({offer.type_name for offer in offered if offer.topic == accepts.topic})
    if not wrong:
        return ''
    return (
        f'{accepts.topic}: expected {" or ".join(accepts.types)}, '
        f'but {", ".join(wrong)} is published; {ROLE_SPEC[accepts.role].on_other_type}'
    )
