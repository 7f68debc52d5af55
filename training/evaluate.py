"""A checkpoint measured on recordings, for every combination of modalities.

Q decisions, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference.precision import Precision, choose_precision
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.smoothing import ActivitySmoothing
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.dataset import open_segments, prepare_recordings
from activity_recognition.training.metrics import confusion_matrix, summarise
from activity_recognition.training.pool import make_progress
from activity_recognition.training.predict import (
    COMBINATIONS,
    Combination,
    Prediction,
    combination_name,
    predict_segment,
)
from activity_recognition.training.segments import Segment


def evaluate_recordings(
    checkpoint: Checkpoint,
    recordings: Sequence[Path],
    *,
    cache: Path,
    combinations: Sequence[Combination] = COMBINATIONS,
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
        combinations: modalities to decide with.
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
    prepared, wrong = prepare_recordings(
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
    segments: Sequence[Segment],
    *,
    temperature: float,
    precision: Precision,
    combinations: Sequence[Combination] = COMBINATIONS,
    smoothing: SmoothingConfig,
    console: Console | None = None,
) -> dict[str, dict[str, Any]]:
    """Return, per name of a combination, the measures of ``decisions`` and of ``smoothed`` answers.

    A moment at which nothing is visible, and a smoothed answer that is UNKNOWN, decide for no class
    and so count as misses.
    """
    labels = system.config.labels
    empty = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    counts = {c: {'decisions': empty.copy(), 'smoothed': empty.copy()} for c in combinations}
    with make_progress(console) as bar:
        task = bar.add_task('deciding', total=len(segments), note='')
        for segment in segments:
            predictions = predict_segment(system, segment, combinations, precision)
            for combination, prediction in predictions.items():
                beliefs = torch.softmax(prediction.logits / temperature, dim=-1).numpy()
                answers = {
                    'decisions': np.where(prediction.anything, beliefs.argmax(-1), -1),
                    'smoothed': _smoothed(prediction, beliefs, smoothing),
                }
                for name, decided in answers.items():
                    counts[combination][name] += confusion_matrix(
                        prediction.targets, decided, len(labels)
                    )
            bar.advance(task)
    return {
        combination_name(c): {name: summarise(matrix, labels) for name, matrix in found.items()}
        for c, found in counts.items()
    }


def _smoothed(
    prediction: Prediction, beliefs: NDArray[np.float32], config: SmoothingConfig
) -> NDArray[np.int64]:
    """Return the classes (Q,) that a node would publish; -1 when UNKNOWN or without data."""
    smoothing = ActivitySmoothing(config=config)
    state = smoothing.new_state()
    times = prediction.stamps_ns.tolist()
    answers = [
        smoothing.step(belief, t_ns, state)
        if there
        else smoothing.no_data(t_ns, beliefs.shape[1], state)
        for belief, t_ns, there in zip(beliefs, times, prediction.anything, strict=True)
    ]
    return np.array([answer.class_id for answer in answers], dtype=np.int64)
