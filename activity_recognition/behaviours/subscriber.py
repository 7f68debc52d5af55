"""The adapter to ROS: a topic of ActivityStamped fills an :class:`ActivityFeed`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from activity_recognition.behaviours.feed import ActivityFeed
from activity_recognition.behaviours.report import Report
from activity_recognition.errors import DecodeError
from activity_recognition.msg import ActivityStamped
from activity_recognition.sensors.activity import evidence_of, nanoseconds_of, status_of


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
    )


def matching_qos(offers: Sequence[QoSProfile]) -> QoSProfile:
    """Return reliable and transient local, or what the weakest of some publishers offers.

    The recognizer offers both; a player or a relay of its topic may not, and would not be received.
    Although only the newest report is kept, the depth lets an executor that was busy see them all:
    a hold must not miss a dip.
    """
    reliable = all(offer.reliability != ReliabilityPolicy.BEST_EFFORT for offer in offers)
    latched = all(offer.durability != DurabilityPolicy.VOLATILE for offer in offers)
    return QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
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
        self.dropped = 0
        """Messages that could not be understood."""
        self._node = node
        self._topic = topic
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
            matching_qos([offer.qos_profile for offer in offers]),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._follow_publisher),
        )

    def _follow_publisher(self, _event: Any) -> None:
        """Subscribe again, now that a publisher has been found that offers less."""
        self.close()
        self._subscription = self._subscribe()

    def _take(self, message: Any) -> None:
        try:
            self.push(report_from_message(message))
        except DecodeError as error:
            self.dropped += 1
            self._node.get_logger().warning(
                f'{self._topic}: message dropped: {error}', throttle_duration_sec=10.0
            )
