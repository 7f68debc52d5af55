"""Messages that were published and never taken, by the numbers that a publisher gives them."""

from __future__ import annotations

_UNSUPPORTED = 1 << 63
"""Numbers from here on say that the middleware has none (in rmw it is the largest of 64 bits)."""


class SequenceGaps:
    """Counts gaps in the numbers of a topic's only publisher.

    A queue that is full forgets its oldest message without a word. Where several publish, the
    numbers of one cannot be told from another's, and nothing is counted.
    """

    def __init__(self) -> None:
        """Count nothing until it is known who publishes."""
        self.missed = 0
        """Messages in the gaps so far."""
        self._is_alone = False
        self._newest = 0

    def note_publishers(self, count: int) -> None:
        """Take how many publish on the topic now."""
        if (count == 1) != self._is_alone:
            self._is_alone = count == 1
            self.restart()

    def restart(self) -> None:
        """Let the next message begin: what was published before it is not missed."""
        self._newest = 0

    def note(self, number: int) -> None:
        """Take a message's number; a smaller one than before is that of another publisher."""
        if not self._is_alone or number >= _UNSUPPORTED:
            return
        if 0 < self._newest < number:
            self.missed += number - self._newest - 1
        self._newest = number
