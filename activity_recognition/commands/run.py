"""Recognise activities on the topics of a robot.

Starts the lifecycle node `recognizer` and brings it to active, as activity_recognition.launch.py
does where there is launch. Ctrl-C ends it. Watch it from another terminal:
    activity-recognition monitor
"""

from __future__ import annotations

import argparse

from activity_recognition.commands.launcher import start_node
from activity_recognition.commands.options import add_options, need_ros, values_of
from activity_recognition.commands.processes import Processes
from activity_recognition.startup import RUN_ARGUMENTS, NodeSpec, recognizer_spec, sim_time_of

HELP = 'recognise activities on the topics of a robot'
TAKES_ROS_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of activity_recognition.launch.py."""
    add_options(parser, RUN_ARGUMENTS)


def run(arguments: argparse.Namespace) -> int:
    """Run the recogniser until it ends or Ctrl-C, which is no failure."""
    need_ros()
    values = values_of(arguments, RUN_ARGUMENTS)
    spec = recognizer_spec(values, use_sim_time=sim_time_of(values))
    with Processes() as processes:
        try:
            start_node(
                processes,
                brought_up(spec, autostart=bool(values['autostart'])),
                extra=arguments.ros,
            )
            ended = processes.wait()
        except KeyboardInterrupt:
            return 0
        return ended.status if ended else 0


def brought_up(spec: NodeSpec, *, autostart: bool) -> NodeSpec:
    """Return the recogniser so that it brings itself to active, where no launch file does it."""
    return spec.with_parameters({'autostart': autostart})
