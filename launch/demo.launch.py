"""Simulates a recording, plays it into the recogniser, and reports on the run."""

from launch import LaunchDescription

from activity_recognition.ros.launching import demo_actions, describe
from activity_recognition.startup import DEMO_ARGUMENTS


def generate_launch_description() -> LaunchDescription:
    return describe(DEMO_ARGUMENTS, demo_actions)
