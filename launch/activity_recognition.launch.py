"""Starts the recogniser on the topics of a robot and brings it to active."""

from launch import LaunchDescription

from activity_recognition.ros.launching import describe, recognizer_actions
from activity_recognition.startup import RUN_ARGUMENTS, sim_time_of


def generate_launch_description() -> LaunchDescription:
    return describe(
        RUN_ARGUMENTS,
        lambda values: recognizer_actions(values, use_sim_time=sim_time_of(values)),
    )
