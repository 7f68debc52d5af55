"""Where a playing node's messages come from: a recording's records, or a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Protocol

from rclpy.serialization import serialize_message

from activity_recognition.bags import RecordingReader, TopicNames, labels_path, read_labels
from activity_recognition.bags.topics import Topic
from activity_recognition.errors import DecodeError, RecordingError, UnsupportedEncodingError
from activity_recognition.ros.outlets import (
    LATCHED_QOS,
    OTHER_QOS,
    TRUTH_TOPIC,
    TRUTH_TYPE,
    Outlet,
    message_class,
    sensor_outlet,
)
from activity_recognition.ros.playback_config import PlayerConfig
from activity_recognition.ros.read_ahead import TimedMessage
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.sensors.decoders import Role
from activity_recognition.types import NANOSECONDS, LabelSpan, Status, to_ns


class Source(Protocol):
    """Something that can be played, any number of times."""

    outlets: tuple[Outlet, ...]
    left_out: dict[str, str]
    """Topics that cannot be published, and why."""
    begin_ns: int
    """When playing begins, on the source's own clock."""
    end_ns: int

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
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


def truth_outlet() -> Outlet:
    """Return the outlet of the truth; late subscribers get all of it."""
    return Outlet(
        key=TRUTH_TOPIC,
        topic=TRUTH_TOPIC,
        message_class=message_class(TRUTH_TYPE),
        qos=LATCHED_QOS,
    )


def truth_messages(
    spans: Iterable[LabelSpan], *, start_ns: int, begin_ns: int, end_ns: int
) -> Iterator[TimedMessage]:
    """Yield one ActivityStamped where a label begins, and one without a label where none follows.

    Args:
        spans: stretches in order, seconds from ``start_ns``.
        start_ns: start of the recording.
        begin_ns: a stretch that is going on at this time begins then.
        end_ns: what begins later is left out, what ends later ends then.
    """
    ended_ns: int | None = None
    for span in spans:
        first_ns = max(start_ns + to_ns(span.start_s), begin_ns)
        last_ns = min(start_ns + to_ns(span.end_s), end_ns)
        if last_ns <= first_ns:
            continue
        if ended_ns is not None and ended_ns < first_ns:
            yield _truth(ended_ns, '')
        yield _truth(first_ns, span.label)
        ended_ns = last_ns
    if ended_ns is not None:
        yield _truth(ended_ns, '')


def _truth(time_ns: int, label: str) -> TimedMessage:
    message = message_class(TRUTH_TYPE)()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, NANOSECONDS)
    message.status = int(Status.OK if label else Status.NO_DATA)
    message.label = label
    message.class_id = -1
    message.confidence = 1.0 if label else 0.0
    return TimedMessage(time_ns, TRUTH_TOPIC, serialize_message(message))


