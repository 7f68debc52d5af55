"""Say whether a running recogniser is well, for a watchdog.

Listens to /diagnostics until the recogniser reports. The exit status is 0 where it is active and
its engine works, also where inputs are missing or it is overloaded, which no restart cures. It is 1
where it is not active, its engine stalls or fails, or for --seconds it says nothing or loads its
model. Where shared memory is nearly full and killed processes hold some of it, that is said on
stderr. Example:
    activity-recognition health --seconds 10
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from typing import TYPE_CHECKING

from activity_recognition.commands.options import need_ros
from activity_recognition.errors import printable

if TYPE_CHECKING:
    from activity_recognition.ros.monitor_node import MonitorNode

HELP = 'say whether a running recogniser is well, for a watchdog'
TAKES_ROS_ARGUMENTS = True

ERROR_LEVEL = 2
"""As in diagnostic_msgs/DiagnosticStatus."""
LOOK_S = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare whom to ask and how long to wait."""
    parser.add_argument(
        '--recognizer',
        default='recognizer',
        metavar='NODE',
        help='the node to ask: its name in the namespace of this one, or its full name '
        '(default: recognizer)',
    )
    parser.add_argument(
        '--seconds', type=float, default=15.0, help='wait this long for a report (default: 15)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Listen, say in a sentence how it is, and return the exit status."""
    need_ros()
    from activity_recognition.ros.monitor_node import Monitor

    with Monitor(arguments.ros) as node:
        status, sentence = ask(node, arguments.recognizer, seconds=arguments.seconds)
    print(printable(f'{arguments.recognizer}: {sentence}'))
    warn_of_shared_memory()
    return status


def warn_of_shared_memory() -> None:
    """Say on stderr where images will soon find no room that processes which are gone hold."""
    from activity_recognition.config_io import shipped_file
    from activity_recognition.ros.shared_memory import look
    from activity_recognition.ros.transport import segment_bytes

    try:
        memory = look()
    except OSError:  # none here, or not to be read: images find another way
        return
    if memory.free_bytes < segment_bytes(shipped_file('fastdds.xml')) and memory.advice:
        words = f'{memory.free_bytes >> 20} MiB of shared memory are free, and {memory.advice}'
        print(words, file=sys.stderr)


def ask(node: MonitorNode, recognizer: str, *, seconds: float) -> tuple[int, str]:
    """Return the exit status and a sentence, from the first report within ``seconds``.

    A node that loads its model is given all of them.

    Args:
        node: listens to /diagnostics.
        recognizer: full name of the node asked about.
        seconds: how long to wait, at most.
    """
    from activity_recognition.ros.accounting import ENGINE_PART, STATE_PART

    pause, end_s = threading.Event(), time.monotonic() + seconds
    sentence = f'no word on /diagnostics for {seconds:g} s'
    while time.monotonic() < end_s:
        node.raise_failure()
        for part in (ENGINE_PART, STATE_PART):
            reports, values = node.status(recognizer, part)
            if not reports:
                continue
            if values.get('lifecycle state') == 'configuring':
                sentence = values['message']
            else:
                ill = part == STATE_PART or int(values['level']) >= ERROR_LEVEL
                return int(ill), values['message']
        pause.wait(LOOK_S)
    return 1, sentence
