"""Watch what a recogniser decides.

Shows each decision with the evidence of every modality, its latency and, where a player or
simulator publishes it, the truth. It ends with the recording that is played, with Ctrl-C or
SIGTERM, or when no recogniser has been there for --patience seconds; the exit status is 1 where
there never was one. With --report it writes pages about the run into a folder. Without a terminal
it prints a line at every change.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from activity_recognition.commands.display import Display, make_display
from activity_recognition.commands.options import need_ros
from activity_recognition.commands.watching import REFRESH_S, Watch, run_metrics, write_pages

HELP = 'watch what a recogniser decides'
TAKES_ROS_ARGUMENTS = True
PATIENCE_S = 60.0
"""Longer than a recogniser needs to start where it compiles or exports its network."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how long to watch and what to keep of it."""
    parser.add_argument('--seconds', type=float, default=math.inf, help='stop after this long')
    parser.add_argument(
        '--patience',
        type=float,
        default=PATIENCE_S,
        metavar='SECONDS',
        help='end when no recogniser has been there for so long; inf waits for ever '
        f'(default: {PATIENCE_S:g})',
    )
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
    """Watch until nothing comes any more, the time is over, or Ctrl-C, which is no failure."""
    need_ros()
    from activity_recognition.console import PlainConsole
    from activity_recognition.ros.monitor_node import Monitor

    console, status = PlainConsole(), 0
    with Monitor(arguments.ros) as node:
        watch = Watch(
            node,
            title='Activity recognition',
            recognizer=arguments.recognizer,
            player=arguments.player,
        )
        display = make_display(console, quiet=arguments.quiet)
        patience = Patience(arguments.patience, time.monotonic)
        # Ctrl-C is how a robot's monitor usually ends.
        with display, contextlib.suppress(KeyboardInterrupt):
            follow(watch, display, seconds=arguments.seconds, patience=patience)
        if patience.over:
            print(f'monitor: {patience.sentence(watch.recognizer)}', file=sys.stderr)
            status = int(not patience.met)
        if arguments.report is not None:
            metrics = run_metrics(
                watch, node, title='Activity recognition', summary='A live run.', checks=[]
            )
            console.print(str(write_pages(arguments.report, metrics)), soft_wrap=True)
    return status


class Patience:
    """How long nobody has been there who decides."""

    def __init__(self, limit_s: float, clock: Callable[[], float]) -> None:
        """Begin to wait.

        Args:
            limit_s: how long nobody may be there; infinite waits for ever.
            clock: seconds, rising.
        """
        self._limit_s, self._clock = limit_s, clock
        self._seen_s = clock()
        self.met = False
        """Whether there ever was somebody."""

    def look(self, *, there: bool) -> None:
        """Note whether somebody is there."""
        if there:
            self.met, self._seen_s = True, self._clock()

    @property
    def over(self) -> bool:
        """Whether it is time to give up."""
        return self._clock() - self._seen_s >= self._limit_s

    def sentence(self, recognizer: str) -> str:
        """Say why."""
        if self.met:
            return f'the node {recognizer} ended {self._limit_s:g} s ago and nobody else decides'
        return (
            f'no node {recognizer} came within {self._limit_s:g} s, and nobody decides: start one '
            '(activity-recognition run or replay), look at what it said when it ended, name it by '
            '--recognizer or its namespace by --ros-args -r __ns:=/NAME, or wait longer with '
            '--patience'
        )


def follow(watch: Watch, display: Display, *, seconds: float, patience: Patience) -> None:
    """Show a run until what is played has been worked off, or nothing is to be expected.

    Args:
        watch: collects what is published.
        display: shows it.
        seconds: how long, at most.
        patience: for a recogniser that is not there.
    """
    end_s = time.monotonic() + seconds
    pause = threading.Event()
    while not watch.settled and time.monotonic() < end_s and not patience.over:
        display.update(watch.look())
        there = watch.recognizer_there
        patience.look(there=there)
        # As with replay: a recogniser that ends with the player reports no more that it is done.
        if watch.has_played and patience.met and not there:
            break
        pause.wait(min(REFRESH_S, max(0.0, end_s - time.monotonic())))