class RecordingSource:
    """Plays a recording: the topics of its roles under standard names, others if asked to."""

    def __init__(self, config: PlayerConfig) -> None:
        """Open the recording.

        Raises:
            RecordingError: no recording given, a damaged one, or nothing in the stretch to play.
        """
        if not config.bag:
            raise RecordingError('no recording to play: set the parameter bag to its path')
        self._path = config.bag
        self._types = TypeRegistry()
        topics = {role.value: getattr(config.recorded, role.value) or None for role in Role}
        self._reader = RecordingReader(config.bag, TopicNames(**topics), types=self._types)
        try:
            self._prepare(config)
        except BaseException:
            self._reader.close()
            raise

    def _prepare(self, config: PlayerConfig) -> None:
        self._roles = self._find_roles(config)
        self.left_out: dict[str, str] = {}
        self._latched_topics = {topic.name for topic in self._reader.topics if topic.latched}
        self._set_stretch(config)
        spans = labels_path(config.bag)
        self._spans = read_labels(spans) if spans.is_file() else ()
        outlets = [self._outlet(topic) for topic in self._wanted(config)]
        truth = [truth_outlet()] if self._spans else []
        self.outlets = (*truth, *(outlet for outlet in outlets if outlet))

    @property
    def name(self) -> str:
        """The recording's path."""
        return self._path

    def latched(self) -> list[TimedMessage]:
        """Return the newest latched message of each topic from before the beginning."""
        topics = {o.key for o in self.outlets if o.qos.durability == LATCHED_QOS.durability}
        topics -= {TRUTH_TOPIC}
        if not topics or self.begin_ns == self._reader.start_ns:
            return []
        newest: dict[str, TimedMessage] = {}
        for record in self._reader.records(topics):
            if record.record_ns >= self.begin_ns:
                break
            newest[record.topic] = TimedMessage(self.begin_ns, record.topic, record.cdr)
        return list(newest.values())

    def messages(self) -> Iterator[TimedMessage]:
        """Yield the records of the stretch to play, the truth before what it is the truth of."""
        truth = truth_messages(
            self._spans,
            start_ns=self._reader.start_ns,
            begin_ns=self.begin_ns,
            end_ns=self.end_ns,
        )
        return merge(truth, self._records(), key=lambda message: message.time_ns)

    def advance(self) -> None:
        """Nothing to do: the records are read anew."""

    def close(self) -> None:
        """Close the recording."""
        self._reader.close()

    def _records(self) -> Iterator[TimedMessage]:
        topics = {outlet.key for outlet in self.outlets} - {TRUTH_TOPIC}
        for record in self._reader.records(topics):
            if record.record_ns > self.end_ns:
                return
            if record.record_ns >= self.begin_ns:
                yield TimedMessage(record.record_ns, record.topic, record.cdr)

    def _find_roles(self, config: PlayerConfig) -> dict[str, Role]:
        """Return the topics with a role; with ``all_topics`` a recording may have none."""
        try:
            return self._reader.roles.roles()
        except RecordingError:
            if not config.all_topics:
                raise
            return {}

    def _set_stretch(self, config: PlayerConfig) -> None:
        start_ns, end_ns = self._reader.start_ns, self._reader.end_ns
        self.begin_ns = start_ns + to_ns(config.offset_s)
        length_ns = to_ns(config.duration_s) if config.duration_s else end_ns - start_ns
        self.end_ns = min(end_ns, self.begin_ns + length_ns)
        if self.begin_ns > end_ns:
            raise RecordingError(
                f'{config.bag}: offset_s must be below the length of the recording, '
                f'{self._reader.duration_s:.1f} s, got {config.offset_s:g}'
            )

    def _wanted(self, config: PlayerConfig) -> list[Topic]:
        return [
            topic
            for topic in self._reader.topics
            if topic.count and (config.all_topics or topic.name in self._roles)
        ]

    def _outlet(self, topic: Topic) -> Outlet | None:
        """Return where a topic goes; None, with the reason noted, when it cannot be published."""
        try:
            installed = message_class(topic.type_name)
            self._check_definition(topic)
        except (UnsupportedEncodingError, DecodeError) as error:
            self.left_out[topic.name] = str(error)
            return None
        role = self._roles.get(topic.name)
        if role is not None:
            return sensor_outlet(topic.name, role, topic.type_name)
        qos = LATCHED_QOS if topic.latched else OTHER_QOS
        return Outlet(key=topic.name, topic=topic.name, message_class=installed, qos=qos)

    def _check_definition(self, topic: Topic) -> None:
        """Compare the type as recorded with the type as installed, by their standard hashes."""
        recorded = self._types.resolve(topic.type_name, topic.definition)
        installed = self._types.resolve(topic.type_name)
        hashes = [kind.store.hash_rihs01(kind.name) for kind in (recorded, installed)]
        if hashes[0] != hashes[1]:
            raise UnsupportedEncodingError(
                f'{topic.type_name} was recorded with another definition than the one installed '
                f'here; install the package {topic.type_name.partition("/")[0]} it was recorded '
                'with'
            )
