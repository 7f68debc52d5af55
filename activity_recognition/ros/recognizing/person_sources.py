"""Who says where people are: the topics of REP 155, or a tracker's topic of detections.

A source is looked for on the graph by turns and tells a :class:`PersonRouter` what it hears. A
further kind of source is a class with the methods of :class:`PersonSource` and a line in
:data:`SOURCES`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from activity_recognition.errors import DecodeError
from activity_recognition.persons import Naming, PersonNews, Spoken
from activity_recognition.persons.tracks import MOST_BODIES
from activity_recognition.ros.recognizing.person_topics import PersonTopic, TopicCounts
from activity_recognition.sensors.persons import (
    BODY_REGION_TYPE,
    DETECTION_TYPES,
    ID_TYPE,
    IDS_TYPE,
    SPEECH_TYPE,
    decode_body_region,
    decode_detections,
    decode_id,
    decode_ids,
)
from activity_recognition.sensors.transcript import UtteranceReader

if TYPE_CHECKING:
    from rclpy.node import Node

    from activity_recognition.config import PeopleConfig
    from activity_recognition.sensors.cdr import Message, TypeRegistry

KEPT_S = 2.0
"""How long the topics of an id that is gone stay subscribed to: trackers lose people and find them
again, and finding their topics again takes time."""

Tell = Callable[[PersonNews], None]


class PersonSource(Protocol):
    """What says where people are."""

    counts: TopicCounts
    topic: str
    """The one that says that this source is there."""

    def is_offered(self) -> bool:
        """Return whether anybody publishes it."""
        ...

    def look(self) -> None:
        """Look at the graph, and subscribe where something has changed."""
        ...

    def close(self) -> None:
        """Give up all subscriptions."""
        ...


class Detections:
    """A tracker's topic ``detections``."""

    def __init__(
        self, node: Node, config: PeopleConfig, *, registry: TypeRegistry, tell: Tell
    ) -> None:
        """Make a source that is not subscribed to yet.

        Args:
            node: subscribes.
            config: of people.
            registry: where definitions are looked up.
            tell: takes what it says.
        """
        self.counts = TopicCounts()
        self._classes = frozenset(name.casefold() for name in config.classes)
        self._tell = tell
        self.topic = node.resolve_topic_name('detections')
        self._topic = PersonTopic(
            node,
            self.topic,
            DETECTION_TYPES,
            registry=registry,
            counts=self.counts,
            take=self._take,
        )

    def is_offered(self) -> bool:
        """Return whether anybody publishes detections."""
        return bool(self._topic.offered())

    def look(self) -> None:
        """Subscribe where something has changed."""
        self._topic.look()

    def close(self) -> None:
        """Give up the subscription."""
        self._topic.close()

    def _take(self, message: Message, arrival_ns: int) -> None:
        counts = self.counts
        found = decode_detections(
            message,
            arrival_ns,
            classes=self._classes,
            refuse=counts.drops.add,
            other=counts.note_other,
        )
        counts.there = len(found)
        counts.found += len(found)
        for region in found:
            self._tell(region)


class _Ids:
    """The ids of one list ``tracked``, each with topics of its own."""

    def __init__(
        self,
        open_topics: Callable[[str], list[PersonTopic]],
        refuse: Callable[[DecodeError], None],
    ) -> None:
        """Know nobody.

        Args:
            open_topics: makes the topics of an id.
            refuse: is told of each id that there is no place for.
        """
        self._open_topics, self._refuse = open_topics, refuse
        self._topics: dict[str, list[PersonTopic]] = {}
        self._seen_s: dict[str, float] = {}
        self._now: frozenset[str] = frozenset()

    def note(self, ids: list[str]) -> None:
        """Take who is tracked now; the topics of who is new are opened."""
        now_s = time.monotonic()
        self._now = frozenset(ids)
        for name in ids:
            if name not in self._topics:
                if len(self._topics) >= MOST_BODIES:
                    self._refuse(
                        DecodeError(
                            f'too many ids at once: expected at most {MOST_BODIES} within '
                            f'{KEPT_S:g} s, no topic is opened for {name}'
                        )
                    )
                    continue
                self._topics[name] = self._open_topics(name)
            self._seen_s[name] = now_s

    def look(self) -> list[str]:
        """Let the topics follow their publishers; return ids that are gone for good."""
        now_s = time.monotonic()
        gone = [
            name
            for name, seen_s in self._seen_s.items()
            if name not in self._now and now_s - seen_s > KEPT_S
        ]
        for name in gone:
            self.drop(name)
        for topics in self._topics.values():
            for topic in topics:
                topic.look()
        return gone

    def drop(self, name: str) -> None:
        """Give up the topics of an id."""
        self._seen_s.pop(name, None)
        for topic in self._topics.pop(name, []):
            topic.close()

    def close(self) -> None:
        """Give up all topics."""
        for name in list(self._topics):
            self.drop(name)


