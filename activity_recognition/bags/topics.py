"""Which topic of a recording is what."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activity_recognition.bags.channels import CDR, READABLE_ENCODINGS
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.recorded import AUTO, NONE, ROLES
from activity_recognition.sensors.decoders import (
    AUDIO_INFO_TYPE,
    AUDIO_TYPES,
    IMAGE_TYPES,
    Role,
)
from activity_recognition.sensors.transcript import TRANSCRIPT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from activity_recognition.recorded import RecordedConfig

_SPEECH_WORDS = ('transcript', 'speech', 'utterance', 'asr', 'stt', 'whisper', 'spoken')
"""Parts of names that tell a transcript from any other topic of std_msgs/String."""
_TYPES = {Role.IMAGE: IMAGE_TYPES, Role.AUDIO: AUDIO_TYPES, Role.AUDIO_INFO: (AUDIO_INFO_TYPE,)}
_LISTED = 30
"""Topics that an error speaks of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """One topic of a recording; where messages of several types share a name, one of them."""

    name: str
    type_name: str
    """``pkg/msg/Type``; of what is none of ROS, any text."""
    count: int
    """Messages in the recording."""
    definition: str = ''
    """Definition embedded with it, empty where the recording holds none."""
    latched: bool = False
    """Whether it was offered transient local: late subscribers get its last messages."""
    encoding: str = CDR
    """Of its messages."""

    @property
    def is_readable(self) -> bool:
        """Whether its messages can be decoded, given a definition."""
        return self.encoding in READABLE_ENCODINGS and bool(self.type_name)

    @property
    def description(self) -> str:
        """Type and number of messages, and the encoding where it is another than ROS has."""
        known = self.encoding in READABLE_ENCODINGS
        parts = (
            self.type_name[:100] or 'without a type',
            *(() if known else (self.encoding or 'of unknown encoding',)),
            str(self.count),
        )
        return ', '.join(parts)

    def fits(self, role: Role) -> bool:
        """Tell whether a topic of this type may have a role; any may be a transcript."""
        return self.type_name in _TYPES.get(role, (self.type_name,))


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicNames:
    """Names of the topics to use: None finds one by its type, an empty name does without."""

    image: str | None = None
    audio: str | None = None
    audio_info: str | None = None
    transcript: str | None = None

    @classmethod
    def of(cls, recorded: RecordedConfig) -> TopicNames:
        """Return the names that settings give."""
        words: dict[str, str | None] = {'': None, AUTO: None, NONE: ''}
        given = {role: getattr(recorded, role) for role in ROLES}
        return cls(**{role: words.get(name, name) for role, name in given.items()})

    def roles(self) -> dict[str, Role]:
        """Return topic name -> role of the topics named."""
        names = {role: getattr(self, role.value) for role in Role}
        return {name: role for role, name in names.items() if name}


def choose_topics(topics: Sequence[Topic], wanted: TopicNames | None = None) -> TopicNames:
    """Fill the names that are None with the topics a recording has; empty where it has none.

    Raises:
        RecordingError: when a named topic does not exist, when several would do, or when nothing is
            left to use.
    """
    wanted = wanted or TopicNames()
    recorded = [topic for topic in topics if topic.count]
    filled = [topic for topic in recorded if topic.is_readable]
    image = _settle(Role.IMAGE, wanted.image, recorded, _images(filled))
    audio = _settle(Role.AUDIO, wanted.audio, recorded, _by_type_order(filled, AUDIO_TYPES))
    infos = [topic for topic in filled if topic.type_name == AUDIO_INFO_TYPE] if audio else []
    chosen = TopicNames(
        image=image,
        audio=audio,
        audio_info=_settle(Role.AUDIO_INFO, wanted.audio_info, recorded, _nearest(infos, audio)),
        transcript=_settle(Role.TRANSCRIPT, wanted.transcript, recorded, _transcripts(filled)),
    )
    if not (chosen.image or chosen.audio or chosen.transcript):
        raise RecordingError(
            'no topic that can be used: expected images, audio or transcripts, found '
            f'{describe_topics(topics) or "no topics"}; if they are among these, name them with '
            f'{place_of("image")}, and likewise audio and transcript'
        )
    return chosen


