"""When to try again: soon at first, then ever more rarely, and not for ever."""

from __future__ import annotations

from activity_recognition.media.pacing import Pacer
from activity_recognition.types import to_ns

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0
"""How long to wait before the first attempt, and at most; it doubles from attempt to attempt."""
STEADY_S = 10.0
"""A connection that lasts so long is a success. One that ends sooner may be a short file, sent
without its length: to begin it over and over would never end."""


class Backoff:
    """Waits between attempts, on a clock that may be stopped meanwhile."""

    def __init__(self, pacer: Pacer, patience_s: float) -> None:
        """Begin with all patience.

        Args:
            pacer: the clock; its end is the end of the waiting.
            patience_s: for how long to try from the first wait after a success on, seconds; 0 does
                not try. No attempt begins later.
        """
        self._pacer, self._patience_s = pacer, patience_s
        self.reset()

    @property
    def is_wanted(self) -> bool:
        """Whether there is to be any attempt at all."""
        return self._patience_s > 0

    def reset(self) -> None:
        """Note a success."""
        self._last_ns: int | None = None
        self._next_ns = to_ns(FIRST_WAIT_S)

    def wait(self) -> bool:
        """Wait for the next attempt; return False where there is none."""
        now_ns = self._pacer.now_ns()
        if self._last_ns is None:
            self._last_ns = now_ns + to_ns(self._patience_s)
        # The attempts take time of it, too.
        left_ns = self._last_ns - now_ns
        if left_ns <= 0:
            return False
        wait_ns = min(self._next_ns, left_ns)
        self._next_ns = min(2 * self._next_ns, to_ns(LONGEST_WAIT_S))
        return self._pacer.wait_until(now_ns + wait_ns)
