"""Subscriptions to what others say of people: found on the graph, followed, decoded, counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from activity_recognition.errors import ActivityRecognitionError, DecodeError, quoted
from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.qos import profile, weakest
from activity_recognition.ros.recognizing.filters import RawMessage, RawSubscriber
from activity_recognition.sensors import Drops

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.qos import QoSProfile

    from activity_recognition.sensors.cdr import Message, TypeRegistry

MOST_CLASSES = 16
"""Classes that are named, of detections that are no people."""
RETRY_S = 10.0
"""How long a subscription that failed is not tried again, while its publishers stay the same."""
DEPTH = 10
"""Of the requested history: what comes of one topic while the executor is busy."""


@dataclass(slots=True)
class TopicCounts:
    """What came of all topics of one source."""

    received: int = 0
    newest_entry_s: float | None = None
    """Steady clock at the last message."""
    there: int = 0
    """People in the last message that says who is there."""
    found: int = 0
    """Detections that are people, of all messages together."""
    others: Counter[str] = field(default_factory=Counter)
    """Detections that are no people, by class."""
    drops: Drops = field(default_factory=Drops)
    problems: dict[str, str] = field(default_factory=dict)
    """By topic, why it cannot be subscribed to."""

    def note_other(self, name: str) -> None:
        """Count a detection of a class that is no person."""
        name = quoted(name)
        known = name in self.others or len(self.others) < MOST_CLASSES
        self.others[name if known else 'others'] += 1


class PersonTopic:
    """One topic: subscribed to while somebody publishes on it, as its publishers offer it."""

    def __init__(
        self,
        node: Node,
        topic: str,
        types: Sequence[str],
        *,
        registry: TypeRegistry,
        counts: TopicCounts,
        take: Callable[[Message, int], None],
    ) -> None:
        """Make a topic that is not subscribed to yet.

        Args:
            node: subscribes.
            topic: resolved name.
            types: that it may have, the preferred first.
            registry: where definitions are looked up.
            counts: is added to.
            take: called with each message and its arrival; an error of ours is a counted drop.
        """
        self.topic = topic
        self._node, self._types, self._registry = node, tuple(types), registry
        self._counts, self._take = counts, take
        self._subscriber = RawSubscriber(node)
        self._subscriber.registerCallback(self._receive)
        self._requested: QoSProfile | None = None
        self._type_name = ''
        self._failed: tuple[str, QoSProfile] | None = None
        self._retry_s = 0.0

    @property
    def type_name(self) -> str:
        """Type that is subscribed to; empty without a subscription."""
        return self._type_name if self._subscriber.subscription is not None else ''

    def offered(self) -> str:
        """Return the type that is published and can be taken; empty while none is."""
        # Counting is cheap, and mostly nobody publishes.
        if not self._node.count_publishers(self.topic):
            return ''
        here = {i.topic_type for i in self._node.get_publishers_info_by_topic(self.topic)}
        return next((name for name in self._types if name in here), '')

    def look(self) -> None:
        """Look at the graph, and subscribe, or subscribe again, where something has changed."""
        type_name = self.offered()
        if not type_name:
            return
        infos = self._node.get_publishers_info_by_topic(self.topic)
        offers = [info.qos_profile for info in infos if info.topic_type == type_name]
        reliable, latched = weakest(offers)
        requested = profile(DEPTH, reliable=reliable, latched=latched)
        if self.type_name and self.type_name != type_name:
            # The new one comes with the next look: two types cannot live side by side.
            self.close()
        elif not self.type_name or requested != self._requested:
            if (type_name, requested) == self._failed and time.monotonic() < self._retry_s:
                return
            self._open(type_name, requested)

    def open_at_once(self) -> None:
        """Subscribe before its publisher is found, to what any publisher offers."""
        self._open(self._types[0], profile(DEPTH, reliable=False))

    def close(self) -> None:
        """Give up the subscription."""
        self._subscriber.unsubscribe()
        self._counts.problems.pop(self.topic, None)

    def _open(self, type_name: str, requested: QoSProfile) -> None:
        try:
            kind = message_class(type_name)
            self._subscriber.subscribe(kind, type_name, self.topic, requested)
        except Exception as error:
            self._counts.problems[self.topic] = f'{self.topic}: cannot subscribe: {error}'
            self._failed = type_name, requested
            self._retry_s = time.monotonic() + RETRY_S
        else:
            self._counts.problems.pop(self.topic, None)
            self._type_name, self._requested = type_name, requested

    def _receive(self, raw: RawMessage, *_: Any) -> None:
        counts = self._counts
        counts.received += 1
        counts.newest_entry_s = raw.entry_s
        try:
            message = self._registry.deserialise(raw.cdr, raw.type_name)
            self._take(message, raw.arrival_ns)
        except ActivityRecognitionError as error:
            counts.drops.add(error)
        except Exception as error:
            counts.drops.add(DecodeError(f'{raw.type_name}: {type(error).__name__}: {error}'))


def age_s(counts: TopicCounts) -> float | None:
    """Return how long ago the last message came, seconds; None before the first."""
    newest_s = counts.newest_entry_s
    return None if newest_s is None else time.monotonic() - newest_s
