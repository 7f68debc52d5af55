"""Recordings to shards: in parallel, resumable, the same bytes each time.

Every recording has a folder of its own below OUT with its shards and, once they are all there, a
receipt. A run that was killed and is started again keeps what has a receipt that is true, and
makes the rest again; the manifest comes last.
"""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import webdataset
from rich.console import Console

from activity_recognition.bags import load_labels
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import ActivityRecognitionError, ConfigError, RecordingError
from activity_recognition.frozen_networks import demand_networks
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.scratch import scratch_folder, writing
from activity_recognition.text_files import parse_json
from activity_recognition.training.data.cache import preprocessing, recording_key
from activity_recognition.training.data.places import RecordingLocation, RecordingPlace, find_place
from activity_recognition.training.data.preprocessing import OF_FRONT_ENDS, preprocess_recording
from activity_recognition.training.data.splits import Assignment, settings_of
from activity_recognition.training.data.store import Store, is_url
from activity_recognition.training.data.usable import demand_usable
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.training.sharding.cluster import spread_over_cluster
from activity_recognition.training.sharding.manifest import (
    SCHEMA,
    Manifest,
    Shard,
    ShardedRecording,
    recording_from,
    recording_mapping,
    to_json,
    write_manifest,
)
from activity_recognition.training.sharding.samples import to_samples
from activity_recognition.types import LabelSpan

RECEIPT = 'recording.json'
ENGINES = ('processes', 'ray')
"""Where the work is done: processes of this machine, or a Ray cluster."""
SHARD_BYTES = 256 << 20
"""A recording's next sample begins a new shard after this many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharding:
    """One recording to be made into shards; sent to workers."""

    location: RecordingLocation
    out: str
    """Folder or URL of all shards."""
    model: ModelConfig
    sync: SyncConfig
    wide_px: int
    shard_bytes: int = SHARD_BYTES
    recorded: RecordedConfig = DEFAULTS
    """Which topics of the recording are used, and what they mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one recording."""

    name: str
    recording: ShardedRecording | None = None
    kept: bool = False
    """Whether its shards were there already."""
    problem: str = ''
    """Why it cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedShards:
    """What a run of :func:`prepare_shards` ends with."""

    manifest: Manifest
    kept: int
    """Recordings whose shards were there already."""


def prepare_shards(
    data: Path | str,
    out: Path | str,
    *,
    model: ModelConfig,
    sync: SyncConfig,
    wide_px: int = 0,
    recorded: RecordedConfig = DEFAULTS,
    strict: bool = False,
    engine: str = 'processes',
    workers: int = 0,
    shard_bytes: int = SHARD_BYTES,
    console: Console | None = None,
) -> PreparedShards:
    """Make the shards of all labelled recordings at a place, then their manifest.

    Args:
        data: folder or URL with recordings.
        out: folder or URL for the shards.
        model: decides the preprocessing.
        sync: admission and the decisions' times.
        wide_px: side of a second, larger copy of each image to crop views from; 0 makes none.
        recorded: which topics are used and what they mean, where ``splits.csv`` does not say.
        strict: refuse to finish where a recording cannot be used, instead of leaving it out.
        engine: one of :data:`ENGINES`.
        workers: processes; 0 takes one per core. A Ray cluster decides for itself.
        shard_bytes: size after which the next sample begins a new shard.
        console: where to show progress.

    Raises:
        RecordingError: no recording can be used, or ``strict`` and one cannot.
        ConfigError: ``engine`` or ``out`` is wrong.
        WeightsError, MissingExtraError: a frozen network in front of the network cannot run here.
    """
    _check(data, out, engine)
    place = find_place(data)
    demand_networks(model)
    table = place.assignments()
    settings = settings_of([item.name for item in place.locations], table, recorded)
    work = [
        Sharding(
            location=location,
            out=_absolute(out),
            model=model,
            sync=sync,
            wide_px=wide_px,
            shard_bytes=shard_bytes,
            recorded=settings[location.name],
        )
        for location in place.locations
    ]
    run = _engine(engine, _processes(workers, data, out), console)
    outcomes = [outcome for _, outcome in sorted(run(make_shards, work), key=itemgetter(0))]
    manifest = Manifest(
        preprocessing=preprocessing(model, sync),
        wide_px=wide_px,
        recordings=tuple(_assigned(o.recording, table) for o in outcomes if o.recording),
        left_out=(*_unusable(outcomes), *_unread(place, data)),
        recorded=recorded,
    )
    _finish(data, out, manifest, strict=strict)
    return PreparedShards(manifest=manifest, kept=sum(outcome.kept for outcome in outcomes))


def _absolute(out: Path | str) -> str:
    return str(out) if is_url(out) else str(Path(out).absolute())


def _processes(workers: int, data: Path | str, out: Path | str) -> int:
    """Return how many processes may work: one where others do not see the same files."""
    shared = Store(out).is_shared and Store(data).is_shared
    return worker_count(workers) if shared else 1


def _finish(data: Path | str, out: Path | str, manifest: Manifest, *, strict: bool) -> None:
    """Write the manifest where there are enough recordings that can be used."""
    reasons = [why for _, why in manifest.left_out]
    demand_usable(data, usable=len(manifest.recordings), skipped=reasons, strict=strict)
    write_manifest(Store(out), manifest)


def _unusable(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, str]]:
    """Yield name and reason of each recording that could not be made into shards."""
    return ((o.name, o.problem) for o in outcomes if not o.recording)


