"""The adapter to ROS: a topic of ActivityStamped fills an :class:`ActivityFeed`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from activity_recognition.behaviours.feed import ActivityFeed
from activity_recognition.behaviours.people import PeopleFeed
from activity_recognition.behaviours.report import Report
from activity_recognition.errors import DecodeError
from activity_recognition.msg import ActivityStamped
from activity_recognition.sensors.activity import evidence_of, nanoseconds_of, status_of

DEPTH = 10
PEOPLE_DEPTH = 100
"""Reports that wait for a busy executor, of one scene and of all people in it."""


def report_from_message(message: Any) -> Report:
    """Turn an ActivityStamped into a report.

    Raises:
        DecodeError: for a status or modality that this version does not know.
    """
    return Report(
        stamp_ns=nanoseconds_of(message.header.stamp),
        status=status_of(message),
        label=message.label,
        confidence=message.confidence,
        stable_since_ns=nanoseconds_of(message.stable_since),
        scores={score.label: score.probability for score in message.scores},
        evidence=evidence_of(message),
        subject_id=message.subject_id,
        frame_id=message.header.frame_id,
    )


def matching_qos(offers: Sequence[QoSProfile], *, depth: int = DEPTH) -> QoSProfile:
    """Return reliable and transient local, or what the weakest of some publishers offers.

    The recognizer offers both; a player or a relay of its topic may not, and would not be received.
    Although only the newest report is kept, the depth lets an executor that was busy see them all:
    a hold must not miss a dip.

    Args:
        offers: of the topic's publishers.
        depth: reports that wait for the executor.
    """
    reliable = all(offer.reliability != ReliabilityPolicy.BEST_EFFORT for offer in offers)
    latched = all(offer.durability != DurabilityPolicy.VOLATILE for offer in offers)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


class _Subscription:
    """A topic of ActivityStamped, understood and handed on."""

    def __init__(self, node: Node, topic: str, push: Callable[[Report], None], depth: int) -> None:
        self.dropped = 0
        self._node, self._topic, self._push, self._depth = node, topic, push, depth
        self._subscription = self._subscribe()

    def close(self) -> None:
        """Unsubscribe; harmless when that is done."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _subscribe(self) -> Any:
        offers = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(self._topic))
        return self._node.create_subscription(
            ActivityStamped,
            self._topic,
            self._take,
            matching_qos([offer.qos_profile for offer in offers], depth=self._depth),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._follow_publisher),
        )

    def _follow_publisher(self, _event: Any) -> None:
        """Subscribe again, now that a publisher has been found that offers less."""
        self.close()
        self._subscription = self._subscribe()

    def _take(self, message: Any) -> None:
        try:
            self._push(report_from_message(message))
        except DecodeError as error:
            self.dropped += 1
            self._node.get_logger().warning(
                f'{self._topic}: message dropped: {error}', throttle_duration_sec=10.0
            )


class ActivitySubscriber(ActivityFeed):
    """A feed filled by a topic of a node. Whoever spins the node fills it; no tick ever waits.

    Ages are those of the node's ROS clock: under ``use_sim_time`` they stand still when the
    simulation does.
    """

    def __init__(self, node: Node, topic: str = 'activity', *, silent_after_s: float = 2.0) -> None:
        """Subscribe.

        Args:
            node: the node of the tree.
            topic: where the recognizer publishes; a relative name, to be remapped as usual.
            silent_after_s: without a message for this long the situation is SILENT.

        Raises:
            ConfigError: when ``silent_after_s`` is not above 0.
        """
        super().__init__(lambda: node.get_clock().now().nanoseconds, silent_after_s=silent_after_s)
        self._subscription = _Subscription(node, topic, self.push, DEPTH)

    @property
    def dropped(self) -> int:
        """Messages that could not be understood."""
        return self._subscription.dropped

    def close(self) -> None:
        """Unsubscribe; harmless when that is done."""
        self._subscription.close()


class PeopleSubscriber(PeopleFeed):
    """A feed of people filled by the topic ``activities``; see :class:`ActivitySubscriber`."""

    def __init__(
        self, node: Node, topic: str = 'activities', *, silent_after_s: float = 2.0
    ) -> None:
        """Subscribe.

        Args:
            node: the node of the tree.
            topic: where the recognizer publishes; a relative name, to be remapped as usual.
            silent_after_s: without a message about somebody for this long they are SILENT.

        Raises:
            ConfigError: when ``silent_after_s`` is not above 0.
        """
        super().__init__(lambda: node.get_clock().now().nanoseconds, silent_after_s=silent_after_s)
        self._subscription = _Subscription(node, topic, self.push, PEOPLE_DEPTH)

    @property
    def dropped(self) -> int:
        """Messages that could not be understood."""
        return self._subscription.dropped

    def close(self) -> None:
        """Unsubscribe; harmless when that is done."""
        self._subscription.close()
