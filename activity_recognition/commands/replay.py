"""Play a recording into the recogniser.

Starts the nodes `player` and `recognizer`, as replay.launch.py does where there is launch. The
recording begins when the recogniser listens, and all ends with it; a node that is killed or fails
is the end as well, with its status. ROS arguments go to the recogniser. Watch it from another
terminal:
    activity-recognition monitor
"""

from __future__ import annotations

import argparse

from activity_recognition.commands.launcher import start_node
from activity_recognition.commands.options import add_options, need_ros, values_of
from activity_recognition.commands.processes import Processes
from activity_recognition.commands.run import brought_up, demand_named, status_of_first
from activity_recognition.startup import REPLAY_ARGUMENTS, player_spec, recognizer_spec

HELP = 'play a recording into the recogniser'
TAKES_ROS_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of replay.launch.py."""
    add_options(parser, REPLAY_ARGUMENTS)


def run(arguments: argparse.Namespace) -> int:
    """Play until the recording ends, one of the nodes fails, or Ctrl-C, which is no failure."""
    need_ros()
    values = values_of(arguments, REPLAY_ARGUMENTS)
    demand_named(values, arguments.ros)
    from activity_recognition.ros.sources.recording_source import values_for_recognizer

    recognizer = recognizer_spec(values_for_recognizer(values), use_sim_time=bool(values['clock']))
    with Processes() as processes:
        try:
            autostart = bool(values['autostart'])
            start_node(processes, brought_up(recognizer, autostart=autostart), extra=arguments.ros)
            start_node(processes, player_spec(values))
            return status_of_first(processes)
        except KeyboardInterrupt:
            return 0
