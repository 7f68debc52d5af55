"""The node ``player``: plays a recording to live topics."""

from __future__ import annotations

from typing import Any, NoReturn

from activity_recognition.ros.playing.playback import Playback
from activity_recognition.ros.playing.playback_config import PlayerConfig
from activity_recognition.ros.playing.playback_process import (
    PlayingNode,
    end_process,
    play_until_finished,
)
from activity_recognition.ros.sources.recording_source import RecordingSource
from activity_recognition.ros.startup_parameters import read_once


class PlayerNode(PlayingNode):
    """Publishes a recording's messages as they were recorded.

    The topics that the recogniser takes go out as ``image``, ``audio``, ``audio_info`` and
    ``transcript``; where the recording has labels, they go out on ``activity_truth``.
    """

    def __init__(self, **options: Any) -> None:
        """Read the parameters and open the recording.

        Args:
            options: passed on to rclpy's Node.

        Raises:
            ConfigError: when a parameter is wrong.
            RecordingError: when the recording cannot be played.
        """
        super().__init__('player', **options)
        config = read_once(self, PlayerConfig)
        self.playback = Playback(self, RecordingSource(config), config.playback)


def main(args: list[str] | None = None) -> int:
    """Play until the end or Ctrl-C; return the exit status."""
    return play_until_finished(PlayerNode, args)


def program() -> NoReturn:
    """Be the executable: run the node, then end at once."""
    end_process(main())


if __name__ == '__main__':
    program()
