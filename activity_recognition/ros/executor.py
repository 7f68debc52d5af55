"""Running a node: signals, errors of callbacks, and an end within two seconds."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType, TracebackType
from typing import Protocol, TypeVar

import rclpy
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.ros.executor_choice import Trial, make_executor

WAKE_PERIOD_S = 0.2
"""Longest wait before a signal is noticed."""
END_LIMIT_S = 1.5
"""How long taking the node down may last before the process ends all the same."""
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


_Node = TypeVar('_Node', bound=RunnableNode)


def run(
    make_node: Callable[[], _Node],
    args: list[str] | None = None,
    *,
    start: Callable[[_Node], Future[None] | None] = lambda node: node.start(),
    status_after: Callable[[int], int] = lambda _: 0,
) -> int:
    """Run a node until SIGINT, SIGTERM or a shutdown of its context.

    Args:
        make_node: makes the node once ROS is initialised.
        args: command line with ROS arguments; None takes the process's own.
        start: starts the node where it starts itself; a future that it returns is done, while the
            node is spun, when the start has ended.
        status_after: the exit status after a signal of this number.

    Returns:
        The exit status: 0 after a shutdown, that of the error when the node starts itself and
        fails.
    """
    # Own handlers: those of rclpy would invalidate the context before a last message can be sent.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    node: _Node | None = None
    trial: Trial | None = None
    try:
        _handle_signals(_interrupt)
        executor = make_executor()
        trial = Trial()
        node = make_node()
        executor.add_node(node)
        _spin(node, executor, start(node) if node.autostart else None)
    except KeyboardInterrupt as interrupt:
        return status_after(interrupt.args[0] if interrupt.args else signal.SIGINT)
    except ExternalShutdownException:
        return 0
    except ActivityRecognitionError as error:
        # The node has logged the sentence.
        return error.exit_code
    finally:
        _handle_signals(signal.SIG_IGN)
        watchdog = _end_in_time()
        if trial is not None:
            trial.end()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        watchdog.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _spin(node: RunnableNode, executor: Executor, started: Future[None] | None) -> None:
    complaints = _Complaints(node)
    while rclpy.ok():
        if started is not None and started.done():
            started.result()  # raises what the start failed with
            started = None
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


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """End whatever the main thread is doing, once; later signals find the end in progress."""
    _handle_signals(signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _handle_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in _SIGNALS:
        signal.signal(number, handler)


def _end_in_time() -> threading.Timer:
    """End the process if taking it down hangs, be it in a driver or in the middleware."""
    watchdog = threading.Timer(END_LIMIT_S, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    return watchdog
