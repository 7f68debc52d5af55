"""A node that plays, and the process around it: start, spin, end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from rclpy.node import Node

from activity_recognition.errors import ActivityRecognitionError, RecordingError
from activity_recognition.ros.executor import run
from activity_recognition.ros.playing.playback import Playback


class PlayingNode(Node):
    """A node that begins to play when it is started and stops when it is destroyed."""

    playback: Playback
    autostart = True
    """Always: it has nothing to wait for but its subscribers."""

    def start(self) -> None:
        """Begin to play; at the end the process ends, if it is meant to."""
        if self.playback.config.exit_at_end:
            self.playback.finished.add_done_callback(self._end)
        self.playback.start()

    def destroy_node(self) -> None:
        """Stop playing and take the node down."""
        if hasattr(self, 'playback'):
            self.playback.close()
        super().destroy_node()

    def _end(self, _: Any) -> None:
        self.context.try_shutdown()


def end_process(status: int) -> NoReturn:
    """End this process at once, everything having been given up.

    The interpreter's own teardown of the loaded libraries takes longer than all of it, and a second
    Ctrl-C would meet it without a handler.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def play_until_finished(make_node: Callable[[], PlayingNode], args: list[str] | None) -> int:
    """Play until the source ends, or until Ctrl-C, which is no failure.

    SIGTERM is one before the end: whoever waits for the recording must not take it for played.

    Args:
        make_node: makes the node.
        args: command line with ROS arguments; None takes the process's own.

    Returns:
        The exit status. An error of the package is printed as one sentence.
    """
    nodes: list[PlayingNode] = []

    def make() -> PlayingNode:
        try:
            nodes.append(make_node())
        except ActivityRecognitionError as error:
            print(error, file=sys.stderr)
            raise
        return nodes[0]

    def status_after(number: int) -> int:
        played = nodes and nodes[0].playback.finished.done()
        return 0 if played or number == signal.SIGINT else 128 + number

    status = run(make, args, status_after=status_after)
    failed = any(node.playback.statistics.error for node in nodes)
    return status or (RecordingError.exit_code if failed else 0)
