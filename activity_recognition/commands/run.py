"""Recognise activities on the topics of a robot.

Starts the lifecycle node `recognizer` and brings it to active, as activity_recognition.launch.py
does where there is launch. Ctrl-C ends it. When the node ends the command ends with its status, or
with --respawn starts it again. Watch it from another terminal:
    activity-recognition monitor
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from activity_recognition.arguments import Value
from activity_recognition.commands.launcher import start_node
from activity_recognition.commands.options import add_options, need_ros, values_of
from activity_recognition.commands.processes import Processes
from activity_recognition.frozen_networks import demand_checkpoint
from activity_recognition.startup import (
    RUN_ARGUMENTS,
    NodeSpec,
    recognizer_spec,
    respawn_delay_of,
    sim_time_of,
)

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
    demand_named(values, arguments.ros)
    spec = brought_up(spec, autostart=bool(values['autostart']))
    delay_s = respawn_delay_of(values)
    with Processes() as processes:
        try:
            while True:
                start_node(processes, spec, extra=arguments.ros)
                status = status_of_first(processes)
                if not values['respawn']:
                    return status
                print(f'starting {spec.name} again in {delay_s:g} s', file=sys.stderr)
                processes.wait(delay_s)
        except KeyboardInterrupt:
            return 0


def demand_named(values: Mapping[str, Value], ros: Sequence[str] = ()) -> None:
    """Refuse a checkpoint whose frozen networks are not here, before a node is started.

    Args:
        values: options by name; where they name no checkpoint, the node looks itself.
        ros: ROS arguments, which may name another checkpoint.

    Raises:
        WeightsError, MissingExtraError: a frozen network cannot run here.
    """
    named = values.get('checkpoint')
    if named and not any(word.startswith('checkpoint:=') for word in ros):
        demand_checkpoint(str(named))


def status_of_first(processes: Processes) -> int:
    """Wait for the first process that ends; say how it failed, and return its exit status.

    Raises:
        KeyboardInterrupt: on Ctrl-C or SIGTERM.
    """
    ended = processes.wait()
    if ended is None or ended.status == 0:
        return 0
    print(f'the node {ended.name} {ended.end}', file=sys.stderr)
    return ended.status


def brought_up(spec: NodeSpec, *, autostart: bool) -> NodeSpec:
    """Return the recogniser so that it brings itself to active, where no launch file does it.

    Args:
        spec: the node as a launch file starts it.
        autostart: whether it activates itself.
    """
    return spec.with_parameters({'autostart': autostart})
