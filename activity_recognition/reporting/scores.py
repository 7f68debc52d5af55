"""Decisions against labelled spans: confusion, recall, balanced accuracy, percentiles."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from activity_recognition.reporting.metrics import Distribution, FrameAccount, LabelScore, Scores
from activity_recognition.types import LabelSpan, Status

UNKNOWN = '(unknown)'
"""The answer of a decision whose status is UNKNOWN."""
NO_DATA = '(no data)'
"""The answer of a decision whose status is NO_DATA."""


def answer_of(status: int, label: str) -> str:
    """Return what a decision answered: its label, or which kind of no label.

    Args:
        status: of the decision, as in ``ActivityStamped``.
        label: of the decision.
    """
    if status == Status.OK:
        return label
    return UNKNOWN if status == Status.UNKNOWN else NO_DATA


class Truth:
    """Looks up the label at a moment of the recording; spans are half open, [start, end)."""

    def __init__(self, spans: Iterable[LabelSpan]) -> None:
        self.spans = tuple(sorted(spans))
        self._starts = [span.start_s for span in self.spans]

    def at(self, t_s: float) -> str | None:
        """Return the label at ``t_s`` seconds, None outside every span."""
        place = bisect_right(self._starts, t_s) - 1
        if place < 0 or t_s >= self.spans[place].end_s:
            return None
        return self.spans[place].label


def score(truth: Truth, answers: Iterable[tuple[float, str]]) -> Scores:
    """Score answers ``(t_s, answer)`` by the label at their own time.

    An unknown or missing answer counts as wrong. Balanced accuracy is the mean recall over the
    labels that at least one answer fell on.

    Args:
        truth: labels over time.
        answers: what was answered when.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    unscored = 0
    for t_s, answer in answers:
        label = truth.at(t_s)
        if label is None:
            unscored += 1
        else:
            pairs[label, answer] += 1
    return _scores(pairs, unscored)


def _scores(pairs: Mapping[tuple[str, str], int], unscored: int) -> Scores:
    labels = sorted({label for label, _ in pairs})
    answers = labels + sorted({answer for _, answer in pairs} - set(labels))
    confusion = [[pairs.get((label, answer), 0) for answer in answers] for label in labels]
    per_label = [_label_score(label, pairs) for label in answers if not label.startswith('(')]
    recalls = [entry['recall'] for entry in per_label if entry['recall'] is not None]
    total = sum(pairs.values())
    right = sum(count for (label, answer), count in pairs.items() if label == answer)
    return Scores(
        decisions=total,
        unscored=unscored,
        accuracy=_share(right, total),
        balanced_accuracy=sum(recalls) / len(recalls) if recalls else None,
        labels=labels,
        answers=answers,
        confusion=confusion,
        per_label=per_label,
    )


def _label_score(label: str, pairs: Mapping[tuple[str, str], int]) -> LabelScore:
    right = pairs.get((label, label), 0)
    support = sum(count for (truth, _), count in pairs.items() if truth == label)
    answered = sum(count for (_, answer), count in pairs.items() if answer == label)
    return LabelScore(
        label=label,
        support=support,
        recall=_share(right, support),
        precision=_share(right, answered),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


_NOTHING_MEASURED = Distribution(
    count=0,
    mean_s=None,
    p50_s=None,
    p95_s=None,
    p99_s=None,
    max_s=None,
    edges_s=[],
    counts=[],
)


def distribution(values_s: Sequence[float], *, bins: int = 30) -> Distribution:
    """Summarise durations in seconds; values that are not finite are left out.

    The histogram reaches from the smallest value to the 99.5th percentile, the few above it are
    counted in its last bin, so that one outlier does not flatten the figure.

    Args:
        values_s: durations.
        bins: of the histogram.
    """
    values = np.asarray([value for value in values_s if math.isfinite(value)], dtype=np.float64)
    if not len(values):
        return _NOTHING_MEASURED
    p50, p95, p99, top = np.percentile(values, [50, 95, 99, 99.5])
    low = min(0.0, float(values.min()))
    counts, edges = np.histogram(np.minimum(values, top), bins, (low, max(float(top), low + 1e-6)))
    return Distribution(
        count=len(values),
        mean_s=float(values.mean()),
        p50_s=float(p50),
        p95_s=float(p95),
        p99_s=float(p99),
        max_s=float(values.max()),
        edges_s=[float(edge) for edge in edges],
        counts=[int(count) for count in counts],
    )


def account_frames(
    *, published: int, received: int, used: int, dropped: Mapping[str, int]
) -> FrameAccount:
    """Balance the frames of a run: published = used + dropped + lost + unaccounted.

    Args:
        published: by the camera.
        received: by the node.
        used: by the network.
        dropped: by reason, counted.
    """
    lost = published - received
    return FrameAccount(
        published=published,
        received=received,
        used=used,
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
        lost=lost,
        unaccounted=received - used - sum(dropped.values()),
        lost_fraction=_share(lost, published),
    )
