"""Which executor spins a node: EventsExecutor where a trial has shown that it works here.

The trial takes seconds where it fails, so no node waits for it: one that starts on an installation
of rclpy without a verdict starts the trial beside itself and spins a SingleThreadedExecutor; later
ones find the verdict in a file of the user's cache. A trial that is given up, or that a busy
machine made too slow to show anything, leaves no verdict: the next start tries again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import signal
import subprocess
import sys
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, SingleThreadedExecutor

from activity_recognition.cache_dir import cache_dir

CHOICE_VARIABLE = 'ACTIVITY_RECOGNITION_EXECUTOR'
"""Environment variable that decides without a trial: ``events`` or ``single``."""
WORKS, FAILS = 'works', 'fails'


def make_executor(context: Context | None = None) -> Executor:
    """Return an EventsExecutor where it is known to work, else a SingleThreadedExecutor."""
    choice = os.environ.get(CHOICE_VARIABLE) or _verdict()
    if choice in ('events', WORKS):
        from rclpy.experimental.events_executor import EventsExecutor

        return EventsExecutor(context=context)
    return SingleThreadedExecutor(context=context)


class Trial:
    """A trial of EventsExecutor in a process of its own, if it is still to be made."""

    def __init__(self) -> None:
        """Start it, unless there is a verdict; where another one is going on it ends at once."""
        self._process: subprocess.Popen[bytes] | None = None
        if os.environ.get(CHOICE_VARIABLE) or _verdict():
            return
        command = [sys.executable, '-m', 'activity_recognition.ros.executor_probe']
        try:
            path = verdict_file()
            path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):  # there is no place to write
            return
        self._process = subprocess.Popen(
            [*command, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self, timeout_s: float) -> None:
        """Wait until it is over.

        Raises:
            subprocess.TimeoutExpired: when it is not.
        """
        if self._process is not None:
            self._process.wait(timeout_s)

    def end(self) -> None:
        """Give it up if it is not over; another start will make it again."""
        if self._process is not None and self._process.poll() is None:
            # The whole session: the probe has processes of its own.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def verdict_file() -> Path:
    """Return the file that holds the verdict on the rclpy in use."""
    try:
        version = importlib.metadata.version('rclpy')
    except importlib.metadata.PackageNotFoundError:
        version = ''
    path = Path(rclpy.__file__)
    identity = f'{path} {version} {path.stat().st_mtime_ns}'
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return cache_dir() / f'events_executor-{digest}'


def _verdict() -> str:
    try:
        return verdict_file().read_text(encoding='utf-8').strip()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return ''
