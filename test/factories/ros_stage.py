"""Nodes that meet over DDS: one carries a tree, its peer whatever a test needs."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from activity_recognition.msg import ActivityScore, ActivityStamped, ModalityEvidence
from activity_recognition.types import NANOSECONDS, Status, to_ns
from factories.timing import PATIENCE_S

START_NS = 1_000 * NANOSECONDS
"""When simulated time begins."""

_stages = itertools.count()


def activity_message(
    stamp_ns: int,
    label: str = '',
    *,
    since_ns: int | None = None,
    status: int = Status.OK,
    confidence: float = 0.9,
    scores: dict[str, float] | None = None,
    modality: str = 'video',
) -> ActivityStamped:
    """Return a message as the recognizer publishes it, with evidence of one modality."""
    message = ActivityStamped(status=int(status), label=label, confidence=confidence)
    for stamp, value in [
        (message.header.stamp, stamp_ns),
        (message.stable_since, stamp_ns if since_ns is None else since_ns),
    ]:
        stamp.sec, stamp.nanosec = divmod(value, NANOSECONDS)
    message.scores = [
        ActivityScore(label=name, probability=value) for name, value in (scores or {}).items()
    ]
    message.evidence = [
        ModalityEvidence(modality=modality, present=True, age_s=0.25, label=label, weight=0.5)
    ]
    return message


class Stage:
    """A node for a tree, a peer that plays its surroundings, and one thread that spins both."""

    def __init__(self, *, sim_time: bool = False) -> None:
        """Create the nodes in a namespace of their own."""
        self.namespace = f'/stage_{os.getpid()}_{next(_stages)}'
        self.context = Context()
        self.context.init()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list[Node] = []
        self.tree_node = self._node('tree', sim_time=sim_time)
        self.peer_node = self._node('peer')
        self._clock = self.peer_node.create_publisher(Clock, '/clock', 1)

    def _node(self, name: str, *, sim_time: bool = False) -> Node:
        node = Node(
            name,
            namespace=self.namespace,
            context=self.context,
            parameter_overrides=[Parameter('use_sim_time', value=sim_time)],
        )
        self.add(node)
        return node

    def add(self, node: Node) -> None:
        """Spin another node of this context, too, and destroy it at the end."""
        self._nodes.append(node)
        self._executor.add_node(node)

    def advertise(
        self,
        topic: str = 'activity',
        *,
        reliable: bool = True,
        latched: bool = True,
        depth: int = 1,
    ) -> Publisher:
        """Publish activities, by default as the recognizer does on ``activity``."""
        qos = QoSProfile(
            depth=depth,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        return self.peer_node.create_publisher(ActivityStamped, topic, qos)

    def spin_until(self, condition: Callable[[], Any], *, timeout_s: float = PATIENCE_S) -> None:
        """Spin both nodes until a condition holds; fail when it does not come to that."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, 'this did not happen in time'
            self._executor.spin_once(timeout_sec=0.02)

    def set_clock(self, seconds: float) -> None:
        """Let simulated time be some seconds from its beginning."""
        wanted_ns = START_NS + to_ns(seconds)
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(wanted_ns, NANOSECONDS)

        def arrived() -> bool:
            self._clock.publish(message)
            return bool(self.tree_node.get_clock().now().nanoseconds == wanted_ns)

        self.spin_until(arrived)

    def close(self) -> None:
        """Destroy everything."""
        self._executor.shutdown()
        for node in reversed(self._nodes):
            node.destroy_node()
        self.context.try_shutdown()
