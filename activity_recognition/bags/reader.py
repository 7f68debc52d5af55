"""Reads recordings: the samples the recogniser would have seen, or the records as they are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from activity_recognition.bags.channels import READABLE_ENCODINGS, ROS1
from activity_recognition.bags.storage import open_storage, readable, with_valid_times
from activity_recognition.bags.topics import END_TOPIC, Topic, TopicNames, choose_topics, place_of
from activity_recognition.config import SyncConfig
from activity_recognition.errors import ConfigError, DecodeError, RecordingError
from activity_recognition.modalities import DEFAULT_MODALITIES, modalities_of
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.sensors.audio_format import format_from_info
from activity_recognition.sensors.cdr import TypeRegistry, listed_type_name
from activity_recognition.sensors.decoder_settings import DecoderSettings, SignalHealth
from activity_recognition.sensors.decoders import Drops, SensorDecoders
from activity_recognition.sensors.transcript import TRANSCRIPT_TYPES
from activity_recognition.types import Modality, seconds_between, split_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import TracebackType

    from activity_recognition.bags.channels import Channel, Storage
    from activity_recognition.config import ModelConfig
    from activity_recognition.sensors.audio_format import AudioFormat
    from activity_recognition.sensors.cdr import Message, MessageType
    from activity_recognition.types import Sample

_SYNC = SyncConfig()


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One message of a recording as it travels."""

    topic: str
    type_name: str
    record_ns: int
    """When it was recorded."""
    cdr: bytes | memoryview
    """The message as CDR with its encapsulation header; ROS 1 records are converted."""


