"""Shards to the cache that training reads, so that its batches are those of the recordings."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from webdataset.tariterators import group_by_keys, tar_file_iterator

from activity_recognition.errors import DecodeError, RecordingError
from activity_recognition.scratch import scratch_folder
from activity_recognition.training.data.cache import (
    PreparedRecording,
    cache_folder,
    is_cached,
    read_cached,
    write_arrays,
)
from activity_recognition.training.data.store import Store
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.training.sharding.manifest import Shard, ShardedRecording
from activity_recognition.training.sharding.samples import Sample, from_samples


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpacking:
    """One recording to be put into the cache; sent to workers."""

    place: str
    """Folder or URL of the shards."""
    recording: ShardedRecording
    cache: Path
    wide_px: int
    """Side of images with a margin; 0 leaves them in the shards."""


def cache_shards(
    place: Path | str,
    recordings: Sequence[ShardedRecording],
    *,
    cache: Path,
    wide_px: int = 0,
    workers: int = 0,
    console: Console | None = None,
) -> list[PreparedRecording]:
    """Put sharded recordings into the cache, in parallel; those that it holds stay.

    Args:
        place: folder or URL of the shards.
        recordings: of their manifest.
        cache: where arrays are kept; the same as for recordings that are read directly.
        wide_px: side of images with a margin, as the manifest has it; 0 leaves them out.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Raises:
        RecordingError: a shard is missing or damaged.
    """
    work = [
        Unpacking(place=str(place), recording=recording, cache=cache, wide_px=wide_px)
        for recording in recordings
    ]
    processes = worker_count(workers) if Store(place).is_shared else 1
    found = dict(
        spread(unpack, work, workers=processes, description='reading shards', console=console)
    )
    return [found[index] for index in range(len(work))]


def unpack(work: Unpacking) -> PreparedRecording:
    """Put one recording into the cache unless it is there.

    Raises:
        RecordingError: a shard is missing or damaged.
    """
    recording = work.recording
    folder = cache_folder(work.cache, recording.key, work.wide_px, recording.recorded)
    if not is_cached(folder):
        store = Store(work.place)
        with scratch_folder() as scratch:
            samples = (
                sample
                for number, shard in enumerate(recording.shards)
                for sample in read_shard(store, shard, scratch / f'{number}.tar')
            )
            try:
                arrays = from_samples(samples, wide=work.wide_px > 0)
            except DecodeError as error:
                raise _damaged(f'{work.place}/{recording.name}', str(error)) from error
        write_arrays(arrays, folder)
    return read_cached(
        Path(recording.name), recording.key, folder, recording.spans, recording.recorded
    )


def read_shard(store: Store, shard: Shard, scratch: Path) -> Iterator[Sample]:
    """Yield the samples of one shard, having fetched it to ``scratch`` and seen that it is whole.

    Args:
        store: place of the shards.
        shard: which.
        scratch: local file to fetch it to; it is removed.

    Raises:
        RecordingError: it is missing or damaged.
    """
    if not store.exists(shard.name):
        raise _damaged(store.url(shard.name), 'it is not there')
    store.get(shard.name, scratch)
    checksum = Store(scratch.parent).sha256(scratch.name)
    if checksum != shard.sha256:
        raise _damaged(
            store.url(shard.name),
            f'expected the checksum {shard.sha256}, got {checksum} '
            f'({scratch.stat().st_size} of {shard.size_bytes} bytes)',
        )
    try:
        with scratch.open('rb') as file:
            url = {'__url__': store.url(shard.name)}
            yield from group_by_keys({**part, **url} for part in tar_file_iterator(file))
    except tarfile.TarError as error:
        raise _damaged(store.url(shard.name), str(error)) from error
    finally:
        scratch.unlink(missing_ok=True)


def _damaged(place: str, reason: str) -> RecordingError:
    return RecordingError(
        f'{place}: this shard cannot be used: {reason}; prepare the recordings again '
        '(activity-recognition prepare DATA --out SHARDS), which makes again what is damaged and '
        'keeps the rest'
    )
