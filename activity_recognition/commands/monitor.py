"""Watch what a recogniser decides.

Shows each decision with the evidence of every modality, its latency and, where a player or
simulator publishes it, the truth. It ends with the recording that is played, or with Ctrl-C. With
--report it writes pages about the run into a folder. Without a terminal it prints a line at every
change.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import threading
import time
from pathlib import Path

from activity_recognition.commands.display import Display, make_display
from activity_recognition.commands.options import need_ros
from activity_recognition.commands.watching import REFRESH_S, Watch, run_metrics, write_pages

HELP = 'watch what a recogniser decides'
TAKES_ROS_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how long to watch and what to keep of it."""
    parser.add_argument('--seconds', type=float, default=math.inf, help='stop after this long')
    parser.add_argument('--report', type=Path, help='folder for report.html and metrics.json')
    for role, does in (('recognizer', 'decides'), ('player', 'plays, such as simulator')):
        parser.add_argument(
            f'--{role}',
            default=role,
            metavar='NODE',
            help=f'the node that {does}: its name in the namespace of the monitor, or its full '
            f'name (default: {role})',
        )
    parser.add_argument('--quiet', action='store_true', help='show nothing meanwhile')


def run(arguments: argparse.Namespace) -> int:
    """Watch until the recording ends, the time is over, or Ctrl-C, which is no failure."""
    need_ros()
    from activity_recognition.console import PlainConsole
    from activity_recognition.ros.monitor_node import Monitor

    console = PlainConsole()
    with Monitor(arguments.ros) as node:
        watch = Watch(
            node,
            title='Activity recognition',
            recognizer=arguments.recognizer,
            player=arguments.player,
        )
        display = make_display(console, quiet=arguments.quiet)
        # Ctrl-C is how a robot's monitor usually ends.
        with display, contextlib.suppress(KeyboardInterrupt):
            follow(watch, display, seconds=arguments.seconds)
        if arguments.report is not None:
            metrics = run_metrics(
                watch, node, title='Activity recognition', summary='A live run.', checks=[]
            )
            console.print(str(write_pages(arguments.report, metrics)), soft_wrap=True)
    return 0


def follow(watch: Watch, display: Display, *, seconds: float) -> None:
    """Show a run until what is played has been worked off, or ``seconds`` are over.

    Args:
        watch: collects what is published.
        display: shows it.
        seconds: how long, at most.
    """
    end_s = time.monotonic() + seconds
    pause = threading.Event()
    while not watch.settled and time.monotonic() < end_s:
        display.update(watch.look())
        pause.wait(min(REFRESH_S, max(0.0, end_s - time.monotonic())))
