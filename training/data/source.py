"""Recordings as training and evaluation take them, whatever they are read from.

:func:`activity_recognition.training.sharding.opening.open_source` decides what that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from activity_recognition.bags import load_labels
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import ActivityRecognitionError, RecordingError
from activity_recognition.frozen_networks import demand_networks
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.training.data.cache import (
    Preparation,
    PreparedRecording,
    cache_recording,
    is_cached,
    possible_keys,
)
from activity_recognition.training.data.places import BagFolder
from activity_recognition.training.data.splits import SPLITS_FILE, Assignment, settings_of
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.types import LabelSpan

BAGS, SHARDS = 'recordings', 'shards'
"""What recordings are read from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparing:
    """How recordings are prepared."""

    model: ModelConfig
    """Decides the preprocessing; its labels do not matter."""
    sync: SyncConfig
    """Admission and the decisions' times."""
    cache: Path
    """Where arrays are kept, and found again."""
    wide_px: int = 0
    """Side of a second, larger copy of each image to crop views from; 0 makes none."""
    recorded: RecordedConfig = DEFAULTS
    """Which topics are used and what they mean, where ``splits.csv`` does not say."""
    workers: int = 0
    """Processes; 0 takes one per core."""
    console: Console | None = None
    """Where to show progress."""


class RecordingSource(Protocol):
    """A place with labelled recordings: bags, or shards that were made of them."""

    kind: str
    """:data:`BAGS` or :data:`SHARDS`; shards hold network inputs, not what sensors sent."""
    place: str
    """Where it is, for messages."""
    title: str
    """Its name, without what lies above it."""
    table_name: str
    """Where splits are named."""
    found: Sequence[Path]
    """All recordings."""
    unread: Sequence[str]
    """Why what looks like a recording is none: compressed or unfinished."""
    recorded: RecordedConfig
    """How topics are read in general."""

    def table(self) -> Mapping[Path, Assignment]:
        """Return split and group of each recording for which they are named."""
        ...

    def history(self, keys: Mapping[str, str]) -> Mapping[Path, str]:
        """Return what a checkpoint that knows these keys used each recording for."""
        ...

    def labels(self, chosen: Sequence[Path]) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
        """Return the labels of recordings, and what is wrong with those that have none."""
        ...

    def prepare(self, chosen: Sequence[Path]) -> tuple[list[PreparedRecording], list[str]]:
        """Put recordings into the cache; return them in order, and what is wrong with others."""
        ...

    def below(self, text: str) -> str:
        """Name recordings in a text by their paths below the place: a report says no more."""
        ...


class BagSource:
    """A folder with recordings, or one recording."""

    kind = BAGS

    def __init__(self, folder: Path, how: Preparing) -> None:
        """Find the recordings.

        Args:
            folder: where to look.
            how: how they are prepared.

        Raises:
            RecordingError: no such folder.
        """
        self._bags, self._how = BagFolder(folder), how
        self.place = str(folder)
        self.title = folder.name or str(folder)
        self.table_name = str(folder / SPLITS_FILE)
        self.found = self._bags.found
        self.unread = self._bags.unread
        self.recorded = how.recorded

    def table(self) -> Mapping[Path, Assignment]:
        """Return what ``splits.csv`` says."""
        return self._bags.table()

    def history(self, keys: Mapping[str, str]) -> Mapping[Path, str]:
        """Find out which recordings a checkpoint was made with, by what is in them."""
        history: dict[Path, str] = {}
        for path in self.found if keys else ():
            # One that cannot be read is named where it is prepared.
            with suppress(ActivityRecognitionError, OSError):
                # Training has the node's admission, whatever is measured with here.
                possible = possible_keys(path, self._how.model, SyncConfig())
                known = [keys[key] for key in possible if key in keys]
                if known:
                    history[path] = known[0]
        return history

    def labels(self, chosen: Sequence[Path]) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
        """Read the labels where each recording keeps them."""
        spans: dict[Path, tuple[LabelSpan, ...]] = {}
        wrong: list[str] = []
        for recording in chosen:
            try:
                spans[recording] = load_labels(recording)
            except RecordingError as error:
                wrong.append(str(error))
        return spans, wrong

    def prepare(self, chosen: Sequence[Path]) -> tuple[list[PreparedRecording], list[str]]:
        """Run the recordings through the node's own preprocessing, in parallel."""
        return cache_recordings(chosen, self._how, settings_of(chosen, self.table(), self.recorded))

    def below(self, text: str) -> str:
        """Leave out what lies above the folder."""
        return text.replace(f'{self.place}/', '').replace(self.place, self.title)


def cache_recordings(
    recordings: Sequence[Path],
    how: Preparing,
    recorded: Mapping[Path, RecordedConfig] | None = None,
) -> tuple[list[PreparedRecording], list[str]]:
    """Cache recordings in parallel; returns those that worked, in order, and what is wrong.

    Args:
        recordings: rosbag2 folders or bag files.
        how: how they are prepared.
        recorded: how the topics of each are read; as ``how`` says where None.

    Raises:
        WeightsError, MissingExtraError: a frozen network in front of the network cannot run here,
            and not everything is in the cache.
    """
    if not holds_any(how.cache):
        demand_networks(how.model)
    settings = recorded or dict.fromkeys(recordings, how.recorded)
    work = [
        Preparation(
            recording=recording,
            cache=how.cache,
            model=how.model,
            sync=how.sync,
            wide_px=how.wide_px,
            recorded=settings[recording],
        )
        for recording in recordings
    ]
    outcomes = dict(
        spread(
            cache_recording,
            work,
            workers=worker_count(how.workers),
            description='reading recordings',
            console=how.console,
        )
    )
    ordered = [outcomes[index] for index in range(len(work))]
    prepared = [outcome for outcome in ordered if not isinstance(outcome, str)]
    return prepared, [outcome for outcome in ordered if isinstance(outcome, str)]


def holds_any(cache: Path) -> bool:
    """Return whether recordings are cached, for which no frozen network is needed any more.

    Args:
        cache: folder of all recordings, which may not be there.
    """
    return cache.is_dir() and any(is_cached(folder) for folder in cache.iterdir())


def usable_labels(
    source: RecordingSource, chosen: Sequence[Path]
) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
    """Return the labels of each recording that has some, and what is wrong with the others.

    Args:
        source: where the recordings lie.
        chosen: some of them.
    """
    spans, wrong = source.labels(chosen)
    empty = [recording for recording, found in spans.items() if not found]
    wrong += [f'{recording}: expected labels, its table of them is empty' for recording in empty]
    return {recording: found for recording, found in spans.items() if found}, wrong
