"""The recogniser's inputs: each finds its topic's type and follows it as publishers come and go."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSPolicyKind, QoSProfile, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

from activity_recognition.errors import UnsupportedEncodingError
from activity_recognition.modalities import SAMPLE_ROLES, SPEC, Role
from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.parameters import parameter_overrides
from activity_recognition.ros.qos import describe, mismatch, requested_qos
from activity_recognition.ros.recognizing.filters import Decoder, RawSubscriber
from activity_recognition.ros.topic_choice import Accepted, Offer, Source, accepted, choose
from activity_recognition.sensors import SignalHealth
from activity_recognition.types import NANOSECONDS

if TYPE_CHECKING:
    from rclpy.node import Node

    from activity_recognition.config import TopicsConfig
    from activity_recognition.sensors import SensorDecoders
    from activity_recognition.streams import WindowSynchronizer
    from activity_recognition.types import Modality

_POLICIES = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
"""Policies that ``qos_overrides`` may set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputReport:
    """What can be said of one input at one moment."""

    role: Role
    topic: str
    type_name: str
    """Type subscribed to; empty without a subscription."""
    qos: str
    publishers: int
    received: int
    """Messages since the input was opened."""
    lost: int
    """Messages that the middleware knows it lost."""
    age_s: float | None
    """Steady time since the last message; None when none came."""
    problems: tuple[str, ...]
    """Sentences: what is wrong and what to do."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Messages that could not be decoded, by reason."""
    example: str = ''
    """The last error of a message that could not be decoded."""
    missed: int = 0
    """Messages that were published and never taken, where there is one publisher: lost in
    transport, or overwritten in a queue."""
    shared_by: tuple[str, ...] = ()
    """Nodes that publish on the topic that is subscribed to, one entry per publisher."""
    stamp_offset_s: float | None = None
    """By how much the newest sample lies after its arrival, or before, seconds; 0 where it spans
    it, None before the first."""
    declared_rate_hz: int | None = None
    """Samples a second as the format says; None without one."""
    measured_rate_hz: float | None = None
    """Samples a second by the stamps; None while too little has come."""
    channel_problem: str = ''
    """What is wrong with the signal, such as its channels; empty where nothing is."""

    @property
    def undecoded(self) -> int:
        """Messages that could not be decoded."""
        return sum(self.dropped.values())


