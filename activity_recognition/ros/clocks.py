"""The time on a node's clock, as the integer that everything here counts in, and its timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.types import to_ns

if TYPE_CHECKING:
    from rclpy.clock import Clock
    from rclpy.timer import Timer


def now_ns(clock: Clock) -> int:
    """Return the time on ``clock``, nanoseconds: ``clock.now()`` without its Time around it."""
    with clock.handle:
        return int(clock.handle.get_now().nanoseconds)


def change_period(timer: Timer, period_s: float) -> None:
    """Change how often a timer calls; the next call may come earlier for it, but never later.

    So a timer whose period is changed more often than it calls still calls, which one that is made
    again each time would not.

    Args:
        timer: of a node.
        period_s: the new period, seconds.
    """
    period_ns = to_ns(period_s)
    if period_ns == timer.timer_period_ns:
        return
    timer.timer_period_ns = period_ns
    if timer.time_until_next_call() > period_ns:
        timer.reset()
