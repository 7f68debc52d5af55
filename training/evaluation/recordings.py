"""The recordings that are measured: found, chosen by their split, prepared, opened.

They are bags, or come from shards that ``prepare`` made of bags, with the same decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from activity_recognition.bags import find_recordings, passed_over
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.config_io import build_config
from activity_recognition.errors import ActivityRecognitionError, ConfigError, RecordingError
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.recorded import DEFAULTS, RecordedConfig, Setting
from activity_recognition.training.data.cache import PreparedRecording, recording_key
from activity_recognition.training.data.dataset import cache_recordings, read_all_labels
from activity_recognition.training.data.splits import (
    SPLITS_FILE,
    Assignment,
    read_splits,
    settings_of,
)
from activity_recognition.training.data.store import Store
from activity_recognition.training.data.usable import demand_usable
from activity_recognition.training.sharding.manifest import (
    Manifest,
    ShardedRecording,
    holds_shards,
    read_manifest,
)
from activity_recognition.training.sharding.reading import cache_shards
from activity_recognition.types import LabelSpan

TEST_SPLIT = 'test'
BAGS, SHARDS = 'recordings', 'shards'
"""What recordings are read from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recordings:
    """Labelled recordings, ready to be decided about."""

    name: str
    """Of the folder or URL that holds them, without what lies above it."""
    source: str
    """:data:`BAGS` or :data:`SHARDS`; these hold what a network eats, not what sensors sent."""
    names: Mapping[Path, str]
    """What to call each: its path below the folder."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparing:
    """How recordings are prepared."""

    model: ModelConfig
    sync: SyncConfig
    recorded: RecordedConfig
    cache: Path
    workers: int
    console: Console | None


class Source(Protocol):
    """A place with recordings."""

    kind: str
    """:data:`BAGS` or :data:`SHARDS`."""
    title: str
    """Name of the place, for a report."""
    table: str
    """Where the splits are named."""
    found: Sequence[Path]
    """All recordings."""

    def splits(self) -> Mapping[Path, str]:
        """Return the split of each recording for which one is named."""
        ...

    def history(self, keys: Mapping[str, str]) -> Mapping[Path, str]:
        """Return what a checkpoint of these keys used each recording for."""
        ...

    def labels(self, chosen: Sequence[Path]) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
        """Return the labels of recordings, and what is wrong with those that have none."""
        ...

    def prepare(
        self, chosen: Sequence[Path], how: Preparing
    ) -> tuple[list[PreparedRecording], list[str]]:
        """Put recordings into the cache; return them, and what is wrong with the others."""
        ...

    def below(self, text: str) -> str:
        """Name recordings in a text by their paths below the place: a report tells no more."""
        ...


class BagFolder:
    """A folder with recordings, or one recording."""

    kind = BAGS

    def __init__(self, folder: Path, model: ModelConfig) -> None:
        """Find the recordings.

        Args:
            folder: where to look.
            model: decides the preprocessing, and so the keys.

        Raises:
            RecordingError: no such folder.
        """
        self._folder, self._model = folder, model
        self.title = folder.name or str(folder)
        self.table = str(folder / SPLITS_FILE)
        self.found: Sequence[Path] = find_recordings(folder)

    def splits(self) -> Mapping[Path, str]:
        """Return what ``splits.csv`` says."""
        return {path: assignment.split for path, assignment in self._table().items()}

    def _table(self) -> Mapping[Path, Assignment]:
        return read_splits(self._folder) if self._folder.is_dir() else {}

    def history(self, keys: Mapping[str, str]) -> Mapping[Path, str]:
        """Find out which recordings a checkpoint was made with, by what is in them."""
        if not keys:
            return {}
        # Training has the node's admission, whatever is measured with here.
        history = {}
        for path in self.found:
            # One that cannot be read is named where it is prepared.
            with suppress(ActivityRecognitionError, OSError):
                split = keys.get(recording_key(path, self._model, SyncConfig()))
                if split is not None:
                    history[path] = split
        return history

    def labels(self, chosen: Sequence[Path]) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
        """Read the labels where each recording keeps them."""
        return read_all_labels(chosen)

    def prepare(
        self, chosen: Sequence[Path], how: Preparing
    ) -> tuple[list[PreparedRecording], list[str]]:
        """Run the recordings through the node's own way in."""
        return cache_recordings(
            chosen,
            how.model,
            how.sync,
            cache=how.cache,
            recorded=settings_of(chosen, self._table(), how.recorded),
            workers=how.workers,
            console=how.console,
        )

    def below(self, text: str) -> str:
        """Leave out what lies above the folder."""
        return text.replace(f'{self._folder}/', '').replace(str(self._folder), self.title)


