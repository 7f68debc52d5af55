"""Whether answers hang together over time: edit score, segmental F1, changes, delays.

What counts are the decisions whose label the network knows; the others are cut out and what is left
is joined. A moment without an answer is an answer of its own, which no truth matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.evaluation.bootstrap import Bootstrap
from activity_recognition.training.evaluation.classification import known, ratio
from activity_recognition.training.evaluation.decisions import Answers, SegmentResult
from activity_recognition.training.evaluation.delays import Delays
from activity_recognition.training.evaluation.runs import edit_score, match_runs, runs_of
from activity_recognition.types import NANOSECONDS

OVERLAPS = (0.1, 0.25, 0.5)
"""Intersection over union that a found segment must have at least."""

KINDS = ('decisions', 'smoothed')

_COLUMNS = 5 + 3 * len(OVERLAPS)

Float64 = NDArray[np.float64]


def temporal_sums(results: Sequence[SegmentResult]) -> dict[str, Float64]:
    """Return what one recording adds to each kind of answers' statistics, (S,) each."""
    return {kind: np.sum([_sums(s, getattr(s, kind)) for s in results], axis=0) for kind in KINDS}


def temporal_statistics(sums: NDArray[Any]) -> dict[str, Float64]:
    """Turn sums (..., S) over recordings into statistics (...); NaN where there are none."""
    sums = np.asarray(sums, dtype=np.float64)
    edits, count, changes, true_changes, minutes = (sums[..., place] for place in range(5))
    found = {'edit_score': ratio(edits, count)}
    for place, overlap in enumerate(OVERLAPS):
        hits, false, missed = (sums[..., 5 + 3 * place + offset] for offset in range(3))
        found[f'f1_at_{overlap * 100:.0f}'] = ratio(200 * hits, 2 * hits + false + missed)
    found['changes_per_minute'] = ratio(changes, minutes)
    found['changes_ratio'] = ratio(changes, true_changes)
    return found


def measure_temporal(results: Sequence[SegmentResult], sums: dict[str, Float64]) -> dict[str, Any]:
    """Return the temporal measures of all recordings, ready for JSON.

    Args:
        results: of all recordings.
        sums: (R, S) each, of :func:`temporal_sums`.
    """
    totals = {kind: values.sum(axis=0) for kind, values in sums.items()}
    _, _, _, true_changes, minutes = totals['decisions'][:5]
    return {
        **{kind: {**_plain(totals[kind]), **_delays(results, kind)} for kind in KINDS},
        'truth': {
            'segments': sum(_true_segments(s) for s in results),
            'changes_per_minute': known(ratio(true_changes, minutes)),
        },
        'minutes': float(minutes),
    }


def temporal_intervals(sums: dict[str, Float64], bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the intervals of the statistics of each kind of answers.

    Args:
        sums: (R, S) each, of :func:`temporal_sums`.
        bootstrap: over the recordings.
    """
    return {kind: bootstrap.intervals(temporal_statistics, sums[kind]) for kind in KINDS}


def _sums(result: SegmentResult, answers: Answers) -> Float64:
    kept = result.truth >= 0
    if not kept.any():
        return np.zeros(_COLUMNS)
    decided, truth = runs_of(answers.classes[kept]), runs_of(result.truth[kept])
    lasted_ns = np.diff(result.stamps_ns)[kept[:-1]].sum()
    counts = [len(runs.values) - 1 for runs in (decided, truth)]
    matches = [match_runs(decided, truth, overlap) for overlap in OVERLAPS]
    return np.array(
        [edit_score(decided, truth), 1, *counts, lasted_ns / NANOSECONDS / 60, *sum(matches, ())],
        dtype=np.float64,
    )


def _true_segments(result: SegmentResult) -> int:
    return len(runs_of(result.truth[result.truth >= 0]).values)


def _plain(sums: Float64) -> dict[str, Any]:
    return {name: known(value) for name, value in temporal_statistics(sums).items()}


def _delays(results: Sequence[SegmentResult], kind: str) -> dict[str, Any]:
    delays = Delays()
    for result in results:
        answers: Answers = getattr(result, kind)
        delays.add(result.stamps_ns, answers.classes, result.labels, result.num_classes)
    return delays.summary()
