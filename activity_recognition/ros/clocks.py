"""The time on a node's clock, as the integer that everything here counts in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.clock import Clock


def now_ns(clock: Clock) -> int:
    """Return the time on ``clock``, nanoseconds: ``clock.now()`` without its Time around it."""
    with clock.handle:
        return int(clock.handle.get_now().nanoseconds)
