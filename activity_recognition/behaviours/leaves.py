"""Leaves over what a recognizer reports. They read what is there and return at once.

Every leaf looks at an :class:`~activity_recognition.behaviours.feed.ActivityFeed`, which on a robot
is an :class:`~activity_recognition.behaviours.subscriber.ActivitySubscriber`.
"""

from __future__ import annotations

from collections.abc import Sequence

from py_trees.behaviour import Behaviour
from py_trees.common import Access, Status

from activity_recognition.behaviours.feed import ActivityFeed
from activity_recognition.behaviours.report import Observation, Situation
from activity_recognition.config_io import unknown_key
from activity_recognition.errors import ConfigError
from activity_recognition.types import NANOSECONDS, seconds_between, to_ns


class ToBlackboard(Behaviour):
    """Writes the newest report to the blackboard at every tick; always SUCCESS.

    The keys, under ``namespace``, are properties of
    :class:`~activity_recognition.behaviours.report.Observation`: nothing that was said before a
    silence is left standing.
    """

    KEYS = ('situation', 'status', 'label', 'confidence', 'stable_s', 'age_s', 'evidence')

    def __init__(self, name: str, feed: ActivityFeed, *, namespace: str = 'activity') -> None:
        """Create the leaf; give the feeds of several recognizers namespaces of their own.

        Args:
            name: of the leaf.
            feed: what it looks at.
            namespace: of the keys that it writes.
        """
        super().__init__(name=name)
        self._feed = feed
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
    """

    def __init__(
        self,
        name: str,
        feed: ActivityFeed,
        labels: str | Sequence[str],
        *,
        for_s: float = 0.0,
        min_confidence: float = 0.0,
        max_age_s: float = 1.0,
    ) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            labels: one or more activities.
            for_s: how long one of them has to have been held, seconds of sensor time.
            min_confidence: least confidence in every report, in [0, 1].
            max_age_s: greatest age of the newest report, seconds.

        Raises:
            ConfigError: without labels, or for a value out of range.
        """
        super().__init__(name=name)
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
        self._hold = feed.track(self._labels, min_confidence)

    def update(self) -> Status:
        """Look at the newest report."""
        held_ns = self._hold.held_ns
        observation = self._feed.observe()
        obstacle = self._obstacle(observation, held_ns)
        self.feedback_message = obstacle or str(observation)
        return Status.FAILURE if obstacle else Status.SUCCESS

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


class WaitForActivity(ActivityHeld):
    """RUNNING until an activity has been held as :class:`ActivityHeld` asks, then SUCCESS.

    FAILURE when that takes longer than the timeout, on the feed's clock. Silence is waited through:
    put :class:`IsSilent` before it where a tree should react.
    """

    def __init__(
        self,
        name: str,
        feed: ActivityFeed,
        labels: str | Sequence[str],
        *,
        timeout_s: float = float('inf'),
        for_s: float = 0.0,
        min_confidence: float = 0.0,
        max_age_s: float = 1.0,
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

        Raises:
            ConfigError: without labels, or for a value out of range.
        """
        super().__init__(
            name,
            feed,
            labels,
            for_s=for_s,
            min_confidence=min_confidence,
            max_age_s=max_age_s,
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

    def __init__(self, name: str, feed: ActivityFeed, *situations: Situation) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
            situations: any of them is a success.
        """
        super().__init__(name=name)
        self._feed = feed
        self._situations = situations

    def update(self) -> Status:
        """Look at the situation now."""
        observation = self._feed.observe()
        self.feedback_message = str(observation)
        return Status.SUCCESS if observation.situation in self._situations else Status.FAILURE


class IsNone(SituationIs):
    """Whether somebody is watched who does nothing that the labels name."""

    def __init__(self, name: str, feed: ActivityFeed) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
        """
        super().__init__(name, feed, Situation.NONE)


class IsUnknown(SituationIs):
    """Whether the recognizer has inputs and no label is probable enough."""

    def __init__(self, name: str, feed: ActivityFeed) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
        """
        super().__init__(name, feed, Situation.UNKNOWN)


class HasNoData(SituationIs):
    """Whether the recognizer says that nothing reaches its inputs."""

    def __init__(self, name: str, feed: ActivityFeed) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
        """
        super().__init__(name, feed, Situation.NO_DATA)


class IsSilent(SituationIs):
    """Whether the recognizer itself has sent nothing for the feed's ``silent_after_s``."""

    def __init__(self, name: str, feed: ActivityFeed) -> None:
        """Create the condition.

        Args:
            name: of the leaf.
            feed: what it looks at.
        """
        super().__init__(name, feed, Situation.SILENT)
