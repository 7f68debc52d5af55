"""The image for people: the newest frame with what was decided about it, drawn when watched."""

from __future__ import annotations

import array
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from sensor_msgs.msg import Image

from activity_recognition.reporting import picture
from activity_recognition.reporting.picture import SCORES_SHOWN, ShownDecision, ShownEvidence

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time
    from numpy.typing import NDArray

    from activity_recognition.msg import ActivityStamped


def draw(image: NDArray[np.uint8] | None, message: ActivityStamped) -> NDArray[np.uint8]:
    """Return an image, uint8 RGB (H, 640, 3): label, confidence bars, evidence per modality.

    Args:
        image: the newest frame, RGB (H, W, 3); None draws on black.
        message: the decision.
    """
    shown = ShownDecision(
        status=message.status,
        label=message.label,
        confidence=message.confidence,
        scores=tuple((score.label, score.probability) for score in message.scores[:SCORES_SHOWN]),
        evidence=tuple(
            ShownEvidence(
                modality=item.modality,
                present=item.present,
                label=item.label,
                confidence=item.confidence,
                weight=item.weight,
            )
            for item in message.evidence
        ),
        latency_s=message.latency_s,
    )
    return picture.draw(image, shown)


def to_image_message(image: NDArray[np.uint8], *, stamp: Time, frame_id: str) -> Image:
    """Return an RGB image as a message, through cv_bridge where it works.

    Args:
        image: RGB, (H, W, 3).
        stamp: of the header.
        frame_id: of the header.
    """
    bridge = _cv_bridge()
    message = bridge.cv2_to_imgmsg(image, encoding='rgb8') if bridge else _by_hand(image)
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


@functools.cache
def _cv_bridge() -> Any:
    """Return a CvBridge; None without one or with one made for another NumPy."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        bridge.cv2_to_imgmsg(np.zeros((1, 1, 3), np.uint8), encoding='rgb8')
    except Exception:
        return None
    return bridge


def _by_hand(image: NDArray[np.uint8]) -> Image:
    height, width, channels = image.shape
    message = Image(height=height, width=width, encoding='rgb8', step=width * channels)
    # Assigning an array spares the setter a check of every byte.
    data = array.array('B')
    data.frombytes(image.tobytes())
    message.data = data
    return message
