"""Everything that was answered in a run, and what was true: collected while it happens."""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from operator import itemgetter

from activity_recognition.reporting.metrics import (
    Answer,
    Check,
    EvidencePoint,
    FrameAccount,
    RunMetrics,
    Scores,
)
from activity_recognition.reporting.scores import Truth, answer_of, distribution, score
from activity_recognition.types import LabelSpan, ModalityEvidence, seconds_between

LONGEST = 200_000
"""Decisions kept; of a longer run the oldest are forgotten."""
SHOWN = 50
"""Latencies and changes in a view."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedDecision:
    """One published decision."""

    t_ns: int
    """Sensor time it speaks of."""
    status: int
    label: str
    confidence: float
    evidence: tuple[ModalityEvidence, ...] = ()
    latency_s: float = math.nan
    processing_s: float = math.nan

    @property
    def answer(self) -> str:
        """The label, or which kind of no label."""
        return answer_of(self.status, self.label)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What a run looks like at one moment."""

    newest: ReceivedDecision | None = None
    truth: str | None = None
    """What was true at the time of the newest decision; None when nobody says."""
    elapsed_s: float = 0.0
    decisions: int = 0
    right: int = 0
    scored: int = 0
    """Decisions at whose time the truth was known."""
    latencies_s: tuple[float, ...] = ()
    """Of the latest decisions."""
    weights: dict[str, float] = field(default_factory=dict)
    """By modality, the last weight that was measured of this answer while it was present."""
    changes: tuple[tuple[float, str], ...] = ()
    """The latest changes of the answer: seconds and answer."""


