"""What a report says of the checkpoint's name and of each recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activity_recognition.checkpoint_folder import OF_RUN
from activity_recognition.training.evaluation.classification import known, overall_scores
from activity_recognition.training.evaluation.clips import about_clip

if TYPE_CHECKING:
    from activity_recognition.training.evaluation.measuring import Decided


def checkpoint_name(path: Path) -> str:
    """Return the name of a checkpoint's folder, or of the run whose checkpoint it is."""
    run = path.parent.name if path.name == OF_RUN else ''
    return run or path.name or str(path)


def about_recording(recording: Decided, labels: Sequence[str]) -> dict[str, Any]:
    """Return what a report says of one recording.

    Args:
        recording: with its decisions.
        labels: C names.
    """
    counts = next(iter(recording.counts.values()))
    return {
        'name': recording.name,
        'group': recording.group,
        'seconds': recording.seconds,
        'decisions': int(counts['decisions'].sum()),
        'undecodable': recording.dropped,
        **{name: known(value) for name, value in overall_scores(counts['decisions']).items()},
        'smoothed': {
            name: known(value) for name, value in overall_scores(counts['smoothed']).items()
        },
        'clip': about_clip(recording.clip, labels),
    }
