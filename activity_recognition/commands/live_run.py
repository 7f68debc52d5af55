"""Plays a recording through real topics into the recogniser, each in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activity_recognition.arguments import Value
from activity_recognition.commands.display import Display
from activity_recognition.commands.launcher import start_node
from activity_recognition.commands.processes import Child, Processes
from activity_recognition.commands.run import brought_up
from activity_recognition.commands.watching import REFRESH_S, Watch
from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.startup import absolute_name, player_spec, recognizer_spec

if TYPE_CHECKING:
    from activity_recognition.ros.monitor_node import MonitorNode

QUIET_LIMIT_S = 240.0
"""A run in which nothing happens for so long has failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveRun:
    """The nodes of one run."""

    processes: Processes
    values: Mapping[str, Value]
    logs: Path
    """Folder for what the nodes print."""
    recognizer: Child


def prepare(
    processes: Processes,
    values: Mapping[str, Value],
    logs: Path,
    parameters: Mapping[str, Value] | None = None,
) -> LiveRun:
    """Start the recogniser, which loads its model while the recording is made.

    Args:
        processes: what the nodes end with.
        values: of REPLAY_ARGUMENTS.
        logs: folder for what the nodes print.
        parameters: of the recogniser, before all others.
    """
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    from activity_recognition.ros.sources.recording_source import values_for_recognizer

    spec = brought_up(
        recognizer_spec(values_for_recognizer(values), use_sim_time=bool(values['clock'])),
        autostart=True,
    )
    recognizer = start_node(
        processes, spec.with_parameters(parameters or {}), output=logs / 'recognizer.log'
    )
    return LiveRun(processes=processes, values=values, logs=logs, recognizer=recognizer)


def play(run: LiveRun, watch: Watch, display: Display) -> None:
    """Play the recording and show the run until everything has been worked off.

    Args:
        run: the processes, ready to play.
        watch: collects what is published.
        display: shows it.

    Raises:
        ActivityRecognitionError: when a node ends, or nothing happens any more.
        Exception: what a callback of the monitor raised.
        KeyboardInterrupt: on Ctrl-C.
    """
    spec = player_spec(run.values).with_parameters({'playback.exit_at_end': False})
    start_node(run.processes, spec, output=run.logs / 'player.log')
    progress, changed_s = None, time.monotonic()
    while not watch.settled:
        ended = run.processes.wait(REFRESH_S)
        if ended is not None:
            raise ActivityRecognitionError(_epitaph(ended, run.logs))
        moment = watch.look()
        display.update(moment)
        if watch.player_state == 'failed':
            raise ActivityRecognitionError(f'the player failed: {moment.state}')
        now = (moment.view.decisions, moment.position_s, watch.player_state)
        if now != progress:
            progress, changed_s = now, time.monotonic()
        elif time.monotonic() - changed_s > QUIET_LIMIT_S:
            raise ActivityRecognitionError(
                f'nothing has happened for {QUIET_LIMIT_S:g} s; see the logs in {run.logs}'
            )


@contextmanager
def monitored(namespace: str) -> Iterator[MonitorNode]:
    """Run a monitor in a namespace while the block runs."""
    from activity_recognition.ros.monitor_node import Monitor

    with Monitor(['--ros-args', '-r', f'__ns:={absolute_name(namespace)}']) as node:
        yield node


@contextmanager
def ticking_tree(node: MonitorNode, say: Callable[[str], None]) -> Iterator[None]:
    """Run the example behaviour tree on a node while the block runs.

    It begins, ticks and ends in the thread that spins the node: trees are not made for several.

    Args:
        node: subscribes for the tree.
        say: called with the tree's actions, a sentence each.
    """
    from activity_recognition.behaviours.example_tree import ExampleTree

    def begin() -> tuple[ExampleTree, Any]:
        tree = ExampleTree(node, say=say)
        return tree, node.create_timer(1.0 / tree.config.tick_rate_hz, tree.tick)

    tree, timer = node.call(begin)

    def end() -> None:
        node.destroy_timer(timer)
        tree.close()

    try:
        yield
    finally:
        node.call(end)


def _epitaph(child: Child, logs: Path) -> str:
    """Return why a node ended, by the last line it printed."""
    log = logs / f'{child.name}.log'
    try:
        lines = [line for line in log.read_text(errors='replace').splitlines() if line.strip()]
    except OSError:
        lines = []
    last = f': {lines[-1].strip()}' if lines else ''
    return f'the node {child.name} {child.end}{last} (log: {log})'
