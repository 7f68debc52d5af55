"""When a decision is due: at a frame that enters a new cell of the grid, or at the timer.

The grid lies on sensor time, so that two runs over one recording decide at the same frames. The
timer takes over when frames stay away: half a period late for the first time (a camera at just the
grid's rate must not trigger both), then once a period.
"""

from __future__ import annotations

from activity_recognition.config import SyncConfig
from activity_recognition.types import NANOSECONDS, to_ns

IDLE_RATE_HZ = 10.0
"""Rate of the timer where ``decision_rate_hz`` is 0 and every frame decides."""


class DecisionSchedule:
    """The decision grid and the timer behind it.

    The decisions' times increase; only where the camera's clock and the node's lie
    ``reset_after_s`` or more apart may they step back, when one takes over from the other.
    """

    def __init__(self, config: SyncConfig) -> None:
        self._every_frame = False
        self._period_ns = self._grace_ns = 0
        self._tolerance_ns = to_ns(config.reset_after_s)
        self._cell: int | None = None
        self._last_t_ns: int | None = None
        self.due_ns: int | None = None
        """When the timer decides if no frame comes before; None before the first sample."""
        self.update(config)

    def update(self, config: SyncConfig) -> None:
        """Take over the rate; the grid starts again when it differs."""
        rate_hz = config.decision_rate_hz
        period_ns = round(NANOSECONDS / (rate_hz or IDLE_RATE_HZ))
        if period_ns != self._period_ns or self._every_frame != (rate_hz == 0):
            self._cell = None
        self._every_frame = rate_hz == 0
        self._period_ns = period_ns
        self._grace_ns = period_ns + period_ns // 2

    @property
    def period_s(self) -> float:
        """Time between two decisions of the timer."""
        return self._period_ns / NANOSECONDS

    def reset(self) -> None:
        """Forget all decisions: a new time line begins."""
        self._cell = None
        self._last_t_ns = None
        self.due_ns = None

    def begin(self, arrival_ns: int) -> None:
        """Start the timer, with the first sample, whatever it is."""
        self.due_ns = arrival_ns + self._grace_ns

    def on_frame(self, stamp_ns: int, arrival_ns: int) -> bool:
        """Note an admitted frame; return whether a decision at its stamp is due.

        Args:
            stamp_ns: of the frame.
            arrival_ns: when it could be known.
        """
        self.due_ns = arrival_ns + self._grace_ns
        cell = stamp_ns if self._every_frame else stamp_ns // self._period_ns
        if cell == self._cell or not self._accept(stamp_ns):
            return False
        self._cell = cell
        return True

    def on_timer(self, now_ns: int) -> bool:
        """Return whether the timer decides now; the first call of all does."""
        due_ns = now_ns if self.due_ns is None else self.due_ns
        if now_ns < due_ns:
            return False
        # A call that is a little late must not lower the rate.
        is_late = now_ns - due_ns > self._period_ns // 2
        self.due_ns = (now_ns if is_late else due_ns) + self._period_ns
        return self._accept(now_ns)

    def _accept(self, t_ns: int) -> bool:
        """Refuse a time just behind the last decision: frames are older than the timer's now."""
        last = self._last_t_ns
        if last is not None and 0 <= last - t_ns < self._tolerance_ns:
            return False
        self._last_t_ns = t_ns
        return True
