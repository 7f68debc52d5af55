"""Plays a recording into the recogniser: replay.launch.py bag:=PATH."""

from launch import LaunchDescription

from activity_recognition.ros.launching import describe, replay_actions
from activity_recognition.startup import REPLAY_ARGUMENTS


def generate_launch_description() -> LaunchDescription:
    return describe(REPLAY_ARGUMENTS, replay_actions)
