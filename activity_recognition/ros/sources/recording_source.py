"""Plays the records of a recording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from heapq import merge

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name

from activity_recognition.arguments import Value
from activity_recognition.bags import (
    RawRecord,
    RecordingReader,
    labels_path,
    read_label_tracks,
)
from activity_recognition.bags.channels import ROS1
from activity_recognition.bags.topics import Topic
from activity_recognition.errors import (
    DecodeError,
    RecordingError,
    UnsupportedEncodingError,
    printable,
)
from activity_recognition.modalities import Role
from activity_recognition.recorded import DEFAULTS, SETTINGS, RecordedConfig
from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.playing.playback_config import PlayerConfig
from activity_recognition.ros.qos import LATCHED_QOS, OTHER_QOS
from activity_recognition.ros.sources.playback_source import truth_messages, truth_topic
from activity_recognition.ros.sources.read_ahead import TimedMessage
from activity_recognition.ros.topic_spec import TRUTH_TOPIC, TopicSpec, sensor_topic
from activity_recognition.sensors.cdr import MessageType, TypeRegistry
from activity_recognition.sensors.persons import (
    BODY_REGION_TYPE,
    DETECTION_TYPES,
    ID_TYPE,
    IDS_TYPE,
    SPEECH_TYPE,
)
from activity_recognition.sensors.transcript import TRANSCRIPT_TYPES, UtteranceReader
from activity_recognition.types import to_ns

TEXT_TYPE = 'std_msgs/msg/String'
"""What transcripts are played as where their own type is not installed."""


_PEOPLE = (
    (re.compile('/humans/(bodies|persons)/tracked'), (IDS_TYPE,)),
    (re.compile('/humans/bodies/[^/]+/roi'), (BODY_REGION_TYPE,)),
    (re.compile('/humans/persons/[^/]+/(body|voice)_id'), (ID_TYPE,)),
    (re.compile('/humans/voices/[^/]+/speech'), (SPEECH_TYPE,)),
    (re.compile('/detections'), DETECTION_TYPES),
)
"""Topics that say where people are, by name and type, as the recogniser takes them."""


def says_where_people_are(topic: Topic) -> bool:
    """Return whether the recogniser tells people apart by a topic of this name and type."""
    return any(topic.type_name in types and name.fullmatch(topic.name) for name, types in _PEOPLE)


class TextRelay:
    """Turns transcripts of a type that is not installed here into plain texts.

    The recogniser takes a text without a stamp for spoken when it arrives, which is a little later.
    """

    def __init__(self, topic: Topic, types: TypeRegistry, recorded: RecordedConfig) -> None:
        """Make a relay of one topic.

        Args:
            topic: of the recording.
            types: where message types are looked up.
            recorded: which field holds the text.
        """
        self._recorded = _recorded_type(types, topic)
        self._text = types.resolve(TEXT_TYPE)
        self._reader = UtteranceReader(
            topic.type_name, recorded.transcript_field, incremental=recorded.transcript_incremental
        )

    def relay(self, record: RawRecord) -> memoryview | None:
        """Return the text of a transcript as a message; None where it has none.

        Raises:
            DecodeError: when the record is damaged.
        """
        message = self._recorded.deserialise(record.cdr)
        utterance = self._reader.decode(message, record.record_ns)
        if utterance is None:
            return None
        return self._text.serialise(self._text.new(TEXT_TYPE, data=utterance.text))


class RecordingSource:
    """Plays a recording: the topics of its roles under standard names, others if asked to.

    Topics that say where people are keep their names, in the namespace of the node.
    """

    def __init__(self, config: PlayerConfig) -> None:
        """Open the recording.

        Raises:
            RecordingError: no recording given, a damaged one, or nothing in the part to play.
        """
        if not config.bag:
            raise RecordingError('no recording to play: set the parameter bag to its path')
        self._path = config.bag
        self._types = TypeRegistry()
        self._recorded = config.recorded
        self._reader = RecordingReader.of(config.bag, config.recorded, types=self._types)
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
        self._tracks = read_label_tracks(spans) if spans.is_file() else {}
        self._texts: dict[str, TextRelay] = {}
        wanted = self._wanted(config)
        self._types_of = {topic.name: topic.type_name for topic in wanted}
        specs = [self._topic_spec(topic) for topic in wanted]
        truth = [truth_topic()] if any(self._tracks.values()) else []
        self.topics = (*truth, *(spec for spec in specs if spec))

    @property
    def relays_texts(self) -> bool:
        """Whether the transcript is played as plain texts, because its type is not installed."""
        return bool(self._texts)

    @property
    def name(self) -> str:
        """The recording's path."""
        return self._path

    @property
    def unreadable(self) -> int:
        """Records of this round that could not be read."""
        return self._reader.drops.total

    def latched(self) -> list[TimedMessage]:
        """Return the newest latched message of each topic from before the beginning."""
        topics = {o.key for o in self.topics if o.qos.durability == LATCHED_QOS.durability}
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
        """Yield the records of the part to play, the truth before what it is the truth of."""
        truth = (
            truth_messages(
                spans,
                start_ns=self._reader.start_ns,
                begin_ns=self.begin_ns,
                end_ns=self.end_ns,
                subject=subject,
            )
            for subject, spans in self._tracks.items()
        )
        return merge(*truth, self._records(), key=lambda message: message.time_ns)

    def advance(self) -> None:
        """Nothing to do: the records are read again."""

    def close(self) -> None:
        """Close the recording."""
        self._reader.close()

    def _records(self) -> Iterator[TimedMessage]:
        topics = {spec.key for spec in self.topics} - {TRUTH_TOPIC}
        for record in self._reader.records(topics):
            if record.record_ns > self.end_ns:
                return
            if record.record_ns < self.begin_ns or record.type_name != self._types_of[record.topic]:
                continue
            cdr = self._content(record)
            if cdr is not None:
                yield TimedMessage(record.record_ns, record.topic, cdr)

    def _content(self, record: RawRecord) -> bytes | memoryview | None:
        """Return what to publish of a record; None for nothing."""
        if record.topic not in self._texts:
            return record.cdr
        try:
            return self._texts[record.topic].relay(record)
        except DecodeError as error:
            self._reader.drops.add(error)
            return None

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
        """Return the topics to publish; of those that share a name, the fullest with its role."""
        chosen: dict[str, Topic] = {}
        for topic in self._reader.topics:
            is_taken = topic.name in self._roles or says_where_people_are(topic)
            if not topic.count or not (config.all_topics or is_taken):
                continue
            if topic.name not in chosen or self._rank(topic) > self._rank(chosen[topic.name]):
                chosen[topic.name] = topic
        return list(chosen.values())

    def _rank(self, topic: Topic) -> tuple[bool, bool, int]:
        role = self._roles.get(topic.name)
        is_known = role is not Role.TRANSCRIPT or topic.type_name in TRANSCRIPT_TYPES
        return topic.is_readable and (role is None or topic.fits(role)), is_known, topic.count

    def _topic_spec(self, topic: Topic) -> TopicSpec | None:
        """Return where a topic goes; None, with the reason noted, when it cannot be published."""
        role = self._roles.get(topic.name)
        if not topic.is_readable:
            self.left_out[topic.name] = f'its messages cannot be read: {topic.description}'
            return None
        try:
            installed = message_class(topic.type_name)
            self._check_definition(topic)
        except (UnsupportedEncodingError, DecodeError) as error:
            if role is Role.TRANSCRIPT and (
                self._recorded.transcript_field or topic.type_name in TRANSCRIPT_TYPES
            ):
                self._texts[topic.name] = TextRelay(topic, self._types, self._recorded)
                return sensor_topic(topic.name, role, TEXT_TYPE)
            self.left_out[topic.name] = str(error)
            return None
        if role is not None:
            return sensor_topic(topic.name, role, topic.type_name)
        try:
            validate_topic_name(topic.name)
        except InvalidTopicNameException as error:
            self.left_out[topic.name] = f'no name of a topic in ROS 2: {printable(str(error))}'
            return None
        qos = LATCHED_QOS if topic.latched else OTHER_QOS
        # What the recogniser takes goes where its inputs are: into the namespace.
        name = topic.name.lstrip('/') if says_where_people_are(topic) else topic.name
        return TopicSpec(key=topic.name, topic=name, message_class=installed, qos=qos)

    def _check_definition(self, topic: Topic) -> None:
        """Compare the type as recorded with the type as installed, by their standard hashes."""
        recorded = _recorded_type(self._types, topic)
        installed = self._types.resolve(topic.type_name)
        hashes = [kind.store.hash_rihs01(kind.name) for kind in (recorded, installed)]
        if hashes[0] != hashes[1]:
            raise UnsupportedEncodingError(
                f'{topic.type_name} was recorded with another definition than the one installed '
                f'here; install the package {topic.type_name.partition("/")[0]} it was recorded '
                'with'
            )


def _recorded_type(types: TypeRegistry, topic: Topic) -> MessageType:
    """Return the type of a topic's messages as CDR; headers of ROS 1 lose their counter on the way.

    Raises:
        DecodeError: its definition is no use.
    """
    return types.resolve(topic.type_name, topic.definition, ros1=topic.encoding == ROS1)


def values_for_recognizer(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings of a recogniser where a player plays to it.

    A transcript that is played as plain texts has no field to name.

    Args:
        values: of REPLAY_ARGUMENTS.

    Raises:
        RecordingError: the recording cannot be played.
    """
    if not values.get('transcript_field'):
        return dict(values)
    recorded = {name: value for name, value in values.items() if name in SETTINGS}
    config = PlayerConfig(bag=str(values['bag']), recorded=DEFAULTS.with_overrides(recorded))
    with closing(RecordingSource(config)) as source:
        left_out = {'transcript_field'} if source.relays_texts else set()
    return {name: value for name, value in values.items() if name not in left_out}
