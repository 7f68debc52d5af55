"""The node ``monitor``: hears decisions, the truth and diagnostics, and keeps a log of the run.

It needs no truth: on a robot it shows and counts what is decided.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from activity_recognition.msg import ActivityStamped
from activity_recognition.reporting.run_log import Heard, RunLog
from activity_recognition.ros.outlets import DIAGNOSTICS_QOS, LATCHED_QOS, TRUTH_TOPIC
from activity_recognition.types import NANOSECONDS, Modality, ModalityEvidence, Status

DECISIONS_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Deep, so that no decision is missed while the display is drawn; what is past is not asked for."""


class MonitorNode(Node):
    """Collects what is decided, what is true, and what the other nodes say of themselves."""

    def __init__(self, **options: Any) -> None:
        """Subscribe to ``activity``, ``activity_truth`` and /diagnostics.

        Args:
            options: passed on to rclpy's Node.
        """
        super().__init__('monitor', **options)
        self.log = RunLog()
        self._lock = threading.Lock()
        self._statuses: dict[str, dict[str, str]] = {}
        self._reports: dict[str, int] = {}
        self.create_subscription(ActivityStamped, 'activity', self._on_activity, DECISIONS_QOS)
        self.create_subscription(ActivityStamped, TRUTH_TOPIC, self._on_truth, LATCHED_QOS)
        self.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, DIAGNOSTICS_QOS
        )

    def status(self, ending: str) -> tuple[int, dict[str, str]]:
        """Return how often a status whose name ends so has come, and its newest values."""
        with self._lock:
            for name, values in self._statuses.items():
                if name.endswith(ending):
                    return self._reports[name], dict(values)
        return 0, {}

    def _on_activity(self, message: ActivityStamped) -> None:
        self.log.add_decision(to_heard(message))

    def _on_truth(self, message: ActivityStamped) -> None:
        label = message.label if message.status == Status.OK else ''
        self.log.add_truth(_nanoseconds(message.header.stamp), label)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                values = {pair.key: pair.value for pair in status.values}
                self._statuses[status.name] = {**values, 'message': status.message}
                self._reports[status.name] = self._reports.get(status.name, 0) + 1


class Monitor:
    """A monitor that spins in a thread of its own, in a ROS context of its own."""

    def __init__(self, args: list[str] | None = None) -> None:
        """Prepare; entering the context begins.

        Args:
            args: ROS arguments, from ``--ros-args`` on.
        """
        self._args = args or []
        self._context = rclpy.Context()
        self._thread = threading.Thread(target=self._spin, name='monitor', daemon=True)

    def __enter__(self) -> MonitorNode:
        # Signals stay with the program around it.
        rclpy.init(
            args=self._args,
            context=self._context,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self._node = MonitorNode(context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread.start()
        return self._node

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._executor.shutdown(timeout_sec=0.5)
        self._thread.join(1.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


def to_heard(message: ActivityStamped) -> Heard:
    """Return a published decision without ROS."""
    return Heard(
        t_ns=_nanoseconds(message.header.stamp),
        status=message.status,
        label=message.label,
        confidence=message.confidence,
        evidence=tuple(
            ModalityEvidence(
                modality=Modality(item.modality),
                present=item.present,
                age_s=item.age_s,
                label=item.label,
                confidence=item.confidence,
                weight=item.weight,
            )
            for item in message.evidence
        ),
        latency_s=message.latency_s,
        processing_s=message.processing_s,
    )


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec * NANOSECONDS + stamp.nanosec)
