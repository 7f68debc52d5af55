"""How long an activity has been held, with enough confidence all along."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from activity_recognition.behaviours.report import Report
from activity_recognition.types import Status


class Hold:
    """Follows whether one of some activities is reported, at enough confidence, in every report.

    A run begins with the report that brings label and confidence together. Where the label is known
    to be older than any report against it, the run begins when the label did: who subscribes
    late, or misses messages, relies on the recognizer's word for what was missed.
    """

    def __init__(self, labels: Iterable[str], min_confidence: float) -> None:
        """Follow ``labels`` (a change between two of them ends nothing) at ``min_confidence``.

        Args:
            labels: any of them counts; a change between two ends nothing.
            min_confidence: least confidence in every report, in [0, 1].
        """
        self.labels = frozenset(labels)
        # The message carries float32, in which 0.7 is a little less than 0.7.
        self._min_confidence = float(np.float32(min_confidence))
        self.clear()

    @property
    def held_ns(self) -> int:
        """Length of the run up to the newest report, nanoseconds of sensor time; -1 without one."""
        run = self._run
        return -1 if run is None else run[1] - run[0]

    def clear(self) -> None:
        """Forget everything."""
        self._run: tuple[int, int] | None = None  # begin and newest; replaced whole, for readers
        self._newest: Report | None = None

    def update(self, report: Report) -> None:
        """Take the next report; one that is older than the last begins again."""
        if self._newest is not None and report.stamp_ns < self._newest.stamp_ns:
            self.clear()
        self._run = (self._begin(report), report.stamp_ns) if self._fits(report) else None
        self._newest = report

    def _fits(self, report: Report) -> bool:
        return (
            report.status is Status.OK
            and report.label in self.labels
            and report.confidence >= self._min_confidence
        )

    def _begin(self, report: Report) -> int:
        """Return when the run began that a fitting report is part of."""
        stable_since_ns = min(report.stable_since_ns, report.stamp_ns)
        last = self._newest
        if last is None:
            return stable_since_ns
        unreported = stable_since_ns > last.stamp_ns  # this label began after the last report
        if self._run is None:
            return stable_since_ns if unreported else report.stamp_ns
        interrupted = unreported and report.label == last.label
        return stable_since_ns if interrupted else self._run[0]
