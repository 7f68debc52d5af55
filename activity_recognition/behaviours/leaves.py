"""Leaves over what a recognizer reports. They read what is there and return at once.

Every leaf looks at an :class:`~activity_recognition.behaviours.feed.ActivityFeed`, which on a robot
is an :class:`~activity_recognition.behaviours.subscriber.ActivitySubscriber`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from py_trees.behaviour import Behaviour
from py_trees.common import Access, Status

from activity_recognition.behaviours.feed import ActivityFeed
from activity_recognition.behaviours.hold import Hold
from activity_recognition.behaviours.people import (
    ANYBODY,
    PeopleFeed,
    check_subject,
    feed_of,
)
from activity_recognition.behaviours.report import Observation, Situation
from activity_recognition.config_io import unknown_key
from activity_recognition.errors import ConfigError
from activity_recognition.types import NANOSECONDS, seconds_between, to_ns

_NAMED = 4
"""People of whom it is said why they do not do what is asked for; of more, how many."""


class ToBlackboard(Behaviour):
    """Writes the newest report to the blackboard at every tick; always SUCCESS.

    The keys, under ``namespace``, are properties of
    :class:`~activity_recognition.behaviours.report.Observation`: nothing that was said before a
    silence is left standing.
    """

    KEYS = ('situation', 'status', 'label', 'confidence', 'stable_s', 'age_s', 'evidence')

    def __init__(
        self,
        name: str,
        feed: ActivityFeed | PeopleFeed,
        *,
        namespace: str = 'activity',
        subject: str = '',
    ) -> None:
        """Create the leaf; give the feeds of several recognizers namespaces of their own.

        Args:
            name: of the leaf.
            feed: what it looks at.
            namespace: of the keys that it writes.
            subject: with a feed of people, the id of whom it is about.

        Raises:
            ConfigError: ``feed`` and ``subject`` do not go together.
        """
        super().__init__(name=name)
        self._feed = feed_of(name, feed, subject)
        self.blackboard = self.attach_blackboard_client(namespace=namespace)
        for key in self.KEYS:
            self.blackboard.register_key(key=key, access=Access.WRITE)

    def update(self) -> Status:
        """Write the keys."""
        observation = self._feed.observe()
        for key in self.KEYS:
            self.blackboard.set(key, getattr(observation, key))
        self.feedback_message = str(observation)
        return Status.SUCCESS


class ActivityHeld(Behaviour):
    """Whether an activity, or one of several, has been held: SUCCESS or FAILURE.

    It has when one of ``labels`` has been reported for at least ``for_s`` seconds of sensor time,
    with a confidence of at least ``min_confidence`` in every report, the newest of which is not
    older than ``max_age_s``. A change between two of the labels does not interrupt.

    With a feed of people it is about one of them, or anybody. A success says about whom: keys
    ``subject`` and ``frame_id`` on the blackboard, under ``namespace``, and :attr:`subject`.
    """

    def __init__(
        self,
        name: str,
        feed: ActivityFeed | PeopleFeed,
        labels: str | Sequence[str],
        *,
        for_s: float = 0.0,
        min_confidence: float = 0.0,
        max_age_s: float = 1.0,
        subject: str = '',
        namespace: str = 'activity',
    ) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            labels: one or more activities.
            for_s: how long one of them has to have been held, seconds of sensor time.
            min_confidence: least confidence in every report, in [0, 1].
            max_age_s: greatest age of the newest report, seconds.
            subject: with a feed of people, an id or ``ANYBODY``: who of them is meant.
            namespace: of the keys that a success about a person writes.

        Raises:
            ConfigError: without labels, for a value out of range, or where ``feed`` and
                ``subject`` do not go together.
        """
        super().__init__(name=name)
        check_subject(name, feed, subject)
        self._labels = (labels,) if isinstance(labels, str) else tuple(labels)
        if not self._labels:
            raise ConfigError(f'{name}: expected at least one label, got none')
        if not (for_s >= 0 and max_age_s > 0 and 0 <= min_confidence <= 1):
            raise ConfigError(
                f'{name}: expected for_s >= 0, max_age_s > 0 and min_confidence in [0, 1], '
                f'got {for_s}, {max_age_s} and {min_confidence}'
            )
        self._feed = feed
        self._for_s, self._max_age_s = for_s, max_age_s
        self.subject = ''
        """Who the last success was about; empty for the scene."""
        self._watched = self._watch(feed, subject, min_confidence)
        self._blackboard = None
        if subject:
            self._blackboard = self.attach_blackboard_client(namespace=namespace)
            for key in ('subject', 'frame_id'):
                self._blackboard.register_key(key=key, access=Access.WRITE)

    def _watch(
        self, feed: ActivityFeed | PeopleFeed, subject: str, min_confidence: float
    ) -> Callable[[], Mapping[str, tuple[ActivityFeed, Hold]]]:
        """Return what gives who is looked at, each with how long it has been held."""
        if isinstance(feed, PeopleFeed) and subject == ANYBODY:
            watch = feed.watch(self._labels, min_confidence)
            return lambda: watch.each
        one = feed_of(self.name, feed, subject)
        hold = one.track(self._labels, min_confidence)
        return lambda: {subject: (one, hold)}

    def update(self) -> Status:
        """Look at the newest reports."""
        found: list[tuple[int, str, Observation]] = []
        obstacles: list[tuple[float, str]] = []
        for subject, (feed, hold) in self._watched().items():
            held_ns = hold.held_ns
            observation = feed.observe()
            obstacle = self._obstacle(observation, held_ns)
            if not obstacle:
                found.append((held_ns, subject, observation))
            said = f'{subject}: {obstacle}' if subject else obstacle
            obstacles.append((observation.age_s, said))
        if not found:
            self.feedback_message = _listed(obstacles) or 'nobody was reported on yet'
            return Status.FAILURE
        # Who it was stays it; else whoever does it longest.
        _, self.subject, observation = max(found, key=self._preference)
        self.feedback_message = ': '.join(filter(None, (self.subject, str(observation))))
        if self._blackboard is not None and observation.report is not None:
            self._blackboard.set('subject', self.subject)
            self._blackboard.set('frame_id', observation.report.frame_id)
        return Status.SUCCESS

    def _preference(self, found: tuple[int, str, Observation]) -> tuple[bool, int, str]:
        held_ns, subject, _ = found
        return subject == self.subject, held_ns, subject

    def _obstacle(self, observation: Observation, held_ns: int) -> str:
        """Return why the activity does not count as held, or nothing."""
        if observation.label not in self._labels:
            return self._unknown_label(observation) or str(observation)
        if observation.age_s > self._max_age_s:
            return f'too old, {self._max_age_s:g} s are allowed: {observation}'
        if held_ns < 0:
            return f'not confident enough: {observation}'
        if held_ns < to_ns(self._for_s):
            return f'held for {held_ns / NANOSECONDS:.1f} of {self._for_s:g} s: {observation}'
        return ''

    def _unknown_label(self, observation: Observation) -> str:
        """Return a sentence when the recognizer has no such label, so the leaf fails for ever."""
        known = observation.report.scores if observation.report else {}
        unknown = [label for label in self._labels if known and label not in known]
        return unknown_key(unknown[0], known, "the recognizer's labels") if unknown else ''


