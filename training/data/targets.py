"""Which activity was going on when: a recording's labels as classes over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import RecordingError
from activity_recognition.types import LabelSpan, to_ns

IGNORE = -100
"""Target of a decision that does not count."""


def label_seconds(spans: Iterable[LabelSpan]) -> dict[str, float]:
    """Return how long each label lasts in all, seconds."""
    lengths: defaultdict[str, float] = defaultdict(float)
    for span in spans:
        lengths[span.label] += span.end_s - span.start_s
    return dict(lengths)


def number_spans(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the runs of equal targets (Q,), from 0."""
    changes = np.diff(targets, prepend=targets[:1]) != 0
    return np.cumsum(changes).astype(np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelTrack:
    """Labelled spans of one recording, in order and without overlap."""

    starts_ns: NDArray[np.int64]
    ends_ns: NDArray[np.int64]
    """A span holds its start and not its end."""
    classes: NDArray[np.int64]

    @classmethod
    def from_spans(
        cls, spans: Iterable[LabelSpan], labels: Sequence[str], start_ns: int
    ) -> LabelTrack:
        """Build a track from spans that do not overlap, counted from ``start_ns``.

        Args:
            spans: labelled ones.
            labels: names of the classes.
            start_ns: from which spans count.

        Raises:
            RecordingError: a label is not among ``labels``.
        """
        ordered = sorted(spans)
        unknown = sorted({span.label for span in ordered} - set(labels))
        if unknown:
            raise RecordingError(
                f'expected the labels {", ".join(labels)}, got also {", ".join(unknown)}'
            )
        starts = np.array([start_ns + to_ns(span.start_s) for span in ordered], dtype=np.int64)
        ends = np.array([start_ns + to_ns(span.end_s) for span in ordered], dtype=np.int64)
        classes = np.array([labels.index(span.label) for span in ordered], dtype=np.int64)
        return cls(starts_ns=starts, ends_ns=ends, classes=classes)

    def at(
        self, times_ns: NDArray[np.int64], *, ignore_boundary_s: float = 0.0
    ) -> NDArray[np.int64]:
        """Return the classes (N,) at times (N,).

        IGNORE where nothing is labelled, and less than ``ignore_boundary_s`` from a change between
        two different labels.

        Args:
            times_ns: (N,).
            ignore_boundary_s: distance from a change, seconds.
        """
        if not len(self.starts_ns):
            return np.full(times_ns.shape, IGNORE, dtype=np.int64)
        index = np.searchsorted(self.starts_ns, times_ns, side='right') - 1
        inside = (index >= 0) & (times_ns < self.ends_ns[index])
        classes = np.where(inside, self.classes[index], IGNORE)
        if ignore_boundary_s > 0:
            classes[self._near_change(times_ns, to_ns(ignore_boundary_s))] = IGNORE
        return classes

    def _near_change(self, times_ns: NDArray[np.int64], margin_ns: int) -> NDArray[np.bool_]:
        changes = self.starts_ns[1:][self.classes[1:] != self.classes[:-1]]
        if not len(changes):
            return np.zeros(times_ns.shape, dtype=np.bool_)
        after = np.searchsorted(changes, times_ns, side='right')
        since = times_ns - changes[np.maximum(after - 1, 0)]
        until = changes[np.minimum(after, len(changes) - 1)] - times_ns
        near: NDArray[np.bool_] = (np.abs(since) < margin_ns) | (np.abs(until) < margin_ns)
        return near
