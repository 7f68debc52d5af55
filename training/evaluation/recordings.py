"""The recordings that are measured: found, chosen by their split, prepared, opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from activity_recognition.bags import find_recordings
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import ActivityRecognitionError, RecordingError
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.training.cache import PreparedRecording, recording_key
from activity_recognition.training.dataset import cache_recordings, read_all_labels
from activity_recognition.training.splits import SPLITS_FILE, read_splits
from activity_recognition.training.usable import demand_usable
from activity_recognition.types import LabelSpan

TEST_SPLIT = 'test'


@dataclass(frozen=True, kw_only=True, slots=True)
class Recordings:
    """Labelled recordings, ready to be decided about."""

    folder: Path
    prepared: tuple[PreparedRecording, ...]
    spans: Mapping[Path, tuple[LabelSpan, ...]]
    """The labels of each."""
    foreign: tuple[str, ...]
    """Labels that the checkpoint lacks."""
    split: str
    """Which part of the folder this is; empty where none was asked for."""
    made_with: int
    """Recordings that the checkpoint says it was made with; 0 where it does not say."""
    history: Mapping[Path, str]
    """``train`` or ``validation`` for those among them."""
    passed_over: int
    """Recordings that were not measured because the checkpoint was trained on them."""
    left_out: tuple[str, ...]
    """Why each recording that could not be used could not; it is named below the folder."""

    def name(self, recording: PreparedRecording) -> str:
        """Return a recording's path below the folder."""
        path = recording.recording
        return str(path.relative_to(self.folder)) if path != self.folder else path.name


def open_recordings(
    folder: Path,
    model: ModelConfig,
    sync: SyncConfig,
    *,
    cache: Path,
    split: str = '',
    keys: Mapping[str, str] | None = None,
    strict: bool = False,
    workers: int = 0,
    console: Console | None = None,
) -> Recordings:
    """Find, read and prepare the labelled recordings below ``folder``.

    One that is damaged or has no labels is left out and named. ``splits.csv`` says which are of a
    split, and where it leaves that open the draw of the run that made the checkpoint. Without a
    split, what is called test is taken; where nothing is, all that the checkpoint was not trained
    on; where that leaves nothing, everything.

    Args:
        folder: where to look.
        model: decides the preprocessing, and which labels are known.
        sync: admission and decision rate.
        cache: where prepared arrays are kept, and found again.
        split: ``train``, ``validation``, ``test``, or empty.
        keys: of :func:`keys_of`, the checkpoint's own recordings.
        strict: whether one that cannot be used is an error.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Raises:
        RecordingError: no recording can be used, none is of the split, or ``strict`` and one cannot
            be used.
    """
    found = find_recordings(folder)
    history = _history(found, keys or {}, model)
    chosen, split = _of_split(folder, found, split, history)
    spans, left_out = _read_labels(chosen)
    prepared, damaged = cache_recordings(
        list(spans), model, sync, cache=cache, workers=workers, console=console
    )
    left_out += damaged
    demand_usable(folder, usable=len(prepared), left_out=left_out, strict=strict)
    occurring = {span.label for item in prepared for span in spans[item.recording]}
    return Recordings(
        folder=folder,
        prepared=tuple(prepared),
        spans=spans,
        foreign=tuple(sorted(occurring - set(model.labels))),
        split=split,
        made_with=len(keys or {}),
        history={path: history[path] for path in chosen if path in history},
        passed_over=0 if split else len(found) - len(chosen),
        left_out=tuple(_below(folder, reason) for reason in left_out),
    )


def keys_of(checkpoint: Checkpoint) -> dict[str, str]:
    """Return ``train`` or ``validation`` by the key of each recording it was made with."""
    splits: Mapping[str, Sequence[str]] = checkpoint.metrics.get('training', {}).get('keys', {})
    return {key: split for split, keys in splits.items() for key in keys}


def _below(folder: Path, reason: str) -> str:
    """Name a recording by its path below the folder: a report tells nothing of the machine."""
    return reason.replace(f'{folder}/', '').replace(str(folder), folder.name or str(folder))


def _history(found: Sequence[Path], keys: Mapping[str, str], model: ModelConfig) -> dict[Path, str]:
    """Find out which recordings a checkpoint was made with, by what is in them."""
    if not keys:
        return {}
    # Training has the node's admission, whatever is measured with here.
    history = {}
    for path in found:
        # One that cannot be read is named where it is prepared.
        with suppress(ActivityRecognitionError, OSError):
            split = keys.get(recording_key(path, model, SyncConfig()))
            if split is not None:
                history[path] = split
    return history


def _of_split(
    folder: Path, found: Sequence[Path], split: str, history: Mapping[Path, str]
) -> tuple[list[Path], str]:
    """Return the recordings of a split and its name."""
    table = read_splits(folder) if folder.is_dir() else {}
    splits = {
        path: (table[path].split if path in table else '') or history.get(path, '')
        for path in found
    }
    if not split and TEST_SPLIT not in splits.values():
        return [path for path in found if history.get(path) != 'train'] or list(found), ''
    wanted = split or TEST_SPLIT
    chosen = [path for path in found if splits[path] == wanted]
    if not chosen:
        raise RecordingError(
            f'{folder}: expected recordings of the split {wanted!r}, found none among '
            f'{len(found)}; name them in {folder / SPLITS_FILE}, or leave the split out'
        )
    return chosen, wanted


def _read_labels(
    recordings: Sequence[Path],
) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
    """Return the labels of each recording that can be measured, and what is wrong with others."""
    spans, wrong = read_all_labels(recordings)
    empty = [recording for recording, found in spans.items() if not found]
    wrong += [f'{recording}: expected labels, its table of them is empty' for recording in empty]
    return {recording: found for recording, found in spans.items() if found}, wrong
