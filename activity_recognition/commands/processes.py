"""A small process supervisor: starts nodes, watches them, and leaves none behind."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

from activity_recognition.startup import describe_end

POLITE_S = 1.5
"""After SIGTERM a process may end by itself for this long, then it is killed: Ctrl-C may take two
seconds in all. A process that is still starting ends at once, without the traceback of a SIGINT."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SETPRIV = shutil.which('setpriv')
_DIE_WITH_PARENT = (_SETPRIV, '--pdeathsig', 'KILL', '--') if _SETPRIV else ()
"""Becomes the program after asking the kernel to end it with this process (util-linux)."""


@dataclass(frozen=True, slots=True)
class Child:
    """A started process."""

    name: str
    process: subprocess.Popen[bytes]

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    @property
    def status(self) -> int:
        """Exit status of an ended one, as a shell gives it: 128 and the number of a signal."""
        code = self.process.wait()
        return code if code >= 0 else 128 - code

    @property
    def end(self) -> str:
        """How an ended one ended, as the verb of a sentence."""
        return describe_end(self.process.wait())


class Processes:
    """Child processes that end with the block they were started in.

    Each gets a session of its own, so that a Ctrl-C reaches them once, from here. SIGTERM to this
    process counts as Ctrl-C. Where util-linux is, the kernel ends them should this process be
    killed.
    """

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._ended: queue.SimpleQueue[Child] = queue.SimpleQueue()
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Processes:
        self._previous = {number: signal.getsignal(number) for number in _SIGNALS}
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # the end is in progress
        try:
            self.stop()
        finally:
            for previous, handler in self._previous.items():
                signal.signal(previous, handler)  # type: ignore[arg-type]

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> Child:
        """Start a process; call it from the main thread.

        Args:
            name: what to call it.
            command: program and arguments.
            environment: variables to add to this process's own.
            output: file for what it prints; None lets it print where this process does.
        """
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
        target: IO[bytes] | None = output.open('wb') if output is not None else None
        try:
            process = subprocess.Popen(
                [*_DIE_WITH_PARENT, *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.STDOUT if target is not None else None,
                start_new_session=True,
            )
        finally:
            if target is not None:
                target.close()
        child = Child(name, process)
        self._children.append(child)
        threading.Thread(target=self._watch, args=(child,), daemon=True).start()
        return child

    @property
    def running(self) -> tuple[Child, ...]:
        """The processes that have not ended."""
        return tuple(child for child in self._children if child.running)

    def wait(self, timeout_s: float | None = None) -> Child | None:
        """Return the next process that ends; None when none has within ``timeout_s``.

        Raises:
            KeyboardInterrupt: on Ctrl-C or SIGTERM.
        """
        try:
            return self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def end(self, child: Child, *, within_s: float) -> bool:
        """Ask one process to end, with SIGTERM, and return whether it has by itself in time.

        Args:
            child: the process.
            within_s: how long it may take before it is killed, seconds.
        """
        if child.running:
            _send(child, signal.SIGTERM)
            _wait(child, time.monotonic() + within_s)
        return not child.running

    def stop(self) -> None:
        """End all processes, politely, then by force. Harmless when all have ended."""
        for number, limit_s in ((signal.SIGTERM, POLITE_S), (signal.SIGKILL, None)):
            running = [child for child in self._children if child.running]
            for child in running:
                _send(child, number)
            deadline_s = None if limit_s is None else time.monotonic() + limit_s
            for child in running:
                _wait(child, deadline_s)
        self._children.clear()

    def _watch(self, child: Child) -> None:
        child.process.wait()
        self._ended.put(child)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _send(child: Child, number: signal.Signals) -> None:
    try:
        # To its session's group: what it started ends with it.
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        return


def _wait(child: Child, deadline_s: float | None) -> None:
    try:
        left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        child.process.wait(left_s)
    except subprocess.TimeoutExpired:
        return