def _listed(obstacles: Sequence[tuple[float, str]]) -> str:
    """Return why nobody does it, of the few who were heard of last, and how many more there are.

    Args:
        obstacles: of each person the age of the newest report, seconds, and what stands against it.
    """
    said = [text for _, text in sorted(obstacles, key=lambda obstacle: obstacle[0])]
    more = len(said) - _NAMED
    return '; '.join(said[:_NAMED]) + (f'; and {more} more' if more > 0 else '')


class WaitForActivity(ActivityHeld):
    """RUNNING until an activity has been held as :class:`ActivityHeld` asks, then SUCCESS.

    FAILURE when that takes longer than the timeout, on the feed's clock. Silence is waited through:
    put :class:`IsSilent` before it where a tree should react.
    """

    def __init__(
        self,
        name: str,
        feed: ActivityFeed | PeopleFeed,
        labels: str | Sequence[str],
        *,
        timeout_s: float = float('inf'),
        for_s: float = 0.0,
        min_confidence: float = 0.0,
        max_age_s: float = 1.0,
        subject: str = '',
        namespace: str = 'activity',
    ) -> None:
        """Create the leaf; without ``timeout_s`` it waits for ever.

        Args:
            name: of the leaf.
            feed: what it looks at.
            labels: as of :class:`ActivityHeld`.
            timeout_s: longest wait, seconds; without it there is no end.
            for_s: as of :class:`ActivityHeld`.
            min_confidence: likewise.
            max_age_s: likewise.
            subject: likewise.
            namespace: likewise.

        Raises:
            ConfigError: as of :class:`ActivityHeld`, or for a timeout that is not above 0.
        """
        super().__init__(
            name,
            feed,
            labels,
            for_s=for_s,
            min_confidence=min_confidence,
            max_age_s=max_age_s,
            subject=subject,
            namespace=namespace,
        )
        if not timeout_s > 0:
            raise ConfigError(f'{name}: timeout_s must be above 0, got {timeout_s}')
        self._timeout_s = timeout_s
        self._began_ns = 0

    def initialise(self) -> None:
        """Start the timeout."""
        self._began_ns = self._feed.now_ns()

    def update(self) -> Status:
        """Look at the newest report, then at the clock."""
        if super().update() is Status.SUCCESS:
            return Status.SUCCESS
        now_ns = self._feed.now_ns()
        if not 0 < self._began_ns <= now_ns:  # the clock was not set yet, or went back
            self._began_ns = now_ns
        waited_s = seconds_between(now_ns, self._began_ns)
        if waited_s < self._timeout_s:
            return Status.RUNNING
        self.feedback_message = f'gave up after {waited_s:.1f} s: {self.feedback_message}'
        return Status.FAILURE


