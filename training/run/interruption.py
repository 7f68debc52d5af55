"""Ctrl-C between steps and not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Raises KeyboardInterrupt at once, but for what runs inside :meth:`held`.

    A forward pass may be given up anywhere; an optimiser that has stepped half of the weights may
    not. Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT while the block runs, then give it back to whoever had it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put an interruption off until the block has ended."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        if not self._held:
            raise KeyboardInterrupt
        self._pending = True
