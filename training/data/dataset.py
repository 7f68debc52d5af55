"""Recordings, or shards of them: cached in parallel, split by recording, given classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from activity_recognition.bags import find_recordings, load_labels, passed_over
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.training.data.cache import Preparation, PreparedRecording, cache_recording
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.splits import (
    Assignment,
    draw_validation,
    read_splits,
    settings_of,
)
from activity_recognition.training.data.store import Store
from activity_recognition.training.data.targets import label_seconds
from activity_recognition.training.data.usable import demand_usable
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.training.sharding.manifest import holds_shards, read_manifest
from activity_recognition.training.sharding.reading import cache_shards
from activity_recognition.types import LabelSpan

NONE_LABEL = 'none'
"""Takes class 0 where it occurs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Prepared recordings, split, with the labels that occur in them."""

    labels: tuple[str, ...]
    training: tuple[PreparedRecording, ...]
    validation: tuple[PreparedRecording, ...]
    test: tuple[PreparedRecording, ...]
    """Held out from both, by the table of splits."""
    left_out: tuple[str, ...]
    """Why each recording that could not be used could not."""
    recorded: RecordedConfig = DEFAULTS
    """How their topics were read in general; of shards, when they were made."""

    def texts(self) -> list[str]:
        """Return all utterances of the training recordings."""
        return [text for r in self.training for texts in r.texts for text in texts]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What is to be split."""

    prepared: list[PreparedRecording]
    table: Mapping[Path, Assignment]
    durations_s: Mapping[Path, Mapping[str, float]]
    """Seconds of each label in each recording."""
    left_out: list[str]
    recorded: RecordedConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class _How:
    """How recordings are prepared; see :func:`load_dataset`."""

    model: ModelConfig
    sync: SyncConfig
    cache: Path
    wide_px: int
    recorded: RecordedConfig
    workers: int
    console: Console | None


def load_dataset(
    data: Path | str,
    model: ModelConfig,
    sync: SyncConfig,
    *,
    cache: Path,
    wide_px: int = 0,
    recorded: RecordedConfig = DEFAULTS,
    validation_fraction: float,
    seed: int,
    strict: bool = False,
    workers: int = 0,
    console: Console | None = None,
) -> Dataset:
    """Find, cache and split the labelled recordings at a place, or those whose shards it holds.

    A recording that is damaged or has no usable labels is left out and named. ``splits.csv`` says
    which are trained on, validated with and held out; without it, or for recordings it leaves
    open, validation recordings are drawn so that every label is among them. Shards give what the
    recordings that they were made of would have given, bit for bit.

    Args:
        data: folder with recordings, or folder or URL of prepared shards.
        model: decides the preprocessing; its labels do not matter.
        sync: decides admission and the decisions' times; the node's own settings.
        cache: where arrays are kept, and found again.
        wide_px: side of a second, larger copy of each picture to crop views from; 0 needs none.
        recorded: which topics are used and what they mean, where ``splits.csv`` does not say.
        validation_fraction: share of every label's time that is drawn for validation, at least
            one recording; nothing is drawn where the table names recordings for it.
        seed: of the split.
        strict: whether a recording that cannot be used is an error.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Raises:
        RecordingError: no recording can be used, or ``strict`` and one cannot, one alone with
            validation asked for, the table of splits is wrong, or a shard is damaged or was
            prepared for another network.
    """
    find = _from_shards if holds_shards(data) else _from_recordings
    how = _How(
        model=model,
        sync=sync,
        cache=cache,
        wide_px=wide_px,
        recorded=recorded,
        workers=workers,
        console=console,
    )
    found = find(data, how)
    demand_usable(data, usable=len(found.prepared), left_out=found.left_out, strict=strict)
    sides = split_recordings(
        found.prepared, found.table, found.durations_s, validation_fraction, seed
    )
    occurring = {label for p in found.prepared for label in found.durations_s[p.recording]}
    return Dataset(
        labels=tuple(sorted(occurring, key=lambda name: (name != NONE_LABEL, name))),
        training=tuple(sides['train']),
        validation=tuple(sides['validation']),
        test=tuple(sides['test']),
        left_out=tuple(found.left_out),
        recorded=found.recorded,
    )


