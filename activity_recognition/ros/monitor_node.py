"""The node ``monitor``: receives decisions, the truth and diagnostics, and keeps a log of the run.

It needs no truth: on a robot it shows and counts what is decided.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from activity_recognition.errors import DecodeError
from activity_recognition.msg import ActivityStamped
from activity_recognition.reporting.run_log import ReceivedDecision, RunLog
from activity_recognition.ros.qos import DIAGNOSTICS_QOS, LATCHED_QOS, profile
from activity_recognition.ros.topic_spec import TRUTH_TOPIC
from activity_recognition.sensors.activity import evidence_of, nanoseconds_of, status_of
from activity_recognition.types import Status

T = TypeVar('T')

DECISIONS_QOS = profile(100)
"""Deep, so that no decision is missed while the display is drawn; what is past is not asked for."""
MOST_PEOPLE = 64
"""People whose logs are kept; of more the first of whom no truth is known are forgotten."""
_CALL_POLL_S = 0.05


class MonitorNode(Node):
    """Collects what is decided, what is true, and what the other nodes say of themselves."""

    def __init__(self, **options: Any) -> None:
        """Subscribe to ``activity``, ``activities``, ``activity_truth`` and /diagnostics.

        Args:
            options: passed on to rclpy's Node.
        """
        super().__init__('monitor', **options)
        self.log = RunLog()
        """Of the whole scene."""
        self._people: dict[str, RunLog] = {}
        self.dropped = 0
        """Decisions that could not be understood."""
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self._statuses: dict[str, dict[str, str]] = {}
        self._reports: dict[str, int] = {}
        self._decisions = self.create_subscription(
            ActivityStamped, 'activity', self._on_activity, DECISIONS_QOS
        )
        self.create_subscription(ActivityStamped, 'activities', self._on_person, DECISIONS_QOS)
        self.create_subscription(ActivityStamped, TRUTH_TOPIC, self._on_truth, LATCHED_QOS)
        self.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, DIAGNOSTICS_QOS
        )

    def status(self, node: str, part: str) -> tuple[int, dict[str, str]]:
        """Return how often a node has reported on a part of it, and the newest values.

        Among them are the status's ``message`` and ``level``, 0 to 2 as in DiagnosticStatus.

        Args:
            node: its name: one in the monitor's namespace, or a full one.
            part: what the status speaks of, for example ``image``.
        """
        name = f'{self.full_name(node)}: {part}'
        with self._lock:
            return self._reports.get(name, 0), dict(self._statuses.get(name, {}))

    def logs_of_people(self) -> dict[str, RunLog]:
        """Return the logs of everybody who is told apart, by subject."""
        with self._lock:
            return dict(self._people)

    def full_name(self, node: str) -> str:
        """Return a node's full name, of one in the monitor's namespace where it has none."""
        return node if node.startswith('/') else f'{self.get_namespace().rstrip("/")}/{node}'

    def sees(self, node: str) -> bool:
        """Return whether a node is there, or any that publishes decisions.

        Args:
            node: its full name.
        """
        if self.count_publishers(self._decisions.topic_name):
            return True
        found = self.get_node_names_and_namespaces()
        return node in {f'{namespace.rstrip("/")}/{name}' for name, namespace in found}

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the thread that spins this node and return what it gives.

        Where that thread has failed it runs here: there is nobody left to disturb it.
        """
        answer: Future[T] = Future()

        def run() -> None:
            # Only one of the two threads gets to run it.
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(function())
            except Exception as error:
                answer.set_exception(error)

        if self.executor is not None:
            self.executor.create_task(run)
        while not answer.done():
            wait([answer], timeout=_CALL_POLL_S)
            if (self._failure is not None or self.executor is None) and answer.cancel():
                return function()
        return answer.result()

    @property
    def failure(self) -> Exception | None:
        """What ended the thread that spins this node; None while it spins."""
        return self._failure

    def raise_failure(self) -> None:
        """Raise what ended the thread that spins this node, if anything has."""
        if self._failure is not None:
            raise self._failure

    def fail(self, error: Exception) -> None:
        """Take notice of what ended the thread that spins this node."""
        self._failure = error

    def _on_activity(self, message: ActivityStamped) -> None:
        self._receive(message, self.log)

    def _on_person(self, message: ActivityStamped) -> None:
        self._receive(message, self._log_of(message.subject_id))

    def _receive(self, message: ActivityStamped, log: RunLog) -> None:
        try:
            received = to_received(message)
        except DecodeError as error:
            self.dropped += 1
            self.get_logger().warning(
                f'activity: message dropped: {error}', throttle_duration_sec=10.0
            )
            return
        log.add_decision(received)

    def _log_of(self, subject: str) -> RunLog:
        """Return the log of a person, or of the whole scene."""
        if not subject:
            return self.log
        with self._lock:
            if subject not in self._people:
                if len(self._people) >= MOST_PEOPLE:
                    # Trackers give ever new ids; those in the truth are there all along.
                    unknown = (name for name, log in self._people.items() if not log.truth_known)
                    del self._people[next(unknown, next(iter(self._people)))]
                self._people[subject] = RunLog()
            return self._people[subject]

    def _on_truth(self, message: ActivityStamped) -> None:
        label = message.label if message.status == Status.OK else ''
        self._log_of(message.subject_id).add_truth(nanoseconds_of(message.header.stamp), label)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                values = {pair.key: pair.value for pair in status.values}
                summary = {'message': status.message, 'level': str(status.level[0])}
                self._statuses[status.name] = {**values, **summary}
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
        except Exception as error:  # of a callback; whoever waits for the run is to learn of it
            self._node.fail(error)


def to_received(message: ActivityStamped) -> ReceivedDecision:
    """Return a published decision without ROS.

    Raises:
        DecodeError: for a status or modality that this version does not know.
    """
    return ReceivedDecision(
        t_ns=nanoseconds_of(message.header.stamp),
        status=status_of(message),
        label=message.label,
        confidence=message.confidence,
        evidence=evidence_of(message),
        latency_s=message.latency_s,
        processing_s=message.processing_s,
    )
