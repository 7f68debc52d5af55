"""A checkpoint measured on recordings, for every combination of modalities.

Q decisions, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference.precision import Precision, choose_precision
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.data.dataset import cache_recordings, open_segments
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.evaluation.combinations import count
from activity_recognition.training.evaluation.decisions import answer
from activity_recognition.training.evaluation.metrics import summarise
from activity_recognition.training.evaluation.predict import (
    Combination,
    combination_name,
    combinations_of,
    modalities_of,
    predict_segment,
)
from activity_recognition.training.pool import make_progress


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
    prepared, wrong = cache_recordings(
        recordings,
        checkpoint.config,
        sync or SyncConfig(),
        cache=cache,
        workers=workers,
        console=console,
    )
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
        'combinations': measure(
            checkpoint.system.to(precision.device),
            segments,
            temperature=checkpoint.temperature,
            precision=precision,
            combinations=combinations,
            smoothing=smoothing or SmoothingConfig(),
            console=console,
        ),
    }


def measure(
    system: ActivityRecognitionSystem,
    segments: Sequence[LabelledSegment],
    *,
    temperature: float,
    precision: Precision,
    combinations: Sequence[Combination] | None = None,
    smoothing: SmoothingConfig,
    console: Console | None = None,
) -> dict[str, dict[str, Any]]:
    """Return, per name of a combination, the measures of ``decisions`` and of ``smoothed`` answers.

    A moment at which nothing is visible, and a smoothed answer that is UNKNOWN, decide for no class
    and so count as misses.
    """
    labels = system.config.labels
    combinations = combinations or combinations_of(modalities_of(system))
    counts = {c: [count([], len(labels))] for c in combinations}
    with make_progress(console) as bar:
        task = bar.add_task('deciding', total=len(segments), note='')
        for segment in segments:
            predictions = predict_segment(system, segment, combinations, precision)
            for combination, prediction in predictions.items():
                stretch = answer(prediction, segment, temperature=temperature, smoothing=smoothing)
                counts[combination].append(count([stretch], len(labels)))
            bar.advance(task)
    return {
        combination_name(c): {
            kind: summarise(np.sum([part[kind] for part in found], axis=0), labels)
            for kind in ('decisions', 'smoothed')
        }
        for c, found in counts.items()
    }
