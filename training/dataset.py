"""The recordings of a folder: found, prepared in parallel, split by recording, given classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from activity_recognition.bags import find_recordings, labels_path, read_labels
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.training.prepare import Preparation, PreparedRecording, prepare
from activity_recognition.training.segments import Segment

NONE_LABEL = 'none'
"""Takes class 0 where it occurs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Prepared recordings, split, with the labels that occur in them."""

    labels: tuple[str, ...]
    training: tuple[PreparedRecording, ...]
    validation: tuple[PreparedRecording, ...]
    left_out: tuple[str, ...]
    """Why each recording that could not be used could not."""

    def texts(self) -> list[str]:
        """Return all utterances of the training recordings."""
        return [text for r in self.training for texts in r.texts for text in texts]


def load_dataset(
    folder: Path,
    model: ModelConfig,
    sync: SyncConfig,
    *,
    cache: Path,
    validation_fraction: float,
    seed: int,
    workers: int = 0,
    console: Console | None = None,
) -> Dataset:
    """Find, prepare and split the labelled recordings below ``folder``.

    A recording that is damaged or has no usable labels is left out and named.

    Args:
        folder: where to look.
        model: decides the preprocessing; its labels do not matter.
        sync: decides admission and the decisions' times; the node's own settings.
        cache: where prepared arrays are kept, and found again.
        validation_fraction: share of the recordings for validation, rounded, at least one.
        seed: of the split.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Raises:
        RecordingError: no recording can be used, or one alone with validation asked for.
    """
    found = find_recordings(folder)
    names, left_out = _read_all_labels(found)
    prepared, damaged = prepare_recordings(
        list(names), model, sync, cache=cache, workers=workers, console=console
    )
    left_out += damaged
    if not prepared:
        reasons = '; '.join(left_out[:3]) or 'there are none'
        raise RecordingError(
            f'{folder}: expected labelled recordings below it, found none that can be used: '
            f'{reasons}'
        )
    training, validation = split_recordings(prepared, validation_fraction, seed)
    occurring = set().union(*(names[p.recording] for p in prepared))
    return Dataset(
        labels=tuple(sorted(occurring, key=lambda name: (name != NONE_LABEL, name))),
        training=training,
        validation=validation,
        left_out=tuple(left_out),
    )


def prepare_recordings(
    recordings: Sequence[Path],
    model: ModelConfig,
    sync: SyncConfig,
    *,
    cache: Path,
    workers: int = 0,
    console: Console | None = None,
) -> tuple[list[PreparedRecording], list[str]]:
    """Prepare recordings in parallel; returns those that worked, in order, and what is wrong."""
    work = [Preparation(recording=r, cache=cache, model=model, sync=sync) for r in recordings]
    outcomes = dict(
        spread(
            prepare,
            work,
            workers=worker_count(workers),
            description='reading recordings',
            console=console,
        )
    )
    ordered = [outcomes[index] for index in range(len(work))]
    prepared = [outcome for outcome in ordered if not isinstance(outcome, str)]
    return prepared, [outcome for outcome in ordered if isinstance(outcome, str)]


def split_recordings(
    recordings: Sequence[PreparedRecording], fraction: float, seed: int
) -> tuple[tuple[PreparedRecording, ...], tuple[PreparedRecording, ...]]:
    """Split whole recordings at random into training and validation.

    Copies of a recording count as one, so that none is trained on and validated with.

    Raises:
        RecordingError: validation is asked for and there are not two different recordings.
    """
    keys = sorted({recording.key for recording in recordings})
    if fraction <= 0:
        return tuple(recordings), ()
    if len(keys) < 2:
        raise RecordingError(
            f'expected at least two different recordings to split, got {len(keys)}; '
            'record more, or set validation_fraction to 0'
        )
    count = min(max(1, round(fraction * len(keys))), len(keys) - 1)
    chosen = np.random.default_rng([seed, 0]).permutation(len(keys))[:count]
    held_out = {keys[index] for index in chosen}
    return (
        tuple(r for r in recordings if r.key not in held_out),
        tuple(r for r in recordings if r.key in held_out),
    )


def open_segments(recordings: Sequence[PreparedRecording], labels: Sequence[str]) -> list[Segment]:
    """Open the arrays of recordings with their labels as classes of ``labels``."""
    return [segment for recording in recordings for segment in recording.segments(labels)]


def _read_all_labels(recordings: Sequence[Path]) -> tuple[dict[Path, set[str]], list[str]]:
    """Return the labels of each recording that has some, and what is wrong with the others."""
    names: dict[Path, set[str]] = {}
    wrong: list[str] = []
    for recording in recordings:
        spans = _labels_or_fault(recording)
        if isinstance(spans, str):
            wrong.append(spans)
        else:
            names[recording] = spans
    return names, wrong


def _labels_or_fault(recording: Path) -> set[str] | str:
    try:
        return {span.label for span in read_labels(labels_path(recording))}
    except RecordingError as error:
        return str(error)