def place_of(setting: str) -> str:
    """Return in words where a setting of how recordings are read is given."""
    option = setting.replace('_', '-')
    return f'--{option}, the column {setting} of splits.csv, or recorded.{setting} in the recipe'


def _settle(
    role: Role, name: str | None, topics: Iterable[Topic], candidates: Sequence[Topic]
) -> str:
    """Return the name given, or the only candidate's, or none."""
    if name:
        _check_named(role, name, list(topics))
        return name
    names = sorted({topic.name for topic in candidates})
    if name == '' or not names:
        return ''
    if len(names) > 1:
        raise RecordingError(
            f'several topics could be the {role}: {describe_topics(candidates)}; name the one to '
            f'use with {place_of(role.value)}'
        )
    return names[0]


def _check_named(role: Role, name: str, topics: Sequence[Topic]) -> None:
    """Raise RecordingError for a topic that was asked for and cannot be what it is asked for."""
    same = [topic for topic in topics if topic.name == name]
    if not same:
        near = difflib.get_close_matches(name[:100], [topic.name for topic in topics], n=1)
        hint = f'did you mean {near[0]!r}? ' if near else ''
        raise RecordingError(
            f'{role} topic {quoted(name)} holds no messages; {hint}the recording has '
            f'{describe_topics(topics)}'
        )
    readable = [topic for topic in same if topic.is_readable]
    if not readable:
        raise RecordingError(
            f'{role} topic {name!r} cannot be read: expected messages of a ROS type as CDR, got '
            f'{same[0].description}; the recording has {describe_topics(topics)}'
        )
    if not any(topic.fits(role) for topic in readable):
        raise RecordingError(
            f'{role} topic {name!r} cannot be taken: expected one of {", ".join(_TYPES[role])}, '
            f'got {readable[0].type_name[:100]}'
        )


def _images(topics: Iterable[Topic]) -> list[Topic]:
    """Return colour image topics; a compressed twin of a raw topic is left out."""
    images = [
        topic
        for topic in topics
        if topic.type_name in IMAGE_TYPES and 'depth' not in topic.name.lower()
    ]
    raw = {topic.name for topic in images if topic.type_name == IMAGE_TYPES[0]}
    return [topic for topic in images if topic.name.rpartition('/')[0] not in raw]


def _by_type_order(topics: Iterable[Topic], types: Sequence[str]) -> list[Topic]:
    """Return the topics of the first of ``types`` that has any."""
    for name in types:
        if found := [topic for topic in topics if topic.type_name == name]:
            return found
    return []


def _nearest(infos: list[Topic], audio: str) -> list[Topic]:
    """Return the info topics, or only the one in the audio topic's namespace if there is one."""
    same = [info for info in infos if info.name.rpartition('/')[0] == audio.rpartition('/')[0]]
    return same if len(same) == 1 else infos


def _transcripts(topics: Iterable[Topic]) -> list[Topic]:
    found = [
        topic
        for topic in topics
        if topic.type_name in TRANSCRIPT_TYPES
        and (
            topic.type_name != TRANSCRIPT_TYPES[0]
            or any(word in topic.name.lower() for word in _SPEECH_WORDS)
        )
    ]
    return [topic for topic in found if topic.type_name != TRANSCRIPT_TYPES[0]] or found


def describe_topics(topics: Iterable[Topic]) -> str:
    """Return names, types and numbers of messages in words, of the first thirty topics."""
    found = [f'{topic.name[:100]} ({topic.description})' for topic in topics]
    return ', '.join(found[:_LISTED]) + (', …' if len(found) > _LISTED else '')
