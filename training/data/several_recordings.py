"""Names the recordings that one note is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

_NAMED = 3
"""Recordings that a note names."""


def named(recordings: Sequence[Path]) -> str:
    """Return the names of the first few recordings.

    Args:
        recordings: that a note is about, at least one.
    """
    more = ', …' if len(recordings) > _NAMED else ''
    return ', '.join(str(path) for path in recordings[:_NAMED]) + more


def share(count: int, of: int) -> str:
    """Return how many of all recordings a note is about; nothing where it is about one.

    Args:
        count: that the note is about.
        of: all.
    """
    return f' in {count} of {of} recordings' if count > 1 else ''


def shares(recordings: Sequence[Path], labels: Mapping[Path, Collection[str]]) -> str:
    """Return how many of all recordings, and of those with each label, a note is about.

    Args:
        recordings: that the note is about.
        labels: that each of all recordings has.
    """
    of_all = Counter(label for each in labels.values() for label in each)
    here = Counter(label for path in recordings for label in labels[path])
    listed = ', '.join(f'{label} {here[label]} of {of_all[label]}' for label in sorted(here))
    return share(len(recordings), len(labels)) + (f' ({listed})' if listed else '')