class SituationIs(Behaviour):
    """Whether the situation is one of some: SUCCESS or FAILURE."""

    def __init__(
        self,
        name: str,
        feed: ActivityFeed | PeopleFeed,
        *situations: Situation,
        subject: str = '',
    ) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            situations: any of them is a success.
            subject: with a feed of people, the id of whom it is about.

        Raises:
            ConfigError: ``feed`` and ``subject`` do not go together.
        """
        super().__init__(name=name)
        self._feed = feed_of(name, feed, subject)
        self._situations = situations

    def update(self) -> Status:
        """Look at the situation now."""
        observation = self._feed.observe()
        self.feedback_message = str(observation)
        return Status.SUCCESS if observation.situation in self._situations else Status.FAILURE


class IsNone(SituationIs):
    """Whether somebody is watched who does nothing that the labels name."""

    def __init__(self, name: str, feed: ActivityFeed | PeopleFeed, *, subject: str = '') -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            subject: as of :class:`SituationIs`.
        """
        super().__init__(name, feed, Situation.NONE, subject=subject)


class IsUnknown(SituationIs):
    """Whether the recognizer has inputs and no label is probable enough."""

    def __init__(self, name: str, feed: ActivityFeed | PeopleFeed, *, subject: str = '') -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            subject: as of :class:`SituationIs`.
        """
        super().__init__(name, feed, Situation.UNKNOWN, subject=subject)


class HasNoData(SituationIs):
    """Whether the recognizer says that nothing reaches its inputs."""

    def __init__(self, name: str, feed: ActivityFeed | PeopleFeed, *, subject: str = '') -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            subject: as of :class:`SituationIs`.
        """
        super().__init__(name, feed, Situation.NO_DATA, subject=subject)


class IsSilent(SituationIs):
    """Whether the recognizer itself has sent nothing for the feed's ``silent_after_s``."""

    def __init__(self, name: str, feed: ActivityFeed | PeopleFeed, *, subject: str = '') -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            subject: as of :class:`SituationIs`.
        """
        super().__init__(name, feed, Situation.SILENT, subject=subject)
