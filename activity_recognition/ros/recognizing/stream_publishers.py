"""What the recogniser says of one stream: its activity, and the overlay that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor_msgs.msg import Image

from activity_recognition.modalities import modalities_of
from activity_recognition.ros.qos import OVERLAY_QOS
from activity_recognition.ros.recognizing.inputs import topic_of
from activity_recognition.ros.recognizing.overlay import draw, to_image_message
from activity_recognition.ros.recognizing.results import Results

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode

    from activity_recognition.config import ModelConfig, RecognizerConfig


class StreamPublishers:
    """The publishers ``activity`` and ``~/overlay`` of one stream."""

    def __init__(
        self, node: LifecycleNode, config: RecognizerConfig, model: ModelConfig, stream: str
    ) -> None:
        """Advertise.

        Args:
            node: publishes.
            config: of the node.
            model: of the network.
            stream: begins the topics' names; empty where there is but one.
        """
        self._node = node
        self.results = Results(
            node,
            topic=topic_of(stream, 'activity'),
            decision_rate_hz=config.sync.decision_rate_hz,
            labels=model.labels,
            modalities=modalities_of(model),
            subject=config.subject_id,
        )
        self._overlay = node.create_lifecycle_publisher(
            Image, f'~/{topic_of(stream, "overlay")}', OVERLAY_QOS
        )

    def show(self) -> None:
        """Publish the newest decision as an image, if somebody looks."""
        newest = self.results.newest
        if newest is None or not self._overlay.get_subscription_count():
            return
        message = self.results.message(newest)
        image = draw(None if newest.frame is None else newest.frame.image, message)
        self._overlay.publish(
            to_image_message(image, stamp=message.header.stamp, frame_id=message.header.frame_id)
        )

    def destroy(self) -> None:
        """Give up the publishers."""
        self._node.destroy_lifecycle_publisher(self._overlay)
        self.results.destroy()
