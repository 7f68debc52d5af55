"""Running a node: the executor that works here, signals, and an end within two seconds."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Protocol

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from activity_recognition.errors import ActivityRecognitionError

WAKE_PERIOD_S = 0.2
"""Longest wait before a signal is noticed."""
END_LIMIT_S = 1.5
"""How long taking the node down may last before the process ends all the same."""
PROBE_LIMIT_S = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunnableNode(Protocol):
    """A node that can bring itself up and down."""

    autostart: bool

    def start(self) -> None:
        """Bring it to its working state; raises ActivityRecognitionError when it cannot."""
        ...

    def destroy_node(self) -> None:
        """Take it down, from any state."""
        ...


def run(make_node: Callable[[], RunnableNode], args: list[str] | None = None) -> int:
    """Run a node until SIGINT, SIGTERM or a shutdown of its context.

    Args:
        make_node: makes the node once ROS is initialised.
        args: command line with ROS arguments; None takes the process's own.

    Returns:
        The exit status: 0 after a signal, that of the error when the node starts itself and fails.
    """
    # Own handlers: those of rclpy would invalidate the context before a last message can be sent.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    node: RunnableNode | None = None
    try:
        _handle_signals(_interrupt)
        node = make_node()
        if node.autostart:
            node.start()
        _spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except ActivityRecognitionError as error:
        # The node has logged the sentence.
        return error.exit_code
    finally:
        _handle_signals(signal.SIG_IGN)
        watchdog = _end_in_time()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        watchdog.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _spin(node: RunnableNode) -> None:
    executor = make_executor()
    executor.add_node(node)
    complaints = _Complaints(node)
    while rclpy.ok():
        with complaints:
            # Waits in C are not interrupted by Python's signal handlers, hence short ones.
            executor.spin_once(timeout_sec=WAKE_PERIOD_S)


class _Complaints:
    """Logs what a callback raises, at most once a second: its bug must not end the node."""

    def __init__(self, node: RunnableNode) -> None:
        self._node = node
        self._next_s = 0.0

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, ExternalShutdownException):
            return False
        if time.monotonic() >= self._next_s and isinstance(self._node, Node):
            self._next_s = time.monotonic() + 1.0
            text = ''.join(traceback.format_exception(kind, error, trace))
            self._node.get_logger().error(text)
        return True


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End whatever the main thread is doing, once; later signals find the end in progress."""
    _handle_signals(signal.SIG_IGN)
    raise KeyboardInterrupt


def _handle_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in _SIGNALS:
        signal.signal(number, handler)


def _end_in_time() -> threading.Timer:
    """End the process if taking it down hangs, be it in a driver or in the middleware."""
    watchdog = threading.Timer(END_LIMIT_S, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    return watchdog


def make_executor() -> Executor:
    """Return an EventsExecutor where it is known to work, else a SingleThreadedExecutor.

    The environment variable ``ACTIVITY_RECOGNITION_EXECUTOR`` (``events`` or ``single``) decides
    without trying.
    """
    choice = os.environ.get('ACTIVITY_RECOGNITION_EXECUTOR', '')
    if choice == 'events' or (choice != 'single' and events_executor_works()):
        from rclpy.experimental.events_executor import EventsExecutor

        return EventsExecutor()
    return SingleThreadedExecutor()


@functools.cache
def events_executor_works() -> bool:
    """Return whether EventsExecutor delivers and stops here; tried once per installed rclpy."""
    verdicts = _read_verdicts()
    key = _installation()
    if key not in verdicts:
        verdicts[key] = _probe()
        _write_verdicts(verdicts)
    return verdicts[key]


def _probe() -> bool:
    environment = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    command = [sys.executable, '-m', 'activity_recognition.ros.executor_probe']
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=PROBE_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _installation() -> str:
    """Return what identifies the rclpy in use."""
    try:
        version = importlib.metadata.version('rclpy')
    except importlib.metadata.PackageNotFoundError:
        version = ''
    path = Path(rclpy.__file__)
    return f'{path} {version} {path.stat().st_mtime_ns}'


def _verdict_file() -> Path:
    folder = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(folder) / 'activity_recognition' / 'events_executor.json'


def _read_verdicts() -> dict[str, bool]:
    try:
        verdicts = json.loads(_verdict_file().read_text(encoding='utf-8'))
    except (OSError, ValueError, RuntimeError):
        return {}
    return verdicts if isinstance(verdicts, dict) else {}


def _write_verdicts(verdicts: dict[str, bool]) -> None:
    """Keep the verdicts; where nothing can be written, the next start tries again."""
    try:
        path = _verdict_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(verdicts), encoding='utf-8')
    except (OSError, RuntimeError):
        return
