"""The part of ``message_filters`` used here, for environments without that package.

The ROS wheels have no ``message_filters``. A filter takes what others signal (``connectInput``),
keeps callbacks (``registerCallback``) and calls them (``signalMessage``); names and behaviour are
those of the package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SimpleFilter:
    """Keeps callbacks and calls them in the order in which they were registered."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., object], *args: Any) -> int:  # noqa: N802
        """Call ``cb`` with every message, followed by ``args``; returns the connection's number.

        Args:
            cb: what is called.
            args: passed after every message.
        """
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Call every registered callback with ``msg``."""
        for callback, args in self.callbacks.values():
            callback(*(msg + args))
