"""Where a playing node's messages come from, and the truth among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from rclpy.serialization import serialize_message

from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.qos import LATCHED_QOS
from activity_recognition.ros.sources.read_ahead import TimedMessage
from activity_recognition.ros.topic_spec import TRUTH_TOPIC, TRUTH_TYPE, TopicSpec
from activity_recognition.types import NANOSECONDS, LabelSpan, Status, to_ns


class Source(Protocol):
    """Something that can be played, any number of times."""

    topics: tuple[TopicSpec, ...]
    left_out: dict[str, str]
    """Topics that cannot be published, and why."""
    begin_ns: int
    """When playing begins, on the source's own clock."""
    end_ns: int

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        ...

    @property
    def unreadable(self) -> int:
        """Records of this round that could not be read, and so not be published."""
        ...

    def latched(self) -> Iterable[TimedMessage]:
        """Return what late subscribers must get of the time before ``begin_ns``."""
        ...

    def messages(self) -> Iterator[TimedMessage]:
        """Yield the messages from ``begin_ns`` to ``end_ns`` in the order they are due."""
        ...

    def advance(self) -> None:
        """Get ready to be played once more."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


def truth_topic() -> TopicSpec:
    """Return the topic of the truth; late subscribers get all of it."""
    return TopicSpec(
        key=TRUTH_TOPIC,
        topic=TRUTH_TOPIC,
        message_class=message_class(TRUTH_TYPE),
        qos=LATCHED_QOS,
    )


def truth_messages(
    spans: Iterable[LabelSpan], *, start_ns: int, begin_ns: int, end_ns: int, subject: str = ''
) -> Iterator[TimedMessage]:
    """Yield one ActivityStamped where a label begins, and one without a label where none follows.

    Args:
        spans: in order, seconds from ``start_ns``.
        start_ns: start of the recording.
        begin_ns: a span that is going on at this time begins then.
        end_ns: what begins later is left out, what ends later ends then.
        subject: of whom it is true; empty for the whole scene.
    """
    ended_ns: int | None = None
    for span in spans:
        first_ns = max(start_ns + to_ns(span.start_s), begin_ns)
        last_ns = min(start_ns + to_ns(span.end_s), end_ns)
        if last_ns <= first_ns:
            continue
        if ended_ns is not None and ended_ns < first_ns:
            yield _truth(ended_ns, '', subject)
        yield _truth(first_ns, span.label, subject)
        ended_ns = last_ns
    if ended_ns is not None:
        yield _truth(ended_ns, '', subject)


def _truth(time_ns: int, label: str, subject: str) -> TimedMessage:
    message = message_class(TRUTH_TYPE)()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, NANOSECONDS)
    message.status = int(Status.OK if label else Status.NO_DATA)
    message.subject_id = subject
    message.label = label
    message.class_id = -1
    message.confidence = 1.0 if label else 0.0
    return TimedMessage(time_ns, TRUTH_TOPIC, serialize_message(message))
