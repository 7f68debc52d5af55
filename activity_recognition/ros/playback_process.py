"""The process around a playing node: start, spin, end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from activity_recognition.errors import ActivityRecognitionError, RecordingError
from activity_recognition.ros.playback import Playback


class PlayingNode(Protocol):
    """A node with something to play."""

    playback: Playback

    def destroy_node(self) -> None:
        """Take the node down."""


def play_until_finished(make_node: Callable[[], PlayingNode], args: list[str] | None) -> int:
    """Play until the source ends, or until Ctrl-C, which is no failure.

    Args:
        make_node: makes the node, which plays from now on.
        args: command line with ROS arguments; None takes the process's own.

    Returns:
        The exit status. An error of the package is printed as one sentence.
    """
    rclpy.init(args=args)
    try:
        return _play(make_node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except ActivityRecognitionError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    finally:
        rclpy.try_shutdown()


def _play(make_node: Callable[[], PlayingNode]) -> int:
    node = make_node()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    playback = node.playback
    try:
        playback.start()
        if playback.config.exit_at_end:
            executor.spin_until_future_complete(playback.finished)
        else:
            executor.spin()
        return RecordingError.exit_code if playback.statistics.error else 0
    finally:
        executor.shutdown(timeout_sec=0.5)
        playback.close()
        node.destroy_node()
