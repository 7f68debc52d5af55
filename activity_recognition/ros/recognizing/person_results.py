"""The publisher ``activities``: what each person in the scene is doing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from rclpy.duration import Duration

from activity_recognition.msg import ActivityStamped
from activity_recognition.ros.qos import activities_profile
from activity_recognition.ros.recognizing.activity_cdr import ActivityWriter
from activity_recognition.ros.recognizing.conversions import no_data_message
from activity_recognition.ros.recognizing.filters import now_ns
from activity_recognition.ros.recognizing.results import ACKNOWLEDGED_WITHIN_S
from activity_recognition.types import Decision, seconds_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher

    from activity_recognition.persons import Track
    from activity_recognition.types import Modality, Window

TOPIC = 'activities'


class PersonResults:
    """Publishes decisions about people; they come from the worker, with names that change."""

    def __init__(
        self,
        node: LifecycleNode,
        *,
        most: int,
        labels: Sequence[str],
        modalities: Sequence[Modality],
    ) -> None:
        """Prepare; the topic is advertised by :meth:`advertise`.

        Args:
            node: publishes.
            most: people who are recognised at once.
            labels: the model's labels, by class.
            modalities: what the network takes in.
        """
        self._node, self._clock = node, node.get_clock()
        self._most, self._labels, self._modalities = most, labels, modalities
        self._lock = threading.Lock()
        self._publisher: LifecyclePublisher | None = None
        self._open = False
        self._writers: dict[str, ActivityWriter] = {}
        self._frame_ids: dict[str, str] = {}
        """By subject, of whoever was spoken of and has not left."""
        self._sensor_frame_id = ''
        self.decisions = 0
        """Published so far."""

    def advertise(self) -> None:
        """Advertise the topic and let decisions through; the node must be active."""
        with self._lock:
            if self._publisher is None:
                self._publisher = self._node.create_lifecycle_publisher(
                    ActivityStamped, TOPIC, activities_profile(self._most)
                )
                self._publisher.on_activate(None)
            self._open = True

    def close(self) -> None:
        """Publish NO_DATA of everybody; no decision follows it, however late the worker is."""
        with self._lock:
            if self._open:
                for subject in list(self._frame_ids):
                    self._say_no_data(subject)
            self._open = False

    def destroy(self) -> None:
        """Give up the publisher."""
        with self._lock:
            publisher, self._publisher, self._open = self._publisher, None, False
        if publisher is not None:
            publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED_WITHIN_S))
            self._node.destroy_lifecycle_publisher(publisher)

    def leave(self, subject: str) -> None:
        """Publish NO_DATA of somebody who has left; called by the worker."""
        with self._lock:
            if self._open and subject in self._frame_ids:
                self._say_no_data(subject)

    def deliver(
        self, track: Track, decision: Decision, window: Window, *, entry_s: float | None
    ) -> None:
        """Publish a decision; called by the worker.

        Args:
            track: who is meant.
            decision: what was decided.
            window: ended in it.
            entry_s: when what triggered it came in, on the steady clock; None where nothing did.
        """
        subject = track.heard_as
        for sample in window.samples:
            self._sensor_frame_id = sample.frame_id or self._sensor_frame_id
        frame_id = track.frame_id or self._sensor_frame_id
        writer = self._writers.get(subject)
        if writer is None:
            writer = self._writers[subject] = ActivityWriter(
                self._labels, modalities=self._modalities, subject_id=subject
            )
        written = writer.write(decision, frame_id=frame_id)
        with self._lock:
            if not self._open or self._publisher is None:
                return
            self._frame_ids[subject] = frame_id
            latency_s = seconds_between(now_ns(self._clock), decision.t_ns)
            processing_s = 0.0 if entry_s is None else time.monotonic() - entry_s
            self._publisher.publish(
                writer.complete(written, latency_s=latency_s, processing_s=processing_s)
            )
        self.decisions += 1

    def _say_no_data(self, subject: str) -> None:
        """Publish NO_DATA of a subject and forget it; the lock is held."""
        frame_id = self._frame_ids.pop(subject)
        self._writers.pop(subject, None)
        assert self._publisher is not None
        self._publisher.publish(
            no_data_message(
                now_ns(self._clock),
                modalities=self._modalities,
                frame_id=frame_id,
                subject_id=subject,
            )
        )
