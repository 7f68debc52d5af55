"""What the recogniser publishes about activities: decisions, labels, and the end of both."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from rclpy.duration import Duration
from rclpy.qos_overriding_options import QoSOverridingOptions

from activity_recognition.msg import ActivityLabels, ActivityStamped
from activity_recognition.ros.qos import LABELS_QOS, decision_profile
from activity_recognition.ros.recognizing.activity_cdr import ActivityWriter
from activity_recognition.ros.recognizing.conversions import (
    labels_message,
    no_data_message,
    to_message,
)
from activity_recognition.ros.recognizing.filters import EntryTimes, now_ns
from activity_recognition.types import Decision, Frame, seconds_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher

    from activity_recognition.types import Modality, Window


ACKNOWLEDGED_WITHIN_S = 0.5
"""Before publishers are given up, their subscribers have so long, in all, to acknowledge."""


class LabelList:
    """The publisher ``activity_labels``."""

    def __init__(self, node: LifecycleNode, labels: Sequence[str]) -> None:
        """Advertise the topic.

        Args:
            node: publishes.
            labels: the model's labels, by class.
        """
        self._node = node
        self._labels = labels
        self._publisher = node.create_lifecycle_publisher(
            ActivityLabels, 'activity_labels', LABELS_QOS
        )

    def publish(self, *, checkpoint_id: str) -> None:
        """Publish the labels; the publisher must be active."""
        stamp_ns = now_ns(self._node.get_clock())
        self._publisher.publish(
            labels_message(self._labels, checkpoint_id=checkpoint_id, stamp_ns=stamp_ns)
        )

    def destroy(self) -> None:
        """Give up the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)


class Published(NamedTuple):
    """A decision as it was published."""

    decision: Decision
    frame: Frame | None
    """The newest one it knew."""
    frame_id: str
    latency_s: float
    processing_s: float


class Results:
    """The publisher ``activity`` of one stream; decisions come from the worker."""

    def __init__(
        self,
        node: LifecycleNode,
        *,
        topic: str,
        decision_rate_hz: float,
        labels: Sequence[str],
        modalities: Sequence[Modality],
        subject: str,
    ) -> None:
        """Advertise; nothing is published before :meth:`open`.

        Args:
            node: publishes.
            topic: relative name.
            decision_rate_hz: by which decisions live.
            labels: the model's labels, by class.
            modalities: what the network takes in.
            subject: who is meant.
        """
        self._node = node
        self._clock = node.get_clock()
        self._labels = labels
        self._subject = subject
        self._modalities = modalities
        self._writer = ActivityWriter(labels, modalities=modalities, subject_id=subject)
        self._lock = threading.Lock()
        self._open = False
        self._frame_id = ''
        self.latency_s = float('nan')
        """Of the last decision that a sample triggered, stamp to publishing."""
        self.processing_s = float('nan')
        self._entry: tuple[int, float | None] = 0, None
        """Its arrival, and when what triggered it came in."""
        self.newest: Published | None = None
        """The last decision published."""
        self._rate_hz = self._wanted_hz = self._seen_hz = decision_rate_hz
        """Of the publisher, asked for, and asked for when :meth:`settle` was called last."""
        self._topic = topic
        self._activity = self._advertise()

    def open(self) -> None:
        """Let decisions through; the publisher must be active."""
        with self._lock:
            self._open = True

    def close(self) -> None:
        """Publish NO_DATA; no decision follows it, however late the worker is."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._activity.publish(
                no_data_message(
                    now_ns(self._clock),
                    modalities=self._modalities,
                    frame_id=self._frame_id,
                    subject_id=self._subject,
                )
            )
            self.newest = None

    def set_rate(self, decision_rate_hz: float) -> None:
        """Have decisions live three periods of another rate.

        A publisher keeps the lifespan it was made with, so another one takes its place: now, or
        while decisions are published, when the rate has settled.
        """
        with self._lock:
            self._wanted_hz = decision_rate_hz
            if not self._open:
                self._replace()

    def settle(self) -> None:
        """Let the publisher of another rate take its place, unless the rate is still changing.

        Subscribers need a moment to find a new publisher: one after the other, as somebody draws a
        slider, they would receive nothing. Call it some times a second.
        """
        with self._lock:
            settled, self._seen_hz = self._wanted_hz == self._seen_hz, self._wanted_hz
            if settled:
                self._replace()

    def _replace(self) -> None:
        if self._wanted_hz == self._rate_hz:
            return
        self._rate_hz = self._wanted_hz
        old, self._activity = self._activity, self._advertise()
        if old.is_activated:
            self._activity.on_activate(None)
        self._node.destroy_lifecycle_publisher(old)

    def _advertise(self) -> LifecyclePublisher:
        return self._node.create_lifecycle_publisher(
            ActivityStamped,
            self._topic,
            decision_profile(self._rate_hz),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def flush(self, until_s: float) -> None:
        """Wait until the subscribers have what was published last.

        DDS drops with a writer what a reliable reader has not acknowledged.

        Args:
            until_s: on the steady clock, when to wait no longer.
        """
        left_s = max(0.0, until_s - time.monotonic())
        self._activity.wait_for_all_acked(Duration(seconds=left_s))

    def destroy(self) -> None:
        """Give up the publisher; what is not acknowledged is lost, see :meth:`flush`."""
        self._node.destroy_lifecycle_publisher(self._activity)

    def deliver(self, decision: Decision, window: Window, entries: EntryTimes) -> None:
        """Publish a decision; called by the worker.

        Args:
            decision: what was decided.
            window: ended in it.
            entries: when what it knows came in.
        """
        frame = self._note_frames(window)
        written = self._writer.write(decision, frame_id=self._frame_id)
        entry_s = entries.find(decision.arrival_ns)
        self._entry = decision.arrival_ns, entry_s
        with self._lock:
            if not self._open:
                return
            processing_s = 0.0 if entry_s is None else time.monotonic() - entry_s
            latency_s = seconds_between(now_ns(self._clock), decision.t_ns)
            self._activity.publish(
                self._writer.complete(written, latency_s=latency_s, processing_s=processing_s)
            )
        self.latency_s, self.processing_s = latency_s, processing_s
        self.newest = Published(decision, frame, self._frame_id, latency_s, processing_s)

    def entry_s(self, arrival_ns: int) -> float | None:
        """Return when what triggered the last decision came in, on the steady clock.

        None where nothing did, and where the last decision was another one.

        Args:
            arrival_ns: of the decision that is meant.
        """
        last_ns, entry_s = self._entry
        return entry_s if last_ns == arrival_ns else None

    def message(self, published: Published) -> ActivityStamped:
        """Return what was published as a message."""
        message = to_message(
            published.decision,
            self._labels,
            modalities=self._modalities,
            frame_id=published.frame_id,
            subject_id=self._subject,
        )
        message.latency_s, message.processing_s = published.latency_s, published.processing_s
        return message

    def _note_frames(self, window: Window) -> Frame | None:
        """Remember the frame of reference of what came last; return the newest image known."""
        frame = self.newest.frame if self.newest and not window.reset else None
        for sample in window.samples:
            self._frame_id = sample.frame_id or self._frame_id
            if isinstance(sample, Frame):
                frame = sample
        return frame
