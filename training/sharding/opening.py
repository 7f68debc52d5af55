"""The one place that decides what recordings are read from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from activity_recognition.modalities import modalities_of
from activity_recognition.recorded import RecordedConfig
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.data.source import (
    SHARDS,
    BagSource,
    Preparing,
    RecordingSource,
)
from activity_recognition.training.data.splits import SPLITS_FILE, Assignment
from activity_recognition.training.data.store import Store, is_url
from activity_recognition.training.sharding.manifest import (
    ShardedRecording,
    holds_shards,
    read_manifest,
)
from activity_recognition.training.sharding.reading import cache_shards
from activity_recognition.types import LabelSpan


def open_source(
    data: Path | str, how: Preparing, *, demanded: RecordedConfig | None = None
) -> RecordingSource:
    """Look at what lies at a place: a folder with recordings, or a folder or URL of shards.

    Args:
        data: the place.
        how: how recordings are prepared.
        demanded: how topics have to have been read where shards were made; ``how.recorded`` where
            None. Settings that have their default demand nothing.

    Raises:
        RecordingError: no such place, or its shards are damaged or were prepared for another
            network.
    """
    if holds_shards(data):
        return ShardSource(data, how, how.recorded if demanded is None else demanded)
    return BagSource(Path(data), how)


def usual_cache(data: Path | str, otherwise: Path) -> Path:
    """Return where the arrays of recordings are kept where nobody says: of shards, once for all.

    A folder of shards has its cache beside it, ``SHARDS.cache``, so that the next run, or the next
    report, need not unpack them again. It may be removed at any time.

    Args:
        data: folder with recordings, or folder or URL of shards.
        otherwise: for recordings, for shards of another machine, and where nothing can be written
            beside them.
    """
    if is_url(data) or not holds_shards(data):
        return otherwise
    place = Path(data).absolute()
    beside = place.with_name(f'{place.name}.cache')
    writable = os.access(beside if beside.exists() else place.parent, os.W_OK)
    return beside if writable else otherwise


class ShardSource:
    """Shards that ``prepare`` made of recordings; names, labels and keys are in their manifest."""

    kind = SHARDS
    unread: Sequence[str] = ()

    def __init__(self, data: Path | str, how: Preparing, demanded: RecordedConfig) -> None:
        """Read the manifest.

        Args:
            data: folder or URL of the shards.
            how: how recordings are prepared.
            demanded: how topics have to have been read.

        Raises:
            RecordingError: it is damaged, or the shards were prepared for another network.
        """
        self._how = how
        self.place = str(data)
        self.title = self.place.rstrip('/').rpartition('/')[2]
        self.table_name = f'{SPLITS_FILE} of the recordings, and prepare them again'
        self._manifest = read_manifest(Store(data))
        self._manifest.demand(self.place, how.model, how.sync, how.wide_px, demanded)
        self._entries: Mapping[Path, ShardedRecording] = {
            Path(entry.name): entry for entry in self._manifest.recordings
        }
        self.found: Sequence[Path] = list(self._entries)
        self.recorded = self._manifest.recorded

    def table(self) -> Mapping[Path, Assignment]:
        """Return what ``splits.csv`` said when the shards were made."""
        return {
            path: Assignment(split=entry.split, group=entry.group, line=0)
            for path, entry in self._entries.items()
        }

    def history(self, keys: Mapping[str, str]) -> Mapping[Path, str]:
        """Find out which recordings a checkpoint was made with, by the keys of their shards."""
        return {path: keys[e.key] for path, e in self._entries.items() if e.key in keys}

    def labels(self, chosen: Sequence[Path]) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
        """Return the labels in the manifest, and what was skipped when the shards were made."""
        skipped = [reason for _, reason in self._manifest.left_out]
        return {path: self._entries[path].spans for path in chosen}, skipped

    def prepare(self, chosen: Sequence[Path]) -> tuple[list[PreparedRecording], list[str]]:
        """Unpack the shards; a damaged one is an error, for it can be made again."""
        prepared = cache_shards(
            self.place,
            [self._entries[path] for path in chosen],
            cache=self._how.cache,
            wide_px=self._how.wide_px,
            workers=self._how.workers,
            console=self._how.console,
        )
        # What shards hold of other modalities is left alone.
        used = modalities_of(self._how.model)
        return [dataclasses.replace(recording, modalities=used) for recording in prepared], []

    def below(self, text: str) -> str:
        """Return the text: shards know no more than what lies below their place."""
        return text
