"""Who is there: a track is one body under one name, from joining to leaving.

A track's history is never another person's. So whatever makes it doubtful who is followed ends the
track, and what comes after is a new one that has seen nothing: an id that was gone, a box where
nobody can have walked, a person whose id goes to another body. What cannot be seen in ids and boxes
is an id that passes to somebody who stands next to its owner.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from activity_recognition.persons.crops import CropPath
from activity_recognition.persons.regions import PersonRegion
from activity_recognition.types import Utterance, to_ns

GONE_NS = to_ns(1.0)
"""A body that no image showed for so long has left."""
AHEAD_NS = to_ns(5.0)
"""Regions that are further ahead of the images are of another clock."""
KEPT_REGIONS = 128
"""Of one body: what a tracker gives in the time by which images may come later, at 30 a second
four seconds."""
KEPT_WORDS = 32
"""Utterances of one person that may wait for a decision."""
MOST_BODIES = 128
"""Bodies that are followed; more are no crowd but a broken topic."""
MOST_NAMES = 256
"""Persons whose bodies are remembered; more than there are bodies, so that those who are there are
never forgotten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """Which body a person has, as a source says that tells the two apart."""

    person: str
    """Its id, never empty."""
    body: str
    """The id of its body; empty where it has none now."""
    has_voice: bool = False
    """Whether what this person says is known apart."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one person said."""

    person: str
    utterance: Utterance


PersonNews = PersonRegion | Naming | Spoken
"""Anything that a source of persons tells."""


@dataclass(kw_only=True, slots=True, eq=False)
class Track:
    """One body under one name."""

    stream: str
    """Name of its stream in the engine, which no other track ever has."""
    body: str
    """Its id."""
    person: str = ''
    """Id of the person whose body it is; empty where nobody knows."""
    has_voice: bool = False
    """Whether its words are its own; else those of the scene are taken."""
    heard_as: str = ''
    """The subject that answers name, nobody else's; empty before there could be any."""
    is_active: bool = False
    """Whether the engine has its stream."""
    was_shown: bool = False
    """Whether an image with it has come; nothing can be said of it before."""
    newest: PersonRegion
    """The region of the newest image."""
    regions: deque[PersonRegion] = field(default_factory=lambda: deque(maxlen=KEPT_REGIONS))
    words: deque[Utterance] = field(default_factory=lambda: deque(maxlen=KEPT_WORDS))
    """What was said and no decision knows yet."""
    path: CropPath = field(default_factory=CropPath)

    @property
    def subject(self) -> str:
        """Who it is: the person, else the body."""
        return self.person or self.body

    def add(self, region: PersonRegion) -> None:
        """Take where its body was in an image, of any time."""
        self.regions.append(region)
        if region.stamp_ns >= self.newest.stamp_ns:
            self.newest = region

    @property
    def frame_id(self) -> str:
        """Coordinate frame of the body; empty where its source has none."""
        return self.regions[-1].frame_id


@dataclass(slots=True)
class Changes:
    """What became of the tracks."""

    ended: list[Track] = field(default_factory=list)
    voiced: list[Track] = field(default_factory=list)
    """Those that have words of their own from now on."""


