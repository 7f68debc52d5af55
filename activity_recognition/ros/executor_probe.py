"""Finds out, in a process of its own, whether EventsExecutor works in this installation.

It is said to halve the executor's cost (rclpy#1391). In some releases its ``spin`` delivers nothing
and never returns, which only trying can tell. Writes the verdict into the file it is given, once
everything was delivered and ``spin`` has returned.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from std_msgs.msg import String

from activity_recognition.ros.executor_choice import WORKS

MESSAGES = 10
LIMIT_S = 10
"""How long the trial may take; a working executor needs a small part of it."""


def main() -> None:
    """Send messages to itself, under ``spin_once`` and under ``spin``, and stop from a thread."""
    # Ends the process even when the executor never gives the interpreter back.
    signal.alarm(LIMIT_S)
    rclpy.init(args=[])
    node = rclpy.create_node(f'executor_probe_{os.getpid()}')
    executor = EventsExecutor()
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
    Path(sys.argv[1]).write_text(WORKS, encoding='utf-8')


if __name__ == '__main__':
    main()
