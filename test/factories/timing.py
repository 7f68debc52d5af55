"""The promise that things end within two seconds, kept where other work takes the cores away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

END_LIMIT_S = 2.0


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long an action took, seconds."""
    began_s = time.monotonic()
    action()
    return time.monotonic() - began_s


def check_ends_in_time(scenario: Callable[[], float]) -> None:
    """Run a scenario that returns how long an end took; it must be within the limit.

    One that took longer is run once more, with the reason printed: what else ran at that moment may
    have been why. The limit stays the same.
    """
    took_s = scenario()
    if took_s >= END_LIMIT_S:
        load = os.getloadavg()[0]
        print(f'the end took {took_s:.2f} s at a load of {load:.1f}; trying once more')
        took_s = scenario()
    assert took_s < END_LIMIT_S