def _unread(place: RecordingPlace, data: Path | str) -> Iterator[tuple[str, str]]:
    """Yield name and reason of what is no recording because it is compressed or unfinished."""
    for reason in place.unread:
        named = reason.replace(str(Path(data).absolute()), str(data))
        yield named.partition(':')[0].removeprefix(f'{data}/'), named


def _assigned(recording: ShardedRecording, table: Mapping[str, Assignment]) -> ShardedRecording:
    """Return a recording with what the table of splits says of it."""
    if recording.name not in table:
        return recording
    said = table[recording.name]
    return dataclasses.replace(recording, split=said.split, group=said.group)


def make_shards(work: Sharding) -> Outcome:
    """Make the shards of one recording, unless they are there; a bad recording is an answer.

    Raises:
        RecordingError: the shards cannot be written.
        CheckpointError, MissingExtraError, WeightsError: a frozen network in front of the network
            cannot run here, or is another one.
    """
    name, store = work.location.name, Store(work.out)
    path = None
    try:
        with work.location.here() as path:
            spans = load_labels(path)
            key = recording_key(path, work.model, work.sync)
            kept = _kept(store, work, key, spans)
            if kept is not None:
                return Outcome(name=name, recording=kept, kept=True)
            arrays = preprocess_recording(
                path, work.model, work.sync, wide_px=work.wide_px, recorded=work.recorded
            )
    except OF_FRONT_ENDS:
        raise
    except (ActivityRecognitionError, OSError) as error:
        # Where the recording lay for the moment is nobody's business, and another place next time.
        problem = str(error) if path is None else str(error).replace(str(path), name)
        return Outcome(name=name, problem=problem)
    _clear(store, name)
    shards = _write(store, name, to_samples(name, key, arrays, spans), work.shard_bytes)
    made = ShardedRecording(
        name=name,
        key=key,
        start_ns=arrays.start_ns,
        dropped=arrays.dropped,
        spans=spans,
        shards=tuple(shards),
        recorded=work.recorded,
    )
    store.write(f'{name}/{RECEIPT}', to_json(_receipt(work, made)))
    return Outcome(name=name, recording=made)


Run = Callable[[Callable[[Sharding], Outcome], Sequence[Sharding]], Iterator[tuple[int, Outcome]]]


def _engine(engine: str, workers: int, console: Console | None) -> Run:
    description = 'preparing recordings'
    if engine == 'ray':
        return lambda work, items: spread_over_cluster(
            work, items, description=description, console=console
        )
    return lambda work, items: spread(
        work, items, workers=workers, description=description, console=console
    )


def _check(data: Path | str, out: Path | str, engine: str) -> None:
    if engine not in ENGINES:
        raise ConfigError(f'engine must be one of {", ".join(ENGINES)}, got {engine!r}')
    if not is_url(data) and not is_url(out) and Path(data).resolve() == Path(out).resolve():
        raise ConfigError(
            f'{out}: expected another folder for the shards than that of the recordings'
        )


def _receipt(work: Sharding, recording: ShardedRecording) -> dict[str, Any]:
    settings = {'wide_px': work.wide_px, 'shard_bytes': work.shard_bytes}
    return {'schema': SCHEMA, **settings, 'recording': recording_mapping(recording)}


def _kept(
    store: Store, work: Sharding, key: str, spans: tuple[LabelSpan, ...]
) -> ShardedRecording | None:
    """Return what an earlier run made, if it was made of the same and is undamaged."""
    name = f'{work.location.name}/{RECEIPT}'
    if not store.exists(name):
        return None
    try:
        content = parse_json(store.read(name), RecordingError, where=name)
        found = recording_from(content['recording'])
    except (ConfigError, RecordingError, KeyError, TypeError, ValueError, AttributeError):
        return None
    expected = dataclasses.replace(
        found, name=work.location.name, key=key, spans=spans, recorded=work.recorded
    )
    if content != _receipt(work, expected):
        return None
    whole = all(store.exists(s.name) and store.sha256(s.name) == s.sha256 for s in found.shards)
    return found if whole else None


def _clear(store: Store, name: str) -> None:
    """Remove what an earlier run left of a recording, its receipt first."""
    store.remove_unfinished(name)
    if store.exists(f'{name}/{RECEIPT}'):
        store.remove(f'{name}/{RECEIPT}')
    number = 0
    while store.exists(_shard_name(name, number)):
        store.remove(_shard_name(name, number))
        number += 1


def _shard_name(name: str, number: int) -> str:
    return f'{name}/{number:05d}.tar'


def _write(
    store: Store, name: str, samples: Iterator[dict[str, Any]], shard_bytes: int
) -> Iterator[Shard]:
    """Write samples to as many shards as they need."""
    with writing(Path(tempfile.gettempdir()), 'a shard'), scratch_folder() as scratch:
        pending = next(samples, None)
        number = 0
        while pending is not None:
            local = scratch / f'{number}.tar'
            count = size = 0
            with local.open('wb') as file, _tar_writer(file) as tar:
                while pending is not None and size < shard_bytes:
                    size += tar.write(pending)
                    count += 1
                    pending = next(samples, None)
            yield _store(store, local, _shard_name(name, number), count)
            number += 1


def _tar_writer(file: io.BufferedWriter) -> webdataset.TarWriter:
    # Nothing of the machine or of the moment gets into a shard.
    return webdataset.TarWriter(
        file, encoder=False, user='', group='', mode=0o644, mtime=0, compress=False
    )


def _store(store: Store, local: Path, name: str, samples: int) -> Shard:
    checksum = Store(local.parent).sha256(local.name)
    size_bytes = local.stat().st_size
    store.put(local, name)
    return Shard(name=name, sha256=checksum, size_bytes=size_bytes, samples=samples)
