"""Reads messages ahead in a thread of its own, so that a slow disk does not make playing late."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

LIMIT_BYTES = 64 * 1024 * 1024
"""Bytes read ahead at most, one message more."""


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """A serialised message and when it is due."""

    time_ns: int
    """On the clock of its recording."""
    topic_key: str
    """Which of the topics it goes to."""
    cdr: bytes | memoryview


class ReadAhead:
    """An iterator over messages that another thread reads; a context manager that ends it."""

    def __init__(self, messages: Iterable[TimedMessage], limit_bytes: int = LIMIT_BYTES) -> None:
        """Read nothing yet; entering the context begins.

        Args:
            messages: in the order they are due.
            limit_bytes: how much may wait, one message more.
        """
        self._messages = messages
        self._limit = limit_bytes
        self._changed = threading.Condition()
        self._waiting: deque[TimedMessage] = deque()
        self._bytes = 0
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name='read-ahead', daemon=True)

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def wait_for_first(self) -> None:
        """Wait until there is something to yield, or nothing ever will be."""
        with self._changed:
            while not (self._waiting or self._ended):
                self._changed.wait()

    def __iter__(self) -> Iterator[TimedMessage]:
        """Yield what was read; raises what reading raised, after all that came before it."""
        while True:
            with self._changed:
                while not (self._waiting or self._ended):
                    self._changed.wait()
                if not self._waiting:
                    if self._error is not None:
                        raise self._error
                    return
                message = self._waiting.popleft()
                self._bytes -= len(message.cdr)
                self._changed.notify_all()
            yield message

    def _read(self) -> None:
        try:
            for message in self._messages:
                if not self._put(message):
                    break
        except BaseException as error:  # raised again in the player's thread
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, message: TimedMessage) -> bool:
        """Store a message, waiting for room; return False when nobody reads any more."""
        with self._changed:
            while self._bytes > self._limit and not self._closed:
                self._changed.wait()
            self._waiting.append(message)
            self._bytes += len(message.cdr)
            self._changed.notify_all()
            return not self._closed