class RecordingReader:
    """An opened recording.

    A context manager; may be iterated any number of times. Messages that cannot be decoded are left
    out and counted in :attr:`drops`; a damaged storage raises RecordingError where it shows.
    """

    def __init__(
        self,
        path: str | Path,
        topics: TopicNames | None = None,
        settings: DecoderSettings | None = None,
        *,
        types: TypeRegistry | None = None,
        needed: Collection[Modality] = DEFAULT_MODALITIES,
    ) -> None:
        """Open a recording.

        Args:
            path: rosbag2 folder, ``.mcap``, ``.db3`` or ROS 1 ``.bag`` file.
            topics: names of the topics; those that are None are found by type in :attr:`roles`.
            settings: what the samples have to be and what the messages mean; its audio format
                counts where the recording has no AudioInfo.
            types: where types without an embedded definition are looked up.
            needed: modalities whose topics are found by their type; those of others have to be
                named, or said to be ``auto``.

        Raises:
            RecordingError: when it is missing, damaged or empty.
        """
        self.path = Path(path)
        self.drops = Drops()
        """What the latest iteration left out."""
        self.health: Callable[[Modality], SignalHealth] = lambda _: SignalHealth()
        """What the latest iteration knows of a modality's signal."""
        self._wanted, self._needed = topics, needed
        self._settings = settings or DecoderSettings()
        self._types = types or TypeRegistry()
        self._storage = open_storage(self.path)
        if not self._storage.message_count:
            self._storage.close()
            raise RecordingError(f'{self.path}: the recording holds no messages')
        self.topics = self._list_topics()
        """All topics, by name, whatever they hold."""

    @classmethod
    def of(
        cls,
        path: str | Path,
        recorded: RecordedConfig = DEFAULTS,
        settings: DecoderSettings | None = None,
        *,
        types: TypeRegistry | None = None,
        needed: Collection[Modality] = DEFAULT_MODALITIES,
    ) -> RecordingReader:
        """Open a recording whose topics are read as somebody says.

        Args:
            path: as of the constructor.
            recorded: which topics, and what they mean.
            settings: what the samples have to be.
            types: as of the constructor.
            needed: as of the constructor.

        Raises:
            RecordingError: when it is missing, damaged or empty.
        """
        settings = dataclasses.replace(
            settings or DecoderSettings(),
            audio_format=recorded.audio_format,
            audio_channels=recorded.audio_channels,
            transcript_field=recorded.transcript_field,
            transcript_incremental=recorded.transcript_incremental,
        )
        return cls(path, TopicNames.of(recorded), settings, types=types, needed=needed)

    @classmethod
    def for_model(
        cls,
        path: str | Path,
        model: ModelConfig,
        sync: SyncConfig = _SYNC,
        recorded: RecordedConfig = DEFAULTS,
    ) -> RecordingReader:
        """Open a recording whose samples are to be those that a node with this network gets.

        Args:
            path: as of the constructor.
            model: of the network.
            sync: of what takes the samples.
            recorded: which topics, and what they mean.

        Raises:
            RecordingError: when it is missing, damaged or empty.
        """
        settings = DecoderSettings(model=model, reset_after_s=sync.reset_after_s, is_watched=False)
        recorded = recorded.without_others(model.modalities)
        return cls.of(path, recorded, settings, needed=modalities_of(model))

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; harmless when they are closed."""
        storage, self._storage = self._storage, cast('Storage', None)
        if storage is not None:
            storage.close()

    @property
    def start_ns(self) -> int:
        """Record time of the first message; labels count from here."""
        return self._open.start_ns

    @property
    def end_ns(self) -> int:
        """Record time of the last message."""
        return self._open.end_ns

    @property
    def until_ns(self) -> int | None:
        """How long decisions go on after the last sample; None: not at all."""
        return self.end_ns if any(topic.name == END_TOPIC for topic in self.topics) else None

    @property
    def duration_s(self) -> float:
        """From the first message to the last, seconds."""
        return seconds_between(self.end_ns, self.start_ns)

    @property
    def roles(self) -> TopicNames:
        """The topics that :meth:`samples` uses; empty names where the recording has none.

        Raises:
            RecordingError: when a topic has to be named.
        """
        video = self._settings.model.video
        try:
            return choose_topics(
                self.topics,
                self._wanted,
                self._needed,
                stand_ins_first=bool(video.key_points) and not video.finds_key_points,
            )
        except RecordingError as error:
            raise RecordingError(f'{self.path}: {error}') from None

    def samples(self) -> Iterator[Sample]:
        """Yield what the topics in :attr:`roles` deliver, in order of arrival (the record time).

        Raises:
            RecordingError: when a topic has to be named, or the storage is damaged.
        """
        names = self.roles
        roles = names.roles()
        if names.transcript:
            self._check_transcript(names.transcript)
        audio_format = self._first_audio_format(names) or self._settings.audio_format
        decoders = SensorDecoders(dataclasses.replace(self._settings, audio_format=audio_format))
        self.health = decoders.health
        for channel, record_ns, raw in self._messages(roles):
            try:
                message = self._read(channel, raw)
                sample = decoders.decode_message(
                    roles[channel.topic], listed_type_name(channel.type_name), message, record_ns
                )
            except (DecodeError, ConfigError) as error:  # a second type whose text nobody knows
                self.drops.add(error)
                continue
            if sample is not None:
                yield from split_sample(sample)

    def _check_transcript(self, name: str) -> None:
        """Raise RecordingError where the field that holds the text has to be named."""
        types = [topic.type_name for topic in self.topics if topic.name == name]
        if not self._settings.transcript_field and not set(types) & set(TRANSCRIPT_TYPES):
            raise RecordingError(
                f'{self.path}: which field of {types[0][:100]} holds the text of {name} is not '
                f'known; name it with {place_of("transcript_field")}'
            )

    def records(self, topics: Collection[str] | None = None) -> Iterator[RawRecord]:
        """Yield the messages of ``topics`` (all by default), in order of record time.

        Messages in another encoding than those of ROS are left out.

        Raises:
            RecordingError: when the storage is damaged.
        """
        for channel, record_ns, raw in self._messages(topics):
            try:
                cdr = self._cdr(channel, raw)
            except DecodeError as error:
                self.drops.add(error)
                continue
            yield RawRecord(channel.topic, listed_type_name(channel.type_name), record_ns, cdr)

    def texts(self, topic: str) -> Iterator[tuple[int, str]]:
        """Yield record time and text of the std_msgs/String messages of a topic.

        Raises:
            DecodeError: one of them is damaged.
            RecordingError: when the storage is damaged.
        """
        for channel, record_ns, raw in self._messages({topic}):
            message: Any = self._read(channel, raw)
            yield record_ns, str(message.data)

    def _messages(self, topics: Collection[str] | None) -> Iterator[tuple[Channel, int, bytes]]:
        """Yield the stored messages of ``topics``, counting drops from zero."""
        self.drops = Drops()
        channels = [
            channel
            for channel in self._open.channels
            if channel.encoding in READABLE_ENCODINGS
            and channel.count
            and (topics is None or channel.topic in topics)
        ]
        if channels:
            with readable(self.path):
                yield from with_valid_times(self._open.messages(channels))

    def _read(self, channel: Channel, raw: bytes) -> Message:
        return self._type_of(channel).deserialise(self._cdr(channel, raw))

    def _cdr(self, channel: Channel, raw: bytes) -> bytes | memoryview:
        return self._type_of(channel).from_ros1(raw) if channel.encoding == ROS1 else raw

    def _type_of(self, channel: Channel) -> MessageType:
        """Return the type of a channel's messages, with the definition recorded for it."""
        return self._types.resolve(
            channel.type_name, channel.definition, ros1=channel.encoding == ROS1
        )

    @property
    def _open(self) -> Storage:
        if self._storage is None:
            raise RecordingError(f'{self.path}: the recording is closed')
        return self._storage

    def _list_topics(self) -> tuple[Topic, ...]:
        """Return one topic per name and type."""
        found: dict[tuple[str, str, str], Topic] = {}
        for channel in self._open.channels:
            key = channel.topic, listed_type_name(channel.type_name), channel.encoding
            known = found.get(key)
            found[key] = Topic(
                name=channel.topic,
                type_name=key[1],
                count=channel.count + (known.count if known else 0),
                definition=channel.definition or (known.definition if known else ''),
                latched=channel.latched or bool(known and known.latched),
                encoding=channel.encoding,
            )
        return tuple(found[key] for key in sorted(found))

    def _first_audio_format(self, names: TopicNames) -> AudioFormat | None:
        """Return the format in the recording's first AudioInfo, wherever it lies.

        It is latched when live: a robot's recogniser has it before the first chunk.
        """
        if not names.audio_info:
            return None
        first = next(self._messages({names.audio_info}), None)
        if first is None:
            return None
        channel, _, raw = first
        try:
            return format_from_info(self._read(channel, raw))
        except DecodeError:
            return None
