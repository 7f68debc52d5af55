"""Plays a recording into the recogniser: replay.launch.py bag:=PATH."""

from launch import LaunchDescription

from activity_recognition.ros.launching import describe, player_actions, recognizer_actions
from activity_recognition.startup import REPLAY_ARGUMENTS


def generate_launch_description() -> LaunchDescription:
    return describe(
        REPLAY_ARGUMENTS,
        lambda values: [
            *recognizer_actions(values, use_sim_time=bool(values['clock'])),
            *player_actions(values),
        ],
    )