def _from_recordings(data: Path | str, how: _How) -> _Found:
    folder = Path(data)
    table = read_splits(folder)
    spans, left_out = read_all_labels(find_recordings(folder))
    prepared, damaged = cache_recordings(
        list(spans),
        how.model,
        how.sync,
        cache=how.cache,
        wide_px=how.wide_px,
        recorded=settings_of(spans, table, how.recorded),
        workers=how.workers,
        console=how.console,
    )
    return _Found(
        prepared=prepared,
        table=table,
        durations_s={recording: label_seconds(found) for recording, found in spans.items()},
        left_out=left_out + damaged + passed_over(folder),
        recorded=how.recorded,
    )


def _from_shards(data: Path | str, how: _How) -> _Found:
    manifest = read_manifest(Store(data))
    manifest.demand(str(data), how.model, how.sync, how.wide_px, how.recorded)
    entries = manifest.recordings
    return _Found(
        prepared=cache_shards(
            data,
            entries,
            cache=how.cache,
            wide_px=how.wide_px,
            workers=how.workers,
            console=how.console,
        ),
        table={
            Path(entry.name): Assignment(split=entry.split, group=entry.group, line=0)
            for entry in entries
        },
        durations_s={Path(entry.name): label_seconds(entry.spans) for entry in entries},
        left_out=[reason for _, reason in manifest.left_out],
        recorded=manifest.recorded,
    )


def cache_recordings(
    recordings: Sequence[Path],
    model: ModelConfig,
    sync: SyncConfig,
    *,
    cache: Path,
    wide_px: int = 0,
    recorded: Mapping[Path, RecordedConfig] | None = None,
    workers: int = 0,
    console: Console | None = None,
) -> tuple[list[PreparedRecording], list[str]]:
    """Cache recordings in parallel; returns those that worked, in order, and what is wrong.

    ``recorded`` says how the topics of each are read, by default as they are found.
    """
    work = [
        Preparation(
            recording=recording,
            cache=cache,
            model=model,
            sync=sync,
            wide_px=wide_px,
            recorded=(recorded or {}).get(recording, DEFAULTS),
        )
        for recording in recordings
    ]
    outcomes = dict(
        spread(
            cache_recording,
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
    recordings: Sequence[PreparedRecording],
    table: Mapping[Path, Assignment],
    durations_s: Mapping[Path, Mapping[str, float]],
    fraction: float,
    seed: int,
) -> dict[str, list[PreparedRecording]]:
    """Split whole recordings by a table, and by a draw where it leaves them open.

    Copies of a recording count as one, as does a group, so that none is trained on and validated
    with.

    Args:
        recordings: prepared ones.
        table: of :func:`activity_recognition.training.data.splits.read_splits`.
        durations_s: seconds of each label in each recording.
        fraction: share to draw for validation.
        seed: of the draw.

    Raises:
        RecordingError: validation is asked for and there are not two different recordings.
    """
    sides: dict[str, list[PreparedRecording]] = {'train': [], 'validation': [], 'test': []}
    open_ones: defaultdict[str, list[PreparedRecording]] = defaultdict(list)
    for recording in recordings:
        assignment = table.get(recording.recording)
        if assignment is not None and assignment.split:
            sides[assignment.split].append(recording)
        else:
            group = assignment.group if assignment is not None else ''
            open_ones[group or recording.key].append(recording)
    chosen: set[str] = set()
    if open_ones and fraction > 0 and not sides['validation']:
        lengths = {name: _lengths(members, durations_s) for name, members in open_ones.items()}
        chosen = draw_validation(lengths, fraction, seed)
    for name, members in open_ones.items():
        sides['validation' if name in chosen else 'train'] += members
    return sides


def _lengths(
    recordings: Sequence[PreparedRecording], durations_s: Mapping[Path, Mapping[str, float]]
) -> dict[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for recording in recordings:
        for label, length in durations_s[recording.recording].items():
            total[label] += length
    return dict(total)


def open_segments(
    recordings: Sequence[PreparedRecording], labels: Sequence[str]
) -> list[LabelledSegment]:
    """Open the arrays of recordings with their labels as classes of ``labels``."""
    return [segment for recording in recordings for segment in recording.segments(labels)]


def read_all_labels(
    recordings: Sequence[Path],
) -> tuple[dict[Path, tuple[LabelSpan, ...]], list[str]]:
    """Return the labels of each recording that has some, and what is wrong with the others."""
    spans: dict[Path, tuple[LabelSpan, ...]] = {}
    wrong: list[str] = []
    for recording in recordings:
        try:
            spans[recording] = load_labels(recording)
        except RecordingError as error:
            wrong.append(str(error))
    return spans, wrong
