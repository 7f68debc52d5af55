"""Recordings played into a running node: what it decided, and what real topics changed.

Two questions are kept apart. Are its decisions those of ``forward`` on the same admission trace?
And how often is its label that of the undisturbed recording, with every sample there and on time?

N decisions, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from activity_recognition.config import SyncConfig
from activity_recognition.inference.precision import Precision
from activity_recognition.inference.trace_file import read_trace
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.recorded import RecordedConfig
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.evaluation.classification import (
    confusion_matrix,
    known,
    overall_scores,
)
from activity_recognition.training.evaluation.decisions import UNDECIDED, Int64
from activity_recognition.training.evaluation.parity import Comparison, Played, compare, tolerance
from activity_recognition.training.evaluation.replaying import replay
from activity_recognition.types import NANOSECONDS, to_ns

if TYPE_CHECKING:
    from activity_recognition.training.evaluation.measuring import Decided

Play = Callable[[Path, RecordedConfig], Path]
"""Plays a recording, read as the settings say, into a node; returns the trace that it wrote."""

KINDS = ('decisions', 'smoothed')
_SAME_FRAME_S = 1e-3
"""Moments so near are the same where every frame decides."""


def play_recordings(
    decided: Sequence[Decided],
    recordings: Sequence[PreparedRecording],
    play: Play,
    checkpoint: Checkpoint,
    *,
    precision: Precision,
    sync: SyncConfig,
) -> list[Played]:
    """Play recordings into a node, and decide over what it admitted again.

    Args:
        decided: what was decided over each undisturbed recording.
        recordings: the same.
        play: plays one.
        checkpoint: what decides.
        precision: of ``forward``, and of the node.
        sync: admission and decision rate of the node.

    Raises:
        ActivityRecognitionError: a node failed, or its trace cannot be used.
    """
    played = []
    for undisturbed, source in zip(decided, recordings, strict=True):
        trace = read_trace(play(source.recording, source.recorded))
        again = replay(
            trace, source.recording, checkpoint, precision, sync, recorded=source.recorded
        )
        played.append(Played(trace=trace, replayed=again, undisturbed=undisturbed))
    return played


def measure_live(
    played: Sequence[Played], checkpoint: Checkpoint, precision: Precision, sync: SyncConfig
) -> dict[str, Any]:
    """Return what the section ``live`` of a report holds, ready for JSON.

    Args:
        played: all recordings.
        checkpoint: its labels and temperature.
        precision: of ``forward``; decides the tolerance.
        sync: of the node; its decision rate says which moments are the same.
    """
    is_half = precision.dtype is not torch.float32
    compared = [compare(p, checkpoint.temperature, is_half=is_half) for p in played]
    agreed = [_agreement(p, sync) for p in played]
    counts = [_confusions(p, len(checkpoint.config.labels)) for p in played]
    return {
        **_equality(played, compared),
        'tolerance': tolerance(is_half=is_half),
        'device': ', '.join(sorted({p.trace.device for p in played})),
        'samples': _samples(played),
        'missing': sum(p.replayed.missing for p in played),
        'restamped': sum(p.replayed.restamped for p in played),
        'decisions_skipped': sum(p.trace.decisions_skipped for p in played),
        'failed_steps': sum(p.trace.failed_steps for p in played),
        'undisturbed': _shares(agreed),
        **_scores([found['decisions'] for found in counts]),
        'smoothed': _scores([found['smoothed'] for found in counts]),
        'recordings': [
            {
                'name': p.undisturbed.name,
                **_equality([p], [c]),
                'samples': _samples([p]),
                'undisturbed': _shares([a]),
            }
            for p, c, a in zip(played, compared, agreed, strict=True)
        ],
    }


def nearest(wanted_ns: Int64, times_ns: Int64, *, within_ns: int) -> Int64:
    """Return for each of (N,) moments the place of the nearest of (M,); -1 where none is near.

    Args:
        wanted_ns: moments to look for.
        times_ns: where to look, in any order.
        within_ns: largest distance.
    """
    if not len(times_ns):
        return np.full(len(wanted_ns), -1, np.int64)
    order = np.argsort(times_ns, kind='stable')
    ordered = times_ns[order]
    after = np.minimum(np.searchsorted(ordered, wanted_ns), len(ordered) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(ordered[before] - wanted_ns) <= np.abs(ordered[after] - wanted_ns)
    found = np.where(is_before, before, after)
    near = np.abs(ordered[found] - wanted_ns) <= within_ns
    return np.where(near, order[found], -1).astype(np.int64)


def _equality(played: Sequence[Played], compared: Sequence[Comparison]) -> dict[str, Any]:
    decisions = sum(len(p.trace.decisions) for p in played)
    comparable = sum(int(p.replayed.comparable.sum()) for p in played)
    largest = max((float(c.difference.max(initial=0.0)) for c in compared), default=0.0)
    return {
        'decisions': decisions,
        'compared': comparable,
        'not_compared': decisions - comparable,
        'unequal': sum(int(c.unequal.sum()) for c in compared),
        'other_label': sum(int(c.other_label.sum()) for c in compared),
        'other_answer': sum(int(c.other_answer.sum()) for c in compared),
        'largest_difference': largest if comparable else None,
    }


def _samples(played: Sequence[Played]) -> dict[str, Any]:
    """Return per modality what the recordings hold, what came, and why some was not used."""
    found = {}
    for modality in played[0].trace.received:
        recorded = [p.replayed.recorded[modality] for p in played]
        received = [p.trace.received[modality] for p in played]
        dropped: Counter[str] = Counter()
        for p in played:
            dropped.update(p.trace.dropped[modality])
        found[modality.value] = {
            'recorded': sum(recorded),
            'received': sum(received),
            'lost': sum(max(r - n, 0) for r, n in zip(recorded, received, strict=True)),
            'dropped': dict(sorted(dropped.items())),
        }
    return found


def _agreement(played: Played, sync: SyncConfig) -> dict[str, NDArray[np.bool_]]:
    """Return whether node and undisturbed recording name the same, where both speak of a moment."""
    results, rate_hz = played.undisturbed.results, sync.decision_rate_hz
    within_ns = to_ns(_SAME_FRAME_S) if rate_hz == 0 else round(NANOSECONDS / rate_hz / 2)
    moments_ns = np.concatenate([s.stamps_ns for s in results])
    place = nearest(played.moments_ns, moments_ns, within_ns=within_ns)
    both = place >= 0
    agreed = {}
    for kind in KINDS:
        undisturbed = np.concatenate([getattr(s, kind).classes for s in results])
        agreed[kind] = getattr(played, kind)[both] == undisturbed[place[both]]
    return agreed


def _shares(agreed: Sequence[dict[str, NDArray[np.bool_]]]) -> dict[str, Any]:
    plain, smoothed = (np.concatenate([found[kind] for found in agreed]) for kind in KINDS)
    return {
        'moments': len(plain),
        'agreement': float(plain.mean()) if len(plain) else None,
        'agreement_smoothed': float(smoothed.mean()) if len(smoothed) else None,
    }


def _confusions(played: Played, num_classes: int) -> dict[str, Int64]:
    """Return the confusion of the node's answers with the truth, (C, C + 1) each."""
    targets = played.undisturbed.results[0].labels.at(played.moments_ns)
    truth = np.where(targets < num_classes, targets, UNDECIDED)
    return {kind: confusion_matrix(truth, getattr(played, kind), num_classes) for kind in KINDS}


def _scores(counts: Sequence[Int64]) -> dict[str, Any]:
    total = np.sum(counts, axis=0)
    return {name: known(value) for name, value in overall_scores(total).items()}