class TrackBook:
    """All tracks of one source of persons."""

    def __init__(self) -> None:
        """Know nobody."""
        self._tracks: dict[str, Track] = {}
        self._body_of: dict[str, str] = {}
        """By person, the body that it has, or had last."""
        self._person_at: dict[str, str] = {}
        """By body, the person whose it is."""
        self._voices: set[str] = set()
        self._count = 0
        self.refused = 0
        """Regions of bodies beyond :data:`MOST_BODIES`."""

    @property
    def tracks(self) -> list[Track]:
        """Those that have not ended, in order of their beginning."""
        return list(self._tracks.values())

    def take(self, news: PersonNews, changes: Changes) -> None:
        """Take one piece of news.

        Args:
            news: of the source.
            changes: is added to.
        """
        if isinstance(news, PersonRegion):
            self._take_region(news, changes)
        elif isinstance(news, Naming):
            self._take_naming(news, changes)
        else:
            track = self._tracks.get(self._body_of.get(news.person, ''))
            if track is not None and track.person == news.person and track.has_voice:
                track.words.append(news.utterance)

    def end_gone(self, now_ns: int, changes: Changes) -> None:
        """End the tracks of bodies that have left, and those of another time.

        Images may come some seconds after what is said of them.

        Args:
            now_ns: stamp of the newest image, or the moment of the decision.
            changes: is added to.
        """
        for track in self.tracks:
            ahead_ns = track.newest.stamp_ns - now_ns
            if ahead_ns < -GONE_NS or ahead_ns > AHEAD_NS:
                self._end(track, changes)

    def end_all(self, changes: Changes) -> None:
        """End every track: time has jumped.

        Args:
            changes: is added to.
        """
        for track in self.tracks:
            self._end(track, changes)

    def restart(self, track: Track, changes: Changes) -> Track:
        """End a track and return a new one of the same body, where it was seen last.

        Args:
            track: of this book.
            changes: is added to.
        """
        newest = track.newest
        self._end(track, changes)
        return self._begin(newest)

    def _take_region(self, region: PersonRegion, changes: Changes) -> None:
        track = self._tracks.get(region.body)
        if track is None:
            if len(self._tracks) >= MOST_BODIES:
                self.refused += 1
                return
            self._begin(region)
            return
        newest = track.newest
        goes_back = newest.stamp_ns - region.stamp_ns > GONE_NS
        was_gone = region.stamp_ns - newest.stamp_ns > GONE_NS
        if goes_back or was_gone or region.jumped_from(newest):
            self._end(track, changes)
            self._begin(region)
            return
        track.add(region)

    def _take_naming(self, naming: Naming, changes: Changes) -> None:
        person, body = naming.person, naming.body
        before = self._body_of.get(person)
        self._note_voice(naming, changes)
        if body == before and self._person_at.get(body) == person:
            return
        if before and self._person_at.get(before) == person:
            del self._person_at[before]
            if before in self._tracks:
                # Who it was taken for is doubtful now.
                self.restart(self._tracks[before], changes)
        if not body:
            return
        replaced = self._person_at.get(body)
        self._body_of.pop(person, None)
        self._body_of[person] = body
        self._person_at[body] = person
        self._forget_some()
        track = self._tracks.get(body)
        if track is None:
            return
        if replaced or before not in (None, body):
            self.restart(track, changes)
            return
        track.person = person
        self._give_voice(track, changes)

    def _note_voice(self, naming: Naming, changes: Changes) -> None:
        person = naming.person
        track = self._tracks.get(self._body_of.get(person, ''))
        is_followed = track is not None and track.person == person
        if naming.has_voice and naming.body:
            self._voices.add(person)
            if track is not None and is_followed:
                self._give_voice(track, changes)
            return
        self._voices.discard(person)
        if track is not None and is_followed and track.has_voice and naming.body == track.body:
            # It has its words alone in its past, and is to have those of the scene.
            self.restart(track, changes)

    def _forget_some(self) -> None:
        """Forget whom nobody has named for longest, of persons that no track is of."""
        for person in list(self._body_of):
            if len(self._body_of) <= MOST_NAMES:
                return
            body = self._body_of[person]
            if body not in self._tracks or self._person_at.get(body) != person:
                del self._body_of[person]
                self._voices.discard(person)
                if self._person_at.get(body) == person:
                    del self._person_at[body]

    def _give_voice(self, track: Track, changes: Changes) -> None:
        if track.person in self._voices and not track.has_voice:
            track.has_voice = True
            changes.voiced.append(track)

    def _begin(self, region: PersonRegion) -> Track:
        self._count += 1
        person = self._person_at.get(region.body, '')
        track = Track(
            stream=f'person {self._count}',
            body=region.body,
            person=person,
            has_voice=person in self._voices,
            newest=region,
        )
        track.add(region)
        self._tracks[region.body] = track
        return track

    def _end(self, track: Track, changes: Changes) -> None:
        del self._tracks[track.body]
        changes.ended.append(track)
