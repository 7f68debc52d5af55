"""The one thread that owns the engine: callbacks push, it decides on the newest there is."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from activity_recognition.ros.filters import SynchronizerFilter
    from activity_recognition.types import Decision, Window


class Engine(Protocol):
    """What the worker needs of :class:`activity_recognition.inference.engine.StreamingEngine`."""

    def apply(self, window: Window) -> Decision | None:
        """Take a window; return the decision it ends with."""
        ...

    def reset(self) -> None:
        """Forget everything heard and seen."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerReport:
    """How the worker is doing."""

    decisions: int
    errors: int
    """Windows that the engine or the publishing failed at."""
    last_error: str
    busy_s: float
    """How long the step in progress has been running; 0 between steps."""
    step_s: float
    """Mean duration of a step that ended with a decision, over the last ones."""


class EngineWorker:
    """Runs ``engine.apply`` on every window of a synchroniser filter, in a thread of its own.

    It sleeps until woken. An exception costs its window: it is counted and handed on, the engine
    begins anew, and the thread lives.
    """

    def __init__(
        self,
        source: SynchronizerFilter,
        engine: Engine,
        *,
        deliver: Callable[[Decision, Window], None],
        on_error: Callable[[Exception], None],
        num_threads: int = 0,
    ) -> None:
        """Prepare the thread; :meth:`start` starts it.

        Args:
            source: where windows come from.
            engine: touched by this thread alone from now on.
            deliver: called in this thread with every decision and the window it ended.
            on_error: called in this thread with every exception of the engine or of ``deliver``.
            num_threads: intra-op threads of torch in this thread; 0 leaves its choice.
        """
        self._source = source
        self._engine = engine
        self._deliver = deliver
        self._on_error = on_error
        self._num_threads = num_threads
        self._condition = threading.Condition()
        self._woken = False
        self._stopping = False
        self._tasks: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._run, name='engine', daemon=True)
        self._decisions = 0
        self._errors = 0
        self._last_error = ''
        self._busy_since_s = 0.0
        self._steps_s: deque[float] = deque(maxlen=50)
        source.registerCallback(self._apply)
        source.on_ready = self.wake

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that windows wait."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def submit(self, task: Callable[[], None]) -> None:
        """Have ``task`` run in the thread between two steps: the way to touch the engine."""
        with self._condition:
            self._tasks.append(task)
            self._condition.notify()

    def stop(self, timeout_s: float) -> bool:
        """End the thread after the step in progress; return whether it ended in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def report(self) -> WorkerReport:
        """Return how the worker is doing; never waits for it."""
        since_s = self._busy_since_s
        steps = list(self._steps_s)
        return WorkerReport(
            decisions=self._decisions,
            errors=self._errors,
            last_error=self._last_error,
            busy_s=time.monotonic() - since_s if since_s else 0.0,
            step_s=sum(steps) / len(steps) if steps else 0.0,
        )

    def _run(self) -> None:
        if self._num_threads:
            import torch

            # The setting is one of the calling thread.
            torch.set_num_threads(self._num_threads)
        while self._wait():
            self._guarded(self._source.emit)

    def _wait(self) -> bool:
        """Sleep until windows wait, running tasks meanwhile; return False to end."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._woken or self._stopping or self._tasks)
                if self._stopping:
                    return False
                tasks, self._tasks = self._tasks, deque()
                woken, self._woken = self._woken, False
            for task in tasks:
                self._guarded(task)
            if woken:
                return True

    def _apply(self, window: Window) -> None:
        if self._stopping:
            return
        self._busy_since_s = start_s = time.monotonic()
        try:
            decision = self._engine.apply(window)
            if decision is not None:
                self._steps_s.append(time.monotonic() - start_s)
                self._deliver(decision, window)
                self._decisions += 1
        except Exception as error:
            self._failed(error)
            self._guarded(self._engine.reset)
        finally:
            self._busy_since_s = 0.0

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._errors += 1
        self._last_error = f'{type(error).__name__}: {error}'
        self._on_error(error)
