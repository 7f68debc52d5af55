"""A bounded queue that drops its oldest entries and says how many."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from activity_recognition.types import NANOSECONDS, AudioChunk, Sample


class Entry(NamedTuple):
    """A waiting sample and its place in the total order."""

    segment: int
    """Number of resets before it."""
    arrival_ns: int
    sample: Sample


def cost_of(sample: Sample) -> int:
    """Return how much of a ring a sample fills: nanoseconds for audio, one for all else."""
    if isinstance(sample, AudioChunk):
        return len(sample.samples) * NANOSECONDS // sample.sample_rate_hz
    return 1


class StampedRing:
    """Samples of one modality in the order of their arrival; appending and taking are O(1)."""

    def __init__(self, capacity: int) -> None:
        """Hold entries of at most ``capacity`` in total, and always the newest one."""
        self._capacity = capacity
        self._entries: deque[Entry] = deque()
        self._cost = 0

    def append(self, entry: Entry) -> int:
        """Add an entry and return how many of the oldest were dropped for it."""
        self._entries.append(entry)
        self._cost += cost_of(entry.sample)
        dropped = 0
        while self._cost > self._capacity and len(self._entries) > 1:
            self._cost -= cost_of(self._entries.popleft().sample)
            dropped += 1
        return dropped

    def drain(self) -> list[Entry]:
        """Remove and return everything, oldest first."""
        entries = list(self._entries)
        self._entries.clear()
        self._cost = 0
        return entries

    def __len__(self) -> int:
        return len(self._entries)