class Humans:
    """The topics of REP 155: bodies with their regions, persons with their bodies and voices."""

    def __init__(
        self, node: Node, config: PeopleConfig, *, registry: TypeRegistry, tell: Tell
    ) -> None:
        """Make a source that is not subscribed to yet.

        Args:
            node: subscribes.
            config: of people.
            registry: where definitions are looked up.
            tell: takes what it says.
        """
        self.counts = TopicCounts()
        self._node, self._registry, self._tell = node, registry, tell
        self._root = node.resolve_topic_name(config.humans.rstrip('/'))
        self.topic = f'{self._root}/bodies/tracked'
        refuse = self.counts.drops.add
        self._bodies, self._persons = _Ids(self._of_body, refuse), _Ids(self._of_person, refuse)
        self._lists = (
            self._list('bodies', self._bodies),
            self._list('persons', self._persons),
        )
        self._body_of: dict[str, str] = {}
        self._voice_of: dict[str, str] = {}
        self._voices: dict[str, PersonTopic] = {}

    def is_offered(self) -> bool:
        """Return whether anybody says which bodies are tracked."""
        return bool(self._lists[0].offered())

    def look(self) -> None:
        """Subscribe where something has changed, and give up the topics of who is gone."""
        for topic in self._lists:
            topic.look()
        self._bodies.look()
        for person in self._persons.look():
            self._body_of.pop(person, None)
            self._forget_voice(person)
            self._tell(Naming(person=person, body=''))
        for topic in self._voices.values():
            topic.look()

    def close(self) -> None:
        """Give up all subscriptions."""
        for person in list(self._voices):
            self._forget_voice(person)
        for ids in (self._persons, self._bodies):
            ids.close()
        for topic in self._lists:
            topic.close()

    def _list(self, kind: str, ids: _Ids) -> PersonTopic:
        def take(message: Message, arrival_ns: int) -> None:
            del arrival_ns
            found = decode_ids(message, refuse=self.counts.drops.add)
            if ids is self._bodies:
                self.counts.there = len(found)
            ids.note(found)

        return self._topic(f'{kind}/tracked', IDS_TYPE, take)

    def _topic(
        self, name: str, type_name: str, take: Callable[[Message, int], None]
    ) -> PersonTopic:
        return PersonTopic(
            self._node,
            f'{self._root}/{name}',
            (type_name,),
            registry=self._registry,
            counts=self.counts,
            take=take,
        )

    def _of_body(self, body: str) -> list[PersonTopic]:
        def take(message: Message, arrival_ns: int) -> None:
            self._tell(decode_body_region(message, body, arrival_ns))

        topic = self._topic(f'bodies/{body}/roi', BODY_REGION_TYPE, take)
        topic.open_at_once()
        return [topic]

    def _of_person(self, person: str) -> list[PersonTopic]:
        return [
            self._topic(f'persons/{person}/body_id', ID_TYPE, partial(self._take_body, person)),
            self._topic(f'persons/{person}/voice_id', ID_TYPE, partial(self._take_voice, person)),
        ]

    def _take_body(self, person: str, message: Message, arrival_ns: int) -> None:
        del arrival_ns
        self._body_of[person] = decode_id(message, refuse=self.counts.drops.add)
        self._name(person)

    def _take_voice(self, person: str, message: Message, arrival_ns: int) -> None:
        del arrival_ns
        voice = decode_id(message, refuse=self.counts.drops.add)
        if voice == self._voice_of.get(person, ''):
            return
        self._forget_voice(person)
        if voice:
            self._hear(person, voice)
        self._name(person)

    def _hear(self, person: str, voice: str) -> None:
        reader = UtteranceReader(SPEECH_TYPE)

        def hear(message: Message, arrival_ns: int) -> None:
            utterance = reader.decode(message, arrival_ns)
            if utterance is not None:
                self._tell(Spoken(person, utterance))

        self._voice_of[person] = voice
        self._voices[person] = self._topic(f'voices/{voice}/speech', SPEECH_TYPE, hear)
        self._voices[person].open_at_once()

    def _forget_voice(self, person: str) -> None:
        self._voice_of.pop(person, None)
        topic = self._voices.pop(person, None)
        if topic is not None:
            topic.close()

    def _name(self, person: str) -> None:
        if person in self._body_of:
            has_voice = person in self._voice_of
            self._tell(Naming(person=person, body=self._body_of[person], has_voice=has_voice))


SOURCES: dict[str, Callable[..., PersonSource]] = {'humans': Humans, 'detections': Detections}
"""By value of ``people.source``, in the order in which ``auto`` prefers them."""


class PersonInputs:
    """The source that is asked for, or the first one that anybody publishes."""

    def __init__(
        self, node: Node, config: PeopleConfig, *, registry: TypeRegistry, tell: Tell
    ) -> None:
        """Make the sources; nothing is subscribed to before :meth:`look`.

        Args:
            node: subscribes.
            config: of people.
            registry: where definitions are looked up.
            tell: takes what they say.
        """
        names = SOURCES if config.source == 'auto' else (config.source,)
        self._sources = {
            name: SOURCES[name](node, config, registry=registry, tell=tell) for name in names
        }
        self.chosen = ''
        """Name of the source that is listened to; empty while there is none."""

    @property
    def source(self) -> PersonSource | None:
        """The source that is listened to; None while there is none."""
        return self._sources.get(self.chosen)

    def look(self) -> bool:
        """Look at the graph; return whether another source is listened to than before.

        A source stays until nobody publishes it and somebody publishes another one.
        """
        before = self.chosen
        if len(self._sources) == 1:
            (self.chosen,) = self._sources
        elif not before or not self._sources[before].is_offered():
            offered = (name for name, source in self._sources.items() if source.is_offered())
            self.chosen = next(offered, before)
        if before and self.chosen != before:
            self._sources[before].close()
        if self.chosen:
            self._sources[self.chosen].look()
        return self.chosen != before

    def close(self) -> None:
        """Give up all subscriptions."""
        for source in self._sources.values():
            source.close()
