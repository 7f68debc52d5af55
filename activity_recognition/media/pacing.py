"""A clock that can be paused, and that wakes its one player when a message is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pacer:
    """Track time: nanoseconds since the playback began, at ``rate`` of real time, without pauses.

    It hangs on one anchor of the monotonic clock, so neither waits nor late wake-ups add up to a
    drift. Thread-safe.
    """

    def __init__(self, rate: float = 1.0, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Make a pacer that stands still at 0.

        Args:
            rate: track seconds per real second, above 0.
            clock: a monotonic clock in nanoseconds.
        """
        self._rate = rate
        self._clock = clock
        self._changed = threading.Condition()
        self._anchor_ns = 0
        self._track_ns = 0.0
        self._running = False
        self._stopped = False

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        with self._changed:
            return not self._running

    @property
    def is_stopped(self) -> bool:
        """Whether every wait has ended."""
        with self._changed:
            return self._stopped

    def now_ns(self) -> int:
        """Return the track time."""
        with self._changed:
            return int(self._now())

    def resume(self) -> None:
        """Go on; harmless when it is running."""
        with self._changed:
            if not self._running:
                self._anchor_ns = self._clock()
                self._running = True
                self._changed.notify_all()

    def pause(self) -> None:
        """Stand still; harmless when it does."""
        with self._changed:
            self._track_ns = self._now()
            self._running = False
            self._changed.notify_all()

    def set(self, track_ns: int) -> None:
        """Go on from another track time.

        Args:
            track_ns: what it is now.
        """
        with self._changed:
            self._track_ns = track_ns
            self._anchor_ns = self._clock()
            self._changed.notify_all()

    def stop(self) -> None:
        """End every wait, now and from now on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait_until(self, track_ns: int) -> bool:
        """Sleep until ``track_ns`` is reached; return False when the pacer was stopped."""
        with self._changed:
            while not self._stopped:
                if not self._running:
                    self._changed.wait()
                    continue
                left_ns = (track_ns - self._now()) / self._rate
                if left_ns <= 0:
                    return True
                self._changed.wait(left_ns / 1e9)
            return False

    def _now(self) -> float:
        if not self._running:
            return self._track_ns
        return self._track_ns + (self._clock() - self._anchor_ns) * self._rate
