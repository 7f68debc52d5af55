"""Nodes in processes of their own: whether they are there, and a first sign of their life."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor

from activity_recognition.ros.qos import LATCHED_QOS
from factories.timing import PATIENCE_S


def processes_with(word: str) -> list[int]:
    """Return the ids of running processes that have a word in their command line."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if word.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [pid for pid in found if pid != os.getpid()]


class Ears:
    """Waits for the labels that an active recogniser publishes."""

    def __init__(self, namespace: str) -> None:
        from activity_recognition.msg import ActivityLabels

        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node('ears', namespace=namespace, context=self.context)
        self.heard = threading.Event()
        self.node.create_subscription(
            ActivityLabels, 'activity_labels', lambda _: self.heard.set(), LATCHED_QOS
        )
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear no more."""
        self._executor.shutdown()
        self._thread.join(PATIENCE_S)
        self.node.destroy_node()
        self.context.try_shutdown()