class ShardSet:
    """Shards that ``prepare`` made of recordings, whose names, labels and keys they tell."""

    kind = SHARDS

    def __init__(
        self, place: Path | str, model: ModelConfig, sync: SyncConfig, recorded: RecordedConfig
    ) -> None:
        """Read the manifest.

        Raises:
            RecordingError: it is damaged, or the shards are not what the network eats.
        """
        self._place = place
        self.title = str(place).rstrip('/').rpartition('/')[2]
        self.table = f'{SPLITS_FILE} of the recordings, and prepare them again'
        self._manifest: Manifest = read_manifest(Store(place))
        self._manifest.demand(str(place), model, sync, 0, recorded)
        self._entries: Mapping[Path, ShardedRecording] = {
            Path(entry.name): entry for entry in self._manifest.recordings
        }
        self.found: Sequence[Path] = list(self._entries)

    def splits(self) -> Mapping[Path, str]:
        """Return what ``splits.csv`` said when the shards were made."""
        return {path: entry.split for path, entry in self._entries.items()}

    def history(self, keys: Mapping[str, str]) -> Mapping[Path, str]:
        """Find out which recordings a checkpoint was made with, by the keys of their shards."""
        return {path: keys[e.key] for path, e in self._entries.items() if e.key in keys}

    def labels(self, chosen: Sequence[Path]) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
        """Return the labels in the manifest, and what was left out when the shards were made."""
        left_out = [reason for _, reason in self._manifest.left_out]
        return {path: self._entries[path].spans for path in chosen}, left_out

    def prepare(
        self, chosen: Sequence[Path], how: Preparing
    ) -> tuple[list[PreparedRecording], list[str]]:
        """Unpack the shards; a damaged one is an error, for it can be made anew."""
        entries = [self._entries[path] for path in chosen]
        prepared = cache_shards(
            self._place, entries, cache=how.cache, workers=how.workers, console=how.console
        )
        return prepared, []

    def below(self, text: str) -> str:
        """Return the text: shards know no more than what lies below their place."""
        return text


def open_source(
    data: Path | str,
    model: ModelConfig,
    sync: SyncConfig,
    asked: Mapping[str, Setting] | None = None,
) -> Source:
    """Look at what lies at a place: a folder with recordings, or a folder or URL of shards.

    ``asked`` is how topics have to have been read, where somebody says so.
    """
    if holds_shards(data):
        return ShardSet(data, model, sync, DEFAULTS.with_overrides(asked or {}))
    return BagFolder(Path(data), model)


def open_recordings(
    data: Path | str,
    model: ModelConfig,
    sync: SyncConfig,
    *,
    cache: Path,
    trained: RecordedConfig = DEFAULTS,
    asked: Mapping[str, Setting] | None = None,
    split: str = '',
    keys: Mapping[str, str] | None = None,
    strict: bool = False,
    workers: int = 0,
    console: Console | None = None,
) -> Recordings:
    """Find, read and prepare the labelled recordings at a place.

    One that is damaged or has no labels is left out and named. ``splits.csv`` says which are of a
    split, and where it leaves that open the draw of the run that made the checkpoint. Without a
    split, what is called test is taken; where nothing is, all that the checkpoint was not trained
    on; where that leaves nothing, everything.

    Args:
        data: folder with recordings, or folder or URL of shards.
        model: decides the preprocessing, and which labels are known.
        sync: admission and decision rate.
        cache: where prepared arrays are kept, and found again.
        trained: how topics were read in training: of :func:`recorded_of`, the checkpoint's.
        asked: in what they are to be read otherwise. What ``splits.csv`` says goes before both;
            shards were made as they were.
        split: ``train``, ``validation``, ``test``, or empty.
        keys: of :func:`keys_of`, the checkpoint's own recordings.
        strict: whether one that cannot be used is an error.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Raises:
        RecordingError: no recording can be used, none is of the split, ``strict`` and one cannot
            be used, or a shard is damaged or was prepared for another network.
    """
    source = open_source(data, model, sync, asked)
    history = source.history(keys or {})
    chosen, split = _of_split(data, source, split, history)
    spans, left_out = _usable_labels(source, chosen)
    prepared, damaged = source.prepare(
        list(spans),
        Preparing(
            model=model,
            sync=sync,
            recorded=trained.with_overrides(asked or {}),
            cache=cache,
            workers=workers,
            console=console,
        ),
    )
    left_out += damaged
    if not split and isinstance(source, BagFolder):
        left_out += passed_over(Path(data))
    demand_usable(data, usable=len(prepared), left_out=left_out, strict=strict)
    occurring = {span.label for item in prepared for span in spans[item.recording]}
    return Recordings(
        name=source.title,
        source=source.kind,
        names={item.recording: source.below(str(item.recording)) for item in prepared},
        prepared=tuple(prepared),
        spans=spans,
        foreign=tuple(sorted(occurring - set(model.labels))),
        split=split,
        made_with=len(keys or {}),
        history={path: history[path] for path in chosen if path in history},
        passed_over=0 if split else len(source.found) - len(chosen),
        left_out=tuple(source.below(reason) for reason in left_out),
    )


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
    data: Path | str, source: Source, split: str, history: Mapping[Path, str]
) -> tuple[list[Path], str]:
    """Return the recordings of a split and its name."""
    table = source.splits()
    splits = {path: table.get(path, '') or history.get(path, '') for path in source.found}
    if not split and TEST_SPLIT not in splits.values():
        new = [path for path in source.found if history.get(path) != 'train']
        return new or list(source.found), ''
    wanted = split or TEST_SPLIT
    chosen = [path for path in source.found if splits[path] == wanted]
    if not chosen:
        raise RecordingError(
            f'{data}: expected recordings of the split {wanted!r}, found none among '
            f'{len(source.found)}; name them in {source.table}, or leave the split out'
        )
    return chosen, wanted


def _usable_labels(
    source: Source, chosen: Sequence[Path]
) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
    """Return the labels of each recording that can be measured, and what is wrong with others."""
    spans, wrong = source.labels(chosen)
    empty = [recording for recording, found in spans.items() if not found]
    wrong += [f'{recording}: expected labels, its table of them is empty' for recording in empty]
    return {recording: found for recording, found in spans.items() if found}, wrong
