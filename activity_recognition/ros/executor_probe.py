"""Finds out, in a process of its own, whether EventsExecutor works in this installation.

It is said to halve the executor's cost (rclpy#1391). In some releases its ``spin`` delivers nothing
and never returns, which only trying can tell. Exits with 0 when it delivered and stopped.
"""

from __future__ import annotations

import os
import threading
from typing import NoReturn

import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from std_msgs.msg import String

MESSAGES = 10
LIMIT_S = 2.0
"""How long delivering and stopping may take; a working executor needs a tenth of it."""


def main() -> NoReturn:
    """Send messages to itself under ``spin``, then shut down from another thread."""
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
    threading.Timer(LIMIT_S, os._exit, (1,)).start()
    while len(received) < MESSAGES // 2:
        executor.spin_once(timeout_sec=0.1)
    executor.spin()
    # Without the interpreter's end, which would wait for the timer.
    os._exit(0)


if __name__ == '__main__':
    main()
