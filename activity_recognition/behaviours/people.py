"""Reports on several people, kept apart by who they are about."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable

from activity_recognition.behaviours.feed import ActivityFeed
from activity_recognition.behaviours.hold import Hold
from activity_recognition.behaviours.report import Report
from activity_recognition.errors import ConfigError

ANYBODY = 'anybody'
"""A subject that means whoever it is; no id of a person."""
NEAREST = 'the nearest'
"""A subject that cannot be told: the messages do not say how far somebody is."""
MOST_PEOPLE = 256
"""Subjects that are remembered; of more, those that nobody asked for and are heard of least."""


class PeopleFeed:
    """Caches the newest report on each person; thread-safe, and never waits for one."""

    def __init__(self, clock: Callable[[], int], *, silent_after_s: float = 2.0) -> None:
        """Begin to listen.

        Args:
            clock: as of :class:`ActivityFeed`.
            silent_after_s: likewise, of each person.

        Raises:
            ConfigError: when ``silent_after_s`` is not above 0.
        """
        self._clock, self._silent_after_s = clock, silent_after_s
        ActivityFeed(clock, silent_after_s=silent_after_s)  # refuses what is wrong at once
        self._lock = threading.Lock()
        self._feeds: dict[str, ActivityFeed] = {}
        self._asked_for: set[str] = set()
        self._watches: weakref.WeakSet[PeopleWatch] = weakref.WeakSet()

    def now_ns(self) -> int:
        """Return the feed's time."""
        return self._clock()

    def push(self, report: Report) -> None:
        """Take a report that has just been received; one without a subject is of nobody."""
        if report.subject_id:
            with self._lock:
                feed = self._feed(report.subject_id)
                # The most recently heard of comes last.
                self._feeds[report.subject_id] = self._feeds.pop(report.subject_id)
                self._forget_some()
            feed.push(report)

    def of(self, subject: str) -> ActivityFeed:
        """Return the feed of one person, who may still have to come.

        Args:
            subject: the id.
        """
        with self._lock:
            self._asked_for.add(subject)
            return self._feed(subject)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whoever was reported on, those who have left included, the most recent last."""
        with self._lock:
            return tuple(self._feeds)

    def watch(self, labels: Iterable[str], min_confidence: float) -> PeopleWatch:
        """Return what follows the reports on everybody from now on, while it is referred to.

        Args:
            labels: any of them counts.
            min_confidence: least confidence in every report, in [0, 1].
        """
        watch = PeopleWatch(labels, min_confidence)
        with self._lock:
            for subject, feed in self._feeds.items():
                watch.add(subject, feed)
            self._watches.add(watch)
        return watch

    def _feed(self, subject: str) -> ActivityFeed:
        """Return the feed of one person; the lock is held."""
        feed = self._feeds.get(subject)
        if feed is None:
            feed = ActivityFeed(self._clock, silent_after_s=self._silent_after_s, is_of_person=True)
            self._feeds[subject] = feed
            for watch in self._watches:
                watch.add(subject, feed)
        return feed

    def _forget_some(self) -> None:
        for subject in list(self._feeds):
            if len(self._feeds) <= MOST_PEOPLE:
                break
            if subject not in self._asked_for:
                del self._feeds[subject]
                for watch in self._watches:
                    watch.remove(subject)


class PeopleWatch:
    """For each person, how long one of some activities has been held."""

    def __init__(self, labels: Iterable[str], min_confidence: float) -> None:
        """Follow nobody yet.

        Args:
            labels: any of them counts.
            min_confidence: least confidence in every report, in [0, 1].
        """
        self._labels, self._min_confidence = tuple(labels), min_confidence
        self._each: dict[str, tuple[ActivityFeed, Hold]] = {}

    def add(self, subject: str, feed: ActivityFeed) -> None:
        """Follow somebody else.

        Args:
            subject: who.
            feed: with the reports.
        """
        # Replaced whole, for ticks that read it meanwhile.
        hold = feed.track(self._labels, self._min_confidence)
        self._each = {**self._each, subject: (feed, hold)}

    def remove(self, subject: str) -> None:
        """Follow somebody no more."""
        self._each = {name: entry for name, entry in self._each.items() if name != subject}

    @property
    def each(self) -> dict[str, tuple[ActivityFeed, Hold]]:
        """By person, the newest report and how long it has been held."""
        return self._each


def feed_of(name: str, feed: ActivityFeed | PeopleFeed, subject: str) -> ActivityFeed:
    """Return what a leaf looks at that is about one person, or about the scene.

    Args:
        name: of the leaf.
        feed: of the scene, or of people.
        subject: an id; empty for the scene.

    Raises:
        ConfigError: the two do not go together, or the subject is no single person.
    """
    check_subject(name, feed, subject)
    if isinstance(feed, ActivityFeed):
        return feed
    if subject == ANYBODY:
        raise ConfigError(
            f'{name}: expected the id of a person, got {ANYBODY!r}; of the leaves, ActivityHeld '
            'and WaitForActivity take it'
        )
    return feed.of(subject)


def check_subject(name: str, feed: ActivityFeed | PeopleFeed, subject: str) -> None:
    """Raise ConfigError where a feed and a subject do not go together.

    Args:
        name: of the leaf.
        feed: of the scene, or of people.
        subject: an id, :data:`ANYBODY`, or empty for the scene.
    """
    is_of_people = isinstance(feed, PeopleFeed)
    if subject and not is_of_people:
        raise ConfigError(
            f'{name}: expected a feed of people for subject {subject!r}, such as PeopleSubscriber, '
            'got that of a scene'
        )
    if is_of_people and not subject:
        raise ConfigError(
            f'{name}: expected a subject, the id of a person or {ANYBODY!r}, for a feed of people'
        )
    if subject == NEAREST:
        raise ConfigError(
            f'{name}: expected the id of a person or {ANYBODY!r}, got {NEAREST!r}, which the '
            'messages do not tell: look up the frame of each person in TF, and ask for an id'
        )
