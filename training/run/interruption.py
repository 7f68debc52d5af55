"""Ctrl-C and SIGTERM between steps and not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | None
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Lets a signal raise KeyboardInterrupt at once, but for what runs inside :meth:`held`.

    A forward pass may be given up anywhere; an optimiser that has stepped half of the weights may
    not. Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending: int | None = None
        self._previous: dict[int, Handler] = {}

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT, and SIGTERM where somebody does, until the block ends."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._previous = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in self._previous.items():
            if number == signal.SIGINT or callable(handler):
                signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put an interruption off until the block has ended."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending is not None:
            number, self._pending = self._pending, None
            self._interrupt(number, None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._pending = number
        else:
            self._interrupt(number, frame)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise what the handler of before raises, or else KeyboardInterrupt."""
        handler = self._previous[number]
        if callable(handler):
            handler(number, frame)
        raise KeyboardInterrupt
