"""The one thread that owns the engine: callbacks push, it decides on the newest there is.

Streams that have something to say at the same time share a step.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from activity_recognition.errors import NonFiniteError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from activity_recognition.ros.recognizing.filters import SynchronizerFilter
    from activity_recognition.types import Decision, Window


class Engine(Protocol):
    """What the worker needs of :class:`activity_recognition.inference.MultiStreamEngine`."""

    def apply(self, windows: Mapping[str, Window]) -> dict[str, Decision]:
        """Take one window of some streams; return the decisions that they end with."""
        ...

    def reset(self, name: str) -> None:
        """Forget the past of a stream."""
        ...


class Crowd(Protocol):
    """Streams that join and leave beside one: the people of a scene."""

    is_told: bool
    """Whether anything was said of people; until then nobody joins, and nothing is asked."""

    def expand(self, window: Window) -> dict[str, Window]:
        """Return what everybody is given beside a window of the scene; the engine has them all."""
        ...

    def deliver(self, stream: str, decision: Decision, window: Window) -> None:
        """Take a decision of one of them.

        Args:
            stream: whose.
            decision: what was decided.
            window: ended in it.
        """
        ...

    def note_cost(self, windows: Mapping[str, Window], seconds: float) -> None:
        """Take how long the engine took for some windows.

        Args:
            windows: of the scene and of people.
            seconds: that the engine took.
        """
        ...

    def abandon(self) -> None:
        """Have everybody leave the engine."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerReport:
    """How the worker is doing."""

    decisions: int
    """Of one stream; everything else is of all."""
    errors: int
    """Windows that the engine or the publishing failed at."""
    last_error: str
    busy_s: float
    """How long the step in progress has been running; 0 between steps."""
    step_s: float
    """Mean duration of a step that ended with a decision, over the last ones."""


class EngineWorker:
    """Runs ``engine.apply`` on every window of the synchroniser filters, in a thread of its own.

    It sleeps until woken. An exception costs its windows: it is counted and handed on, their
    streams begin again, and the thread lives.
    """

    def __init__(
        self,
        sources: Mapping[str, SynchronizerFilter],
        engine: Engine,
        *,
        deliver: Mapping[str, Callable[[Decision, Window], None]],
        on_error: Callable[[Exception], None],
        num_threads: int = 0,
        crowd: Crowd | None = None,
    ) -> None:
        """Prepare the thread; :meth:`start` starts it.

        Args:
            sources: where the windows of each stream come from; signalled here when applied.
            engine: touched by this thread alone from now on.
            deliver: by stream, called in this thread with every decision and the window it ended.
            on_error: called in this thread with every exception of the engine or of ``deliver``.
            num_threads: intra-op threads of torch in this thread; 0 leaves its choice.
            crowd: who is in the scene of the only source; None where nobody is told apart.
        """
        self._sources = sources
        self._engine = engine
        self._deliver = deliver
        self._on_error = on_error
        self._num_threads = num_threads
        self._crowd = crowd
        self._condition = threading.Condition()
        self._woken = False
        self._stopping = False
        self._tasks: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._run, name='engine', daemon=True)
        self._decisions = dict.fromkeys(sources, 0)
        self._errors = 0
        self._last_error = ''
        self._busy_since_s = 0.0
        self._steps_s: deque[float] = deque(maxlen=50)
        for source in sources.values():
            source.call_when_ready(self.wake)

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

    @property
    def errors(self) -> int:
        """Windows that the engine or the publishing failed at."""
        return self._errors

    def report(self, stream: str = '') -> WorkerReport:
        """Return how the worker is doing with a stream; never waits for it."""
        since_s = self._busy_since_s
        steps = list(self._steps_s)
        return WorkerReport(
            decisions=self._decisions[stream],
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
            self._guarded(self._step)

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

    def _step(self) -> None:
        """Apply everything that waits, the first windows of all streams together, then the rest."""
        waiting = {name: source.take() for name, source in self._sources.items()}
        for turn in range(max(map(len, waiting.values()))):
            given = {name: taken[turn] for name, taken in waiting.items() if turn < len(taken)}
            if self._crowd is not None and self._crowd.is_told:
                given = self._with_crowd(given, self._crowd)
            self._apply(given)

    def _with_crowd(self, windows: dict[str, Window], crowd: Crowd) -> dict[str, Window]:
        """Return windows with those of everybody in the scene; an error costs the people alone."""
        self._busy_since_s = time.monotonic()
        try:
            return windows | crowd.expand(next(iter(windows.values())))
        except Exception as error:
            self._failed(error)
            self._guarded(crowd.abandon)
            return windows
        finally:
            self._busy_since_s = 0.0

    def _apply(self, windows: Mapping[str, Window]) -> None:
        if self._stopping:
            return
        self._busy_since_s = start_s = time.monotonic()
        try:
            decisions = self._engine.apply(windows)
            if decisions:
                self._steps_s.append(time.monotonic() - start_s)
            if len(windows) > len(self._sources) and self._crowd is not None:
                self._crowd.note_cost(windows, time.monotonic() - start_s)
        except ShapeError as error:
            self._retry(windows, error)
            return
        except NonFiniteError as error:
            self._give_up(error.streams, error)
            windows = {name: w for name, w in windows.items() if name not in error.streams}
            decisions = cast('dict[str, Decision]', error.decisions)
        except Exception as error:
            self._give_up(windows, error)
            return
        finally:
            self._busy_since_s = 0.0
        for name, window in windows.items():
            self._guarded(partial(self._finish, name, window, decisions.get(name)))

    def _retry(self, windows: Mapping[str, Window], error: ShapeError) -> None:
        """Find whose sample was refused, which left no trace: the others do not pay for it."""
        if len(windows) == 1:
            self._give_up(windows, error)
            return
        for name, window in windows.items():
            self._apply({name: window})

    def _give_up(self, names: Iterable[str], error: Exception) -> None:
        """Have streams begin again after an error."""
        self._failed(error)
        for name in names:
            self._guarded(partial(self._engine.reset, name))

    def _finish(self, name: str, window: Window, decision: Decision | None) -> None:
        if name not in self._sources:
            if decision is not None and self._crowd is not None:
                self._crowd.deliver(name, decision, window)
            return
        if decision is not None:
            self._deliver[name](decision, window)
            self._decisions[name] += 1
        self._sources[name].signalMessage(window)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._errors += 1
        self._last_error = f'{type(error).__name__}: {error}'
        self._on_error(error)
