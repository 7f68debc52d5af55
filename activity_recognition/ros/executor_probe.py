"""Finds out, in processes of its own, whether EventsExecutor works in this installation.

It is said to halve the executor's cost (rclpy#1391). In some releases its ``spin`` delivers nothing
and never returns, which only a trial shows. SingleThreadedExecutor does the same task first:
where the machine is too slow even for that, nothing is said of EventsExecutor.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from activity_recognition.ros.executor_choice import FAILS, WORKS

MESSAGES = 10
LIMIT_S = 10.0
"""How long the task may take; a working executor on an idle machine needs a small part of it."""
SLOWER = 5.0
"""How many times as long as SingleThreadedExecutor an executor may take in any case."""
_PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

Attempt = Callable[[str, float], bool]
"""Has an executor, ``single`` or ``events``, do the task within seconds; prints whether it did.

Raises subprocess.TimeoutExpired when the time is over.
"""


def main(path: Path) -> None:
    """Write a verdict into a file, unless another process is about to."""
    with path.with_suffix('.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        verdict = judge(attempt)
        if verdict:
            path.write_text(verdict, encoding='utf-8')


def judge(attempt: Attempt) -> str:
    """Return whether EventsExecutor works or fails; nothing where that is open now."""
    began_s = time.monotonic()
    try:
        able = attempt('single', LIMIT_S)
    except subprocess.TimeoutExpired:
        return ''
    if not able:
        return ''
    limit_s = max(LIMIT_S, SLOWER * (time.monotonic() - began_s))
    try:
        return WORKS if attempt('events', limit_s) else FAILS
    except subprocess.TimeoutExpired:
        return FAILS  # the machine is able, so it hangs


def attempt(kind: str, limit_s: float) -> bool:
    """Have an executor do the task in a process without communication with others.

    Args:
        kind: of executor, ``single`` or ``events``.
        limit_s: longest duration, seconds.
    """
    environment = {key: value for key, value in os.environ.items() if key not in _PROFILES}
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'OFF'
    command = [sys.executable, '-m', 'activity_recognition.ros.executor_probe', '--try', kind]
    # Kills it at the limit, also where it never gives the interpreter back.
    done = subprocess.run(command, env=environment, timeout=limit_s, check=False)
    return done.returncode == 0


def perform(kind: str) -> None:
    """Send messages to itself, under ``spin_once`` and under ``spin``, and stop from a thread."""
    import rclpy
    from std_msgs.msg import String

    if kind == 'events':
        from rclpy.experimental.events_executor import EventsExecutor as Executor
    else:
        from rclpy.executors import SingleThreadedExecutor as Executor

    rclpy.init(args=[])
    node = rclpy.create_node(f'executor_probe_{os.getpid()}')
    executor = Executor()
    executor.add_node(node)
    received: list[bytes] = []
    delivered = threading.Event()

    def receive(cdr: bytes) -> None:
        received.append(cdr)
        if len(received) == MESSAGES:
            delivered.set()

    publisher = node.create_publisher(String, '~/echo', 10)
    node.create_subscription(String, '~/echo', receive, 10, raw=True)
    node.create_timer(0.01, lambda: publisher.publish(String(data='probe')))

    def stop() -> None:
        delivered.wait()
        executor.shutdown()

    threading.Thread(target=stop, daemon=True).start()
    while len(received) < MESSAGES // 2:
        executor.spin_once(timeout_sec=0.1)
    executor.spin()
    os._exit(0)  # nothing of the teardown belongs to the task


if __name__ == '__main__':
    if sys.argv[1] == '--try':
        perform(sys.argv[2])
    else:
        main(Path(sys.argv[1]))
