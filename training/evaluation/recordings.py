"""The recordings that are measured: chosen by their split, prepared, opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from activity_recognition.config_io import build_config
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.data.source import RecordingSource, usable_labels
from activity_recognition.training.data.splits import Assignment
from activity_recognition.training.data.usable import demand_usable
from activity_recognition.types import LabelSpan

TEST_SPLIT = 'test'


@dataclass(frozen=True, kw_only=True, slots=True)
class Recordings:
    """Labelled recordings, ready to be decided about."""

    name: str
    """Of the folder or URL that holds them, without what lies above it."""
    source: str
    """``recordings``, or ``shards``, which hold network inputs and not what sensors sent."""
    names: Mapping[Path, str]
    """What to call each: its path below the folder."""
    prepared: tuple[PreparedRecording, ...]
    spans: Mapping[Path, tuple[LabelSpan, ...]]
    """The labels of each."""
    groups: Mapping[Path, str]
    """The group of each that has one."""
    unknown_labels: tuple[str, ...]
    """Labels that the checkpoint lacks."""
    split: str
    """Which part of the folder this is; empty where none was asked for."""
    num_training_recordings: int
    """Those that the checkpoint says it was made with; 0 where it does not say."""
    history: Mapping[Path, str]
    """``train`` or ``validation`` for those among them."""
    seen_scenes: frozenset[Path]
    """Those of a group of which the checkpoint was trained on some recording, or on themselves."""
    excluded_seen: int
    """Recordings that were not measured because the checkpoint was trained on them."""
    skipped: tuple[str, ...]
    """Why each recording that could not be used could not; it is named below the folder."""


def choose_recordings(
    source: RecordingSource,
    labels: Sequence[str],
    *,
    split: str = '',
    keys: Mapping[str, str] | None = None,
    strict: bool = False,
) -> Recordings:
    """Choose, read and prepare labelled recordings of a source.

    One that is damaged or has no labels is skipped and named. ``splits.csv`` says which are of a
    split, and where it leaves that open the draw of the run that made the checkpoint. Without a
    split, what is called test is taken; where nothing is, all that the checkpoint was not trained
    on; where that leaves nothing, everything.

    Args:
        source: where the recordings come from.
        labels: those that the checkpoint knows.
        split: ``train``, ``validation``, ``test``, or empty.
        keys: of :func:`keys_of`, the checkpoint's own recordings.
        strict: whether one that cannot be used is an error.

    Raises:
        RecordingError: no recording can be used, none is of the split, ``strict`` and one cannot
            be used, or a shard is damaged.
    """
    history, table = source.history(keys or {}), source.table()
    chosen, split = _of_split(source, split, history)
    spans, skipped = usable_labels(source, chosen)
    prepared, damaged = source.prepare(list(spans))
    skipped += damaged if split else [*damaged, *source.unread]
    demand_usable(source.place, usable=len(prepared), skipped=skipped, strict=strict)
    occurring = {span.label for item in prepared for span in spans[item.recording]}
    return Recordings(
        name=source.title,
        source=source.kind,
        names={item.recording: source.below(str(item.recording)) for item in prepared},
        prepared=tuple(prepared),
        spans=spans,
        groups={path: table[path].group for path in spans if path in table},
        unknown_labels=tuple(sorted(occurring - set(labels))),
        split=split,
        num_training_recordings=len(keys or {}),
        history={path: history[path] for path in chosen if path in history},
        seen_scenes=frozenset(_of_seen_groups(spans, table, history)),
        excluded_seen=0 if split else len(source.found) - len(chosen),
        skipped=tuple(source.below(reason) for reason in skipped),
    )


def _of_seen_groups(
    chosen: Iterable[Path], table: Mapping[Path, Assignment], history: Mapping[Path, str]
) -> Iterator[Path]:
    """Yield the recordings of groups that were trained on; one in no group stands for itself."""
    groups = {path: table[path].group for path in table if table[path].group}
    trained = {groups.get(path, path) for path, split in history.items() if split == 'train'}
    yield from (path for path in chosen if groups.get(path, path) in trained)


def keys_of(checkpoint: Checkpoint) -> dict[str, str]:
    """Return ``train`` or ``validation`` by the key of each recording it was made with."""
    splits: Mapping[str, Sequence[str]] = checkpoint.metrics.get('training', {}).get('keys', {})
    return {key: split for split, keys in splits.items() for key in keys}


def recorded_of(checkpoint: Checkpoint) -> RecordedConfig:
    """Return how the topics of recordings were read in the run that made a checkpoint."""
    settings = checkpoint.metrics.get('training', {}).get('settings', {})
    try:
        return build_config(
            RecordedConfig, settings.get('recorded', {}), where=str(checkpoint.path)
        )
    except (ConfigError, AttributeError):
        return DEFAULTS


def _of_split(
    source: RecordingSource, split: str, history: Mapping[Path, str]
) -> tuple[list[Path], str]:
    """Return the recordings of a split and its name."""
    table = source.table()
    splits = {
        path: (table[path].split if path in table else '') or history.get(path, '')
        for path in source.found
    }
    if not split and TEST_SPLIT not in splits.values():
        new = [path for path in source.found if history.get(path) != 'train']
        return new or list(source.found), ''
    wanted = split or TEST_SPLIT
    chosen = [path for path in source.found if splits[path] == wanted]
    if not chosen:
        raise RecordingError(
            f'{source.place}: expected recordings of the split {wanted!r}, found none among '
            f'{len(source.found)}; name them in {source.table_name}, or leave the split out'
        )
    return chosen, wanted
