"""Which topic of a recording is what."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from activity_recognition.bags.channels import CDR, READABLE_ENCODINGS
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.modalities import (
    DEFAULT_MODALITIES,
    ROLE_SPEC,
    SAMPLE_ROLES,
    SPECS,
    Role,
    RoleSpec,
)
from activity_recognition.recorded import AUTO, NONE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from activity_recognition.recorded import RecordedConfig
    from activity_recognition.types import Modality

START_TOPIC = '/recording/start'
"""One time at the very start, so that the recording starts there whatever else it holds."""
END_TOPIC = '/recording/end'
"""One time at the end of a recording that is to last longer than what it holds."""
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
        return ROLE_SPEC[role].accepts(self.type_name)


class TopicNames(SimpleNamespace):
    """Names of the topics to use, as attributes that are called as the roles are.

    None finds one by its type where its modality is needed, ``auto`` anyway; an empty name does
    without.
    """

    def __init__(self, **names: str | None) -> None:
        """Hold names.

        Args:
            names: by role; those left out are None.

        Raises:
            TypeError: for what is no role.
        """
        known: dict[str, str | None] = {role.value: None for role in Role}
        if unknown := names.keys() - known.keys():
            raise TypeError(f'expected {", ".join(known)}, got {", ".join(sorted(unknown))}')
        super().__init__(**known | names)

    @classmethod
    def of(cls, recorded: RecordedConfig) -> TopicNames:
        """Return the names that settings give."""
        words: dict[str, str | None] = {'': None, NONE: ''}
        given = {role.value: getattr(recorded, role.value) for role in Role}
        return cls(**{role: words.get(name, name) for role, name in given.items()})

    def roles(self) -> dict[str, Role]:
        """Return topic name -> role of the topics named."""
        return {name: Role(role) for role, name in vars(self).items() if name}


def choose_topics(
    topics: Sequence[Topic],
    wanted: TopicNames | None = None,
    needed: Collection[Modality] = DEFAULT_MODALITIES,
    *,
    stand_ins_first: bool = False,
) -> TopicNames:
    """Fill the names that are None with the topics a recording has; empty where it has none.

    Of modalities that nobody asked for they stay None.

    Args:
        topics: of the recording.
        wanted: names that are given; by default none is.
        needed: modalities whose topics are found by their type; those of others are used where
            they are named, or said to be ``auto``.
        stand_ins_first: whether types that stand in for others are taken before these.

    Raises:
        RecordingError: when a named topic does not exist, when several would do, or when nothing is
            left to use.
    """
    wanted = wanted or TopicNames()
    recorded = [topic for topic in topics if topic.count]
    chosen: dict[str, str] = {}
    for modality in SPECS:
        samples = ''
        for spec in modality.roles:
            readable = [topic for topic in recorded if topic.is_readable]
            found = _candidates(spec, readable, stand_ins_first=stand_ins_first)
            if spec.role not in SAMPLE_ROLES:
                found = _nearest(found, samples) if samples else []
            given = getattr(wanted, spec.role.value)
            if given is None and modality.modality not in needed:
                continue
            name = _settle(spec.role, None if given == AUTO else given, recorded, found)
            samples = samples or name
            chosen[spec.role.value] = name
    if not any(chosen.get(role.value) for role in SAMPLE_ROLES):
        raise RecordingError(
            f'no topic that can be used: expected one for {", ".join(SAMPLE_ROLES)}, found '
            f'{describe_topics(topics) or "no topics"}; if they are among these, name them with '
            f'{place_of("image")}, and likewise audio and transcript'
        )
    return TopicNames(**chosen)


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
            f'{role} topic {name!r} cannot be taken: expected one of '
            f'{", ".join(ROLE_SPEC[role].message_types)}, got {readable[0].type_name[:100]}'
        )


def _candidates(spec: RoleSpec, topics: Iterable[Topic], *, stand_ins_first: bool) -> list[Topic]:
    """Return the topics that may have a role by their types and names."""
    fitting = [topic for topic in topics if topic.type_name in spec.message_types]
    fitting = [topic for topic in fitting if not _is_something_else(spec, topic)]
    fitting = [
        topic for topic in fitting if (topic.type_name in spec.stand_in_types) == stand_ins_first
    ] or fitting
    # What one person says or is seen as (REP 155) is taken where there is nothing of the scene.
    fitting = [topic for topic in fitting if not _is_of_one_person(topic)] or fitting
    if spec.suffixes:
        return _without_companions(spec, fitting)
    if spec.general_type:
        return [topic for topic in fitting if topic.type_name != spec.general_type] or fitting
    return _by_type_order(fitting, spec.message_types)


def _is_something_else(spec: RoleSpec, topic: Topic) -> bool:
    """Tell whether a topic's name says that it is not what its type could make it."""
    name = topic.name.lower()
    if any(word in name for word in spec.other_words):
        return True
    is_general = topic.type_name == spec.general_type
    return is_general and not any(word in name for word in spec.name_words)


def _is_of_one_person(topic: Topic) -> bool:
    """Tell whether a topic is about one voice, body or person (REP 155)."""
    return '/humans/' in topic.name


def _without_companions(spec: RoleSpec, topics: list[Topic]) -> list[Topic]:
    """Leave the compressed twins of raw topics out."""
    main = {topic.name for topic in topics if not spec.suffix(topic.type_name)}
    return [topic for topic in topics if topic.name.rpartition('/')[0] not in main]


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


def describe_topics(topics: Iterable[Topic]) -> str:
    """Return names, types and numbers of messages in words, of the first thirty topics."""
    found = [f'{topic.name[:100]} ({topic.description})' for topic in topics]
    return ', '.join(found[:_LISTED]) + (', …' if len(found) > _LISTED else '')