class Input:
    """One topic: its subscription, its decoder, and what is wrong with it."""

    def __init__(
        self,
        node: Node,
        accepts: Accepted,
        *,
        decoders: SensorDecoders,
        synchronizer: WindowSynchronizer,
    ) -> None:
        """Make an input that is not subscribed yet.

        Args:
            node: subscribes.
            accepts: which topic and types.
            decoders: turn messages into samples.
            synchronizer: takes the samples.
        """
        self._node = node
        self._accepts = accepts
        self._source: Source | None = None
        self._requested: QoSProfile | None = None
        self._subscriber = RawSubscriber(node)
        self._publishers = 0
        self._shared_by: tuple[str, ...] = ()
        self._decoders = decoders
        self._lost = 0
        self._problems: list[str] = []
        self._incompatible = ''
        self._last_error = ''
        self.decoder = Decoder(accepts.role, decoders, synchronizer, self._note_error)
        self.decoder.connectInput(self._subscriber)

    @property
    def role(self) -> Role:
        """What the topic is to the recogniser."""
        return self._accepts.role

    def look(self) -> None:
        """Look at the graph, and subscribe or subscribe again where something has changed.

        Where the type changes, the old subscription goes now and the new one comes with the next
        look: two types on one topic cannot live side by side in one participant.
        """
        offers = list(self._offers())
        source, problem = choose(self._accepts, offers)
        self._publishers = len(offers)
        self._problems = [problem] if problem else []
        if source is None:
            return
        self._shared_by = tuple(sorted(o.node_name for o in offers if o.topic == source.topic))
        self._subscriber.gaps.note_publishers(len(self._shared_by))
        matching = [
            o.qos for o in offers if (o.topic, o.type_name) == (source.topic, source.type_name)
        ]
        if self._subscriber.subscription is None:
            self._open(source, matching)
        elif source != self._source:
            self._subscriber.unsubscribe()
            return
        elif matching and not _same(requested_qos(self.role, matching), self._requested):
            self._open(source, matching)
        self._problems += self._mismatches(matching)

    def close(self) -> None:
        """Give up the subscription."""
        self._subscriber.unsubscribe()

    def report(self) -> InputReport:
        """Return what can be said now."""
        subscription, decoder = self._subscriber.subscription, self.decoder
        newest_s, offset_ns = decoder.newest_entry_s, decoder.newest_offset_ns
        modality = SAMPLE_ROLES.get(self.role)
        health = SignalHealth() if modality is None else self._decoders.health(modality)
        problems = list(self._problems)
        if self._incompatible and not problems and not self._is_matched():
            problems.append(self._incompatible)
        return InputReport(
            role=self.role,
            topic=self._source.topic if self._source else self._accepts.topic,
            type_name=self._source.type_name if self._source and subscription else '',
            qos=describe(subscription.qos_profile) if subscription else '',
            publishers=self._publishers,
            received=decoder.received,
            lost=self._lost,
            age_s=None if newest_s is None else time.monotonic() - newest_s,
            problems=tuple(problems),
            dropped=dict(decoder.drops.counts),
            example=self._last_error,
            missed=self._subscriber.gaps.missed,
            shared_by=self._shared_by,
            stamp_offset_s=None if offset_ns is None else offset_ns / NANOSECONDS,
            declared_rate_hz=health.declared_rate_hz,
            measured_rate_hz=health.measured_rate_hz,
            channel_problem=health.problem,
        )

    def _offers(self) -> Iterable[Offer]:
        for topic in self._accepts.topics:
            for info in self._node.get_publishers_info_by_topic(topic):
                yield Offer(
                    topic=topic,
                    type_name=info.topic_type,
                    qos=info.qos_profile,
                    node_name=f'{info.node_namespace.rstrip("/")}/{info.node_name}',
                )

    def _open(self, source: Source, offers: list[QoSProfile]) -> None:
        """Subscribe; what cannot be subscribed to becomes a problem."""
        try:
            self._subscriber.subscribe(
                message_class(source.type_name),
                source.type_name,
                source.topic,
                requested_qos(self.role, offers),
                events=self._events(),
                overrides=self._overrides(source.topic),
            )
        except UnsupportedEncodingError as error:
            # Nothing is lost while nobody publishes the type.
            if offers:
                self._problems.append(str(error))
        except Exception as error:
            self._problems.append(f'{source.topic}: cannot subscribe: {error}')
        else:
            # Kept apart from the subscription's own profile, in which overrides have their place.
            self._source, self._requested = source, requested_qos(self.role, offers)
            self._incompatible = ''

    def _overrides(self, topic: str) -> QoSOverridingOptions | None:
        """Return options for the policies that are overridden, and for no other.

        A policy declared as a parameter keeps its first value, but the others are to follow.
        """
        prefix = f'qos_overrides.{topic}.subscription.'
        given = [p for p in _POLICIES if prefix + p.name.lower() in parameter_overrides(self._node)]
        return QoSOverridingOptions(given) if given else None

    def _events(self) -> SubscriptionEventCallbacks:
        return SubscriptionEventCallbacks(
            incompatible_qos=self._note_incompatible,
            message_lost=self._note_lost,
            use_default_callbacks=False,
        )

    def _note_lost(self, info: object) -> None:
        self._lost += int(info.total_count_change)  # type: ignore[attr-defined]

    def _note_incompatible(self, info: object) -> None:
        policy = qos_policy_name_from_kind(info.last_policy_kind)  # type: ignore[attr-defined]
        topic = self._source.topic if self._source else self._accepts.topic
        key = str(policy).lower()
        self._incompatible = (
            f'{topic}: a publisher offers less {key} than this node asks for; '
            f'set qos_overrides.{topic}.subscription.{key}, or change the publisher'
        )

    def _mismatches(self, offers: list[QoSProfile]) -> list[str]:
        """Compare what is subscribed with what is offered; overrides can make them differ."""
        subscription = self._subscriber.subscription
        if subscription is None or self._source is None:
            return []
        topic = self._source.topic
        sentences = (mismatch(topic, offer, subscription.qos_profile) for offer in offers)
        return list(dict.fromkeys(sentence for sentence in sentences if sentence))

    def _is_matched(self) -> bool:
        subscription = self._subscriber.subscription
        return subscription is not None and subscription.get_publisher_count() > 0

    def _note_error(self, _role: Role, error: Exception) -> None:
        self._last_error = str(error)


def topic_of(stream: str, name: str) -> str:
    """Return the relative name of a stream's topic; that of a stream without a name is bare.

    Args:
        stream: name of the stream, or nothing.
        name: of the topic.
    """
    return f'{stream}/{name}' if stream else name


def _same(one: QoSProfile, other: QoSProfile | None) -> bool:
    return (
        other is not None
        and one.reliability == other.reliability
        and one.durability == other.durability
    )


class Inputs:
    """All inputs of one stream."""

    def __init__(
        self,
        node: Node,
        config: TopicsConfig,
        *,
        modalities: Iterable[Modality],
        stream: str,
        decoders: SensorDecoders,
        synchronizer: WindowSynchronizer,
    ) -> None:
        """Create the inputs; nothing is subscribed to before :meth:`look`.

        Args:
            node: subscribes.
            config: of the topics.
            modalities: what the network takes in; there is an input for each of their topics.
            stream: what they are inputs of; empty where there is but one.
            decoders: turn messages into samples.
            synchronizer: takes the samples.

        Raises:
            ConfigError: when a type in the settings is no type name.
        """
        roles = [spec.role for modality in modalities for spec in SPEC[modality].roles]
        self.each = tuple(
            Input(
                node,
                accepted(role, node.resolve_topic_name(topic_of(stream, str(role))), config),
                decoders=decoders,
                synchronizer=synchronizer,
            )
            for role in roles
        )

    @property
    def decoders(self) -> tuple[Decoder, ...]:
        """The ends of the chains that give samples."""
        return tuple(item.decoder for item in self.each if item.role in SAMPLE_ROLES)

    def look(self) -> None:
        """Let every input look at the graph."""
        for item in self.each:
            item.look()

    def close(self) -> None:
        """Give up all subscriptions, the last one first."""
        for item in reversed(self.each):
            item.close()

    def reports(self) -> tuple[InputReport, ...]:
        """Return a report per input."""
        return tuple(item.report() for item in self.each)
