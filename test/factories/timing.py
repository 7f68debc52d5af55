"""Waiting, and the promise that things end within two seconds, on machines that may be busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

END_LIMIT_S = 2.0
PATIENCE_S = 300.0
"""For what an idle machine does at once, or within seconds: only a defect waits for so long."""


def seconds_of(action: Callable[[], object]) -> float:
    """Return how many seconds of a core passed during an action.

    A thread computes all the while: the time that it got of a core is the time that the action
    could have had of one. On an idle machine that is the time on the clock; where other work takes
    the cores away, it is what is left, and waiting for nothing counts in full on both.
    """
    ended, got_s = threading.Event(), []

    def compute() -> None:
        began_s = time.thread_time()
        while not ended.is_set():
            sum(range(1000))
        got_s.append(time.thread_time() - began_s)

    yardstick = threading.Thread(target=compute, name='yardstick', daemon=True)
    yardstick.start()
    try:
        action()
    finally:
        ended.set()
        yardstick.join()
    return got_s[0]


def check_ends_in_time(took_s: float) -> None:
    """Check what :func:`seconds_of` returned of an end."""
    assert took_s < END_LIMIT_S
