"""How long after an activity began it was named, and how long after its end it still was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.evaluation.decisions import Int64
from activity_recognition.types import seconds_between


@dataclass(kw_only=True, slots=True)
class Delays:
    """Delays of the true segments of many recordings, seconds."""

    onset_s: list[float] = field(default_factory=list)
    """From the segment's start to the first decision inside it that names its label."""
    offset_s: list[float] = field(default_factory=list)
    """From the end of a segment that was named to the last, to the first decision that names
    something else; one that is named to the end of the recording counts up to there."""
    never_found: int = 0
    """Segments with decisions inside, none of which names the label."""
    left_early: int = 0
    """Segments that were found and no longer named by their last decision."""

    def add(self, stamps_ns: Int64, classes: Int64, labels: LabelTrack, num_classes: int) -> None:
        """Add the segments of one segment's decisions with labels below ``num_classes``.

        Args:
            stamps_ns: of the decisions, (Q,).
            classes: that were decided for, (Q,).
            labels: the truth.
            num_classes: that the network knows.
        """
        # A timer's decision may speak of a later moment than that of the frame it waited for.
        order = np.argsort(stamps_ns, kind='stable')
        stamps_ns, classes = stamps_ns[order], classes[order]
        for start_ns, end_ns, label in true_segments(labels):
            first, last = np.searchsorted(stamps_ns, [start_ns, end_ns])
            if first == last or label >= num_classes:
                continue
            naming = np.flatnonzero(classes[first:last] == label)
            if not len(naming):
                self.never_found += 1
                continue
            # What came before the segment could not be decided about.
            begun_ns = max(start_ns, int(stamps_ns[0]))
            self.onset_s.append(seconds_between(int(stamps_ns[first + naming[0]]), begun_ns))
            if naming[-1] < last - first - 1:
                self.left_early += 1
            elif last < len(stamps_ns):
                self.offset_s.append(
                    self._until_left(stamps_ns[last:], classes[last:], label, end_ns)
                )

    @staticmethod
    def _until_left(stamps_ns: Int64, classes: Int64, label: int, end_ns: int) -> float:
        others = np.flatnonzero(classes != label)
        left_ns = stamps_ns[others[0]] if len(others) else stamps_ns[-1]
        return seconds_between(int(left_ns), end_ns)

    def summary(self) -> dict[str, Any]:
        """Return the delays' median and 95th percentile, and what has none, ready for JSON."""
        return {
            'onset_s': _percentiles(self.onset_s),
            'offset_s': {**_percentiles(self.offset_s), 'left_early': self.left_early},
            'never_found': self.never_found,
        }


def true_segments(labels: LabelTrack) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and class of the labelled spans; equal ones that touch are one."""
    joined: list[tuple[int, int, int]] = []
    for start_ns, end_ns, label in zip(
        labels.starts_ns.tolist(), labels.ends_ns.tolist(), labels.classes.tolist(), strict=True
    ):
        if joined and joined[-1][1:] == (start_ns, label):
            joined[-1] = (joined[-1][0], end_ns, label)
        else:
            joined.append((start_ns, end_ns, label))
    yield from joined


def _percentiles(values: Sequence[float]) -> dict[str, Any]:
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return {'count': 0, 'median': None, 'p95': None}
    median, p95 = np.percentile(array, [50, 95]).tolist()
    return {'count': len(array), 'median': median, 'p95': p95}
