"""Right and wrong decisions over whole segments, with every combination of modalities.

What a run ends with, the shipped checkpoint's table and a report are all measured so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference.precision import Precision, choose_precision
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.data.dataset import open_segments
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.source import Preparing, cache_recordings
from activity_recognition.training.evaluation.combinations import (
    Counts,
    combination_scores,
    count,
)
from activity_recognition.training.evaluation.decisions import SegmentResult, answer
from activity_recognition.training.evaluation.predict import (
    Combination,
    combination_name,
    combinations_of,
    predict_segment,
)
from activity_recognition.training.pool import make_progress


def decide_segment(
    system: ActivityRecognitionSystem,
    segment: LabelledSegment,
    *,
    temperature: float,
    smoothing: SmoothingConfig,
    precision: Precision,
    combinations: Sequence[Combination] | None = None,
) -> dict[Combination, SegmentResult]:
    """Decide over a tokenised segment as the node would.

    Args:
        system: the network.
        segment: what to decide over.
        temperature: logits are divided by it.
        smoothing: how answers are smoothed.
        precision: where and how to compute.
        combinations: modalities to decide with; all that there are where None.
    """
    chosen = combinations or combinations_of(system.modalities)
    predictions = predict_segment(system, segment, chosen, precision)
    return {
        combination: answer(prediction, segment, temperature=temperature, smoothing=smoothing)
        for combination, prediction in predictions.items()
    }


def measure(counts: Mapping[Combination, Counts], labels: Sequence[str]) -> dict[str, Any]:
    """Return the scores of each combination by its name, ready for JSON.

    A moment at which nothing is visible, and a smoothed answer that is UNKNOWN, decide for no class
    and so count as misses.

    Args:
        counts: confusions of N recordings or segments, (N, C, C + 1) each, per combination.
        labels: C names.
    """
    return {combination_name(c): combination_scores(found, labels) for c, found in counts.items()}


def measure_segments(
    system: ActivityRecognitionSystem,
    segments: Sequence[LabelledSegment],
    *,
    temperature: float,
    precision: Precision,
    smoothing: SmoothingConfig,
    combinations: Sequence[Combination] | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Decide over whole segments and return what :func:`measure` does.

    Args:
        system: the network.
        segments: tokenised ones.
        temperature: logits are divided by it.
        precision: where and how to compute.
        smoothing: how answers are smoothed.
        combinations: modalities to decide with; all that there are where None.
        console: where to show progress.
    """
    labels = system.config.labels
    chosen = combinations or combinations_of(system.modalities)
    counts = {c: [count([], len(labels), temperature)] for c in chosen}
    with make_progress(console) as bar:
        task = bar.add_task('deciding', total=len(segments), note='')
        for segment in segments:
            results = decide_segment(
                system,
                segment,
                temperature=temperature,
                smoothing=smoothing,
                precision=precision,
                combinations=chosen,
            )
            for combination, result in results.items():
                counts[combination].append(count([result], len(labels), temperature))
            bar.advance(task)
    return measure({c: stacked(found) for c, found in counts.items()}, labels)


def stacked(counts: Sequence[Counts]) -> dict[str, NDArray[np.int64]]:
    """Return the confusions of N recordings or segments, (N, C, C + 1) each."""
    return {kind: np.stack([found[kind] for found in counts]) for kind in counts[0]}


def evaluate_recordings(
    checkpoint: Checkpoint,
    recordings: Sequence[Path],
    *,
    cache: Path,
    combinations: Sequence[Combination] | None = None,
    smoothing: SmoothingConfig | None = None,
    sync: SyncConfig | None = None,
    engine: EngineConfig | None = None,
    workers: int = 0,
    console: Console | None = None,
) -> dict[str, Any]:
    """Decide over whole labelled recordings as the node would, and compare with their labels.

    Args:
        checkpoint: what to measure.
        recordings: labelled recordings.
        cache: where prepared arrays are kept.
        combinations: modalities to decide with; all that there are where None.
        smoothing: of the smoothed answers; the node's defaults where None.
        sync: admission and decision rate; the node's defaults where None.
        engine: device and precision.
        workers: processes that read recordings; 0 takes one per core.
        console: where to show progress.

    Returns:
        ``recordings``, ``seconds`` and, per combination, the measures of :func:`measure`.

    Raises:
        RecordingError: a recording is damaged or has labels that the checkpoint does not know.
    """
    how = Preparing(
        model=checkpoint.config,
        sync=sync or SyncConfig(),
        cache=cache,
        workers=workers,
        console=console,
    )
    prepared, wrong = cache_recordings(recordings, how)
    if wrong:
        raise RecordingError('; '.join(wrong))
    segments = [
        segment.tokenised(checkpoint.tokenizer)
        for segment in open_segments(prepared, checkpoint.config.labels)
    ]
    precision = choose_precision(engine or EngineConfig())
    return {
        'recordings': len(prepared),
        'seconds': sum(segment.duration_s for segment in segments),
        'combinations': measure_segments(
            checkpoint.system.to(precision.device),
            segments,
            temperature=checkpoint.temperature,
            precision=precision,
            combinations=combinations,
            smoothing=smoothing or SmoothingConfig(),
            console=console,
        ),
    }