class RunLog:
    """Collects decisions and truth; thread-safe.

    Time begins with the first truth, or with the first decision where no truth is published. When
    the truth goes back in time, a recording has begun again, and so does the log.
    """

    def __init__(self, *, origin_ns: int | None = None) -> None:
        """Begin with nothing.

        Args:
            origin_ns: when time begins where no truth is published; None for the first decision.
        """
        self._lock = threading.Lock()
        self._given_origin_ns = origin_ns
        self._begin()

    def _begin(self) -> None:
        self._received: deque[ReceivedDecision] = deque(maxlen=LONGEST)
        self._right = self._scored = 0
        self._truth: list[tuple[int, str]] = []
        self._weights: dict[str, float] = {}
        self._changes: deque[tuple[int, str]] = deque(maxlen=SHOWN)

    def add_decision(self, decision: ReceivedDecision) -> None:
        """Take a published decision."""
        with self._lock:
            self._received.append(decision)
            if not self._changes or self._changes[-1][1] != decision.answer:
                self._changes.append((decision.t_ns, decision.answer))
                # They were measured of the answer before.
                self._weights.clear()
            truth = self._truth_at(decision.t_ns)
            self._scored += truth is not None
            self._right += truth == decision.answer
            for item in decision.evidence:
                if not item.present:
                    self._weights.pop(str(item.modality), None)
                elif not math.isnan(item.weight):
                    self._weights[str(item.modality)] = item.weight

    def add_truth(self, stamp_ns: int, label: str) -> None:
        """Take what is true from ``stamp_ns`` on; an empty label says that nobody knows.

        Args:
            stamp_ns: sensor time from which it is true.
            label: what is true.
        """
        with self._lock:
            if self._truth and stamp_ns < self._truth[-1][0]:
                self._begin()
            self._truth.append((stamp_ns, label))

    @property
    def truth_known(self) -> bool:
        """Whether the truth has been published yet."""
        with self._lock:
            return bool(self._truth)

    @property
    def truth_complete(self) -> bool:
        """Whether the truth has come to its end."""
        with self._lock:
            return bool(self._truth) and not self._truth[-1][1]

    def received(self) -> list[ReceivedDecision]:
        """Return all decisions so far."""
        with self._lock:
            return list(self._received)

    def view(self) -> View:
        """Return the run as it stands."""
        with self._lock:
            if not self._received:
                return View()
            origin_ns, newest = self._origin_ns(), self._received[-1]
            return View(
                newest=newest,
                truth=self._truth_at(newest.t_ns),
                elapsed_s=seconds_between(newest.t_ns, origin_ns),
                decisions=len(self._received),
                right=self._right,
                scored=self._scored,
                latencies_s=tuple(
                    item.latency_s for item in islice(reversed(self._received), SHOWN)
                ),
                weights=dict(self._weights),
                changes=tuple((seconds_between(t, origin_ns), a) for t, a in self._changes),
            )

    def scores(self, decisions: Iterable[ReceivedDecision]) -> Scores:
        """Score decisions, of this log or another one, by the truth of this one.

        Args:
            decisions: stamped by the same clock as the truth.
        """
        with self._lock:
            spans, origin_ns = self._spans(), self._origin_ns()
        timed = [(seconds_between(item.t_ns, origin_ns), item.answer) for item in decisions]
        return score(Truth(spans), timed)

    def metrics(
        self,
        *,
        title: str,
        summary: str,
        frames: FrameAccount | None,
        checks: Sequence[Check] = (),
        conditions: dict[str, str],
    ) -> RunMetrics:
        """Return the whole run for a report; decisions outside the truth are not shown.

        Args:
            title: of the report.
            summary: what was run, a sentence.
            frames: where every frame went; None where nobody knows.
            checks: what had to hold.
            conditions: what numbers depend on.
        """
        with self._lock:
            received, spans, origin_ns = list(self._received), self._spans(), self._origin_ns()
        timed = [(seconds_between(item.t_ns, origin_ns), item) for item in received]
        newest_s = max((t for t, _ in timed), default=0.0)
        spans = [span for span in (_ended(item, newest_s) for item in spans) if span]
        last_s = spans[-1].end_s if spans else newest_s
        shown = [(t, h) for t, h in timed if 0 <= t <= last_s]
        modalities = list(dict.fromkeys(str(e.modality) for _, h in shown for e in h.evidence))
        return RunMetrics(
            title=title,
            summary=summary,
            duration_s=last_s,
            truth=[(span.start_s, span.end_s, span.label) for span in spans],
            answers=[Answer(t_s=t, answer=h.answer, confidence=h.confidence) for t, h in shown],
            evidence={
                name: [_point(t, e) for t, h in shown for e in h.evidence if e.modality == name]
                for name in modalities
            },
            scores=score(Truth(spans), [(t, h.answer) for t, h in timed]),
            latency=distribution([h.latency_s for _, h in shown]),
            processing=distribution([h.processing_s for _, h in shown]),
            frames=frames,
            checks=list(checks),
            conditions=conditions,
        )

    def _origin_ns(self) -> int:
        if self._truth:
            return self._truth[0][0]
        if self._given_origin_ns is not None:
            return self._given_origin_ns
        return self._received[0].t_ns if self._received else 0

    def _truth_at(self, t_ns: int) -> str | None:
        """Return what was true at a time; None when nobody knew."""
        place = bisect_right(self._truth, t_ns, key=itemgetter(0)) - 1
        return (self._truth[place][1] or None) if place >= 0 else None

    def _spans(self) -> list[LabelSpan]:
        """Return the truth so far; what is going on now has no end yet."""
        origin_ns = self._origin_ns()
        starts_s = [seconds_between(stamp_ns, origin_ns) for stamp_ns, _ in self._truth]
        return [
            LabelSpan(start_s=start_s, end_s=end_s, label=label)
            for start_s, end_s, (_, label) in zip(
                starts_s, [*starts_s[1:], inf], self._truth, strict=False
            )
            if label
        ]


def _ended(span: LabelSpan, newest_s: float) -> LabelSpan | None:
    """Let what has no end yet end with the newest decision; None where that leaves nothing."""
    end_s = newest_s if span.end_s == inf else span.end_s
    if end_s <= span.start_s:
        return None
    return LabelSpan(start_s=span.start_s, end_s=end_s, label=span.label)


def _point(t_s: float, item: ModalityEvidence) -> EvidencePoint:
    return EvidencePoint(
        t_s=t_s,
        present=item.present,
        age_s=_known(item.age_s),
        label=item.label,
        confidence=_known(item.confidence),
        weight=_known(item.weight) if item.present else None,
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
