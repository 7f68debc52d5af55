"""The newest report and how long ago it was received: what callbacks write and ticks read."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable

from activity_recognition.behaviours.hold import Hold
from activity_recognition.behaviours.report import Observation, Report, Situation
from activity_recognition.errors import ConfigError
from activity_recognition.types import seconds_between, to_ns


class ActivityFeed:
    """Caches the newest report; thread-safe, and never waits for one.

    Where the clock goes back (a simulation that starts again, a recording that loops), everything
    is forgotten. A step back of less than ``silent_after_s``, as of a clock that is being set,
    changes nothing.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        *,
        silent_after_s: float = 2.0,
        is_of_person: bool = False,
    ) -> None:
        """Begin to listen.

        Args:
            clock: the time by which reports are stamped, nanoseconds; 0 while it is not known.
            silent_after_s: without a report for this long the situation is SILENT.
            is_of_person: whether all reports are about one person, and not about the scene.

        Raises:
            ConfigError: when ``silent_after_s`` is not above 0.
        """
        if not silent_after_s > 0:
            raise ConfigError(f'silent_after_s must be above 0, got {silent_after_s}')
        self._clock, self._is_of_person = clock, is_of_person
        self._silent_after_ns = to_ns(silent_after_s)
        self._lock = threading.Lock()
        self._report: Report | None = None
        self._received_ns = clock()
        self._holds: weakref.WeakSet[Hold] = weakref.WeakSet()

    def now_ns(self) -> int:
        """Return the feed's time."""
        return self._clock()

    def push(self, report: Report) -> None:
        """Take a report that has just been received."""
        with self._lock:
            self._forget_if_clock_went_back(self._clock())
            self._report = report
            self._received_ns = self._clock()
            for hold in self._holds:
                hold.update(report)

    def observe(self) -> Observation:
        """Return the newest report as it is to be seen now."""
        with self._lock:
            now_ns = self._clock()
            self._forget_if_clock_went_back(now_ns)
            report, received_ns = self._report, self._received_ns
        silence_s = max(0.0, seconds_between(now_ns, received_ns))
        since_stamp_s = seconds_between(now_ns, report.stamp_ns) if report else float('inf')
        age_s = max(since_stamp_s, silence_s)
        if now_ns - received_ns > self._silent_after_ns:
            situation, report = Situation.SILENT, None
        else:
            situation = report.situation if report else Situation.WAITING
        return Observation(
            situation=situation,
            report=report,
            age_s=age_s,
            silence_s=silence_s,
            is_of_person=self._is_of_person,
        )

    def track(self, labels: Iterable[str], min_confidence: float) -> Hold:
        """Return what follows every report from now on, for as long as it is referred to.

        Args:
            labels: any of them counts.
            min_confidence: least confidence in every report, in [0, 1].
        """
        hold = Hold(labels, min_confidence)
        with self._lock:
            if self._report is not None:
                hold.update(self._report)
            self._holds.add(hold)
        return hold

    def _forget_if_clock_went_back(self, now_ns: int) -> None:
        clock_began = self._received_ns == 0 and self._report is None
        if not clock_began and now_ns >= self._received_ns - self._silent_after_ns:
            return
        self._report = None
        self._received_ns = now_ns
        for hold in self._holds:
            hold.clear()
