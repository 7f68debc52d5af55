"""Shards wherever they are, damaged ones, those of another network, and each rank's own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.bags import RecordingWriter
from activity_recognition.config import SyncConfig
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.modalities import SPEC, SPECS
from activity_recognition.training.data.dataset import load_dataset
from activity_recognition.training.data.source import Preparing
from activity_recognition.training.data.store import Store
from activity_recognition.training.run.train import main_train
from activity_recognition.training.sharding import opening
from activity_recognition.training.sharding.manifest import (
    Manifest,
    Shard,
    ShardedRecording,
    holds_shards,
    read_manifest,
)
from activity_recognition.training.sharding.opening import open_source, usual_cache
from activity_recognition.types import Frame, LabelSpan, Modality, to_ns
from factories.networks import TINY, with_modalities
from factories.runs import short_run
from factories.shards import MARGIN, WIDE_PX, batches_of, contents, load, prepare


def upload(folder: Path, url: str) -> None:
    for name, content in contents(folder).items():
        fsspec.filesystem('memory').pipe_file(f'{url}/{name}', content)


def equal(first, second) -> bool:
    return all(
        mine.keys() == other.keys() and all(mine[k].tobytes() == other[k].tobytes() for k in mine)
        for mine, other in zip(batches_of(first), batches_of(second), strict=True)
    )


def test_out_of_a_bucket_and_into_one(copies: Path, tmp_path: Path, bucket: str):
    (copies / 'splits.csv').write_text('recording,split\nrecording_2,test\n', encoding='utf-8')
    (copies / '.hidden').mkdir()
    (copies / '.hidden' / 'metadata.yaml').write_text('', encoding='utf-8')
    upload(copies, f'{bucket}/data')
    result = prepare(f'{bucket}/data', f'{bucket}/shards', workers=2)
    local = prepare(copies, tmp_path / 'shards')
    assert result.manifest == local.manifest
    assert prepare(f'{bucket}/data', f'{bucket}/shards').kept == 3
    files = Store(f'{bucket}/shards')
    assert {name: files.read(name) for name in files.names()} == contents(tmp_path / 'shards')
    dataset = load(f'{bucket}/shards', tmp_path / 'cache', workers=2)
    assert equal(dataset, load(copies, tmp_path / 'other'))


def test_urls_of_files_and_bare_bags(copies: Path, tmp_path: Path):
    [bag] = (copies / 'recording_0').glob('*.mcap')
    (copies / 'recording_0' / 'labels.csv').rename(copies / 'bare.labels.csv')
    bag.rename(copies / 'bare.mcap')
    (copies / 'recording_0' / 'metadata.yaml').unlink()
    url = f'file://{copies}'
    remote = prepare(url, f'file://{tmp_path}/shards', workers=1)
    assert [r.name for r in remote.manifest.recordings] == [
        'bare.mcap',
        'recording_1',
        'recording_2',
    ]
    assert remote.manifest == prepare(copies, tmp_path / 'local').manifest
    assert contents(tmp_path / 'shards') == contents(tmp_path / 'local')
    loaded = [
        load(place, tmp_path / name)
        for place, name in ((f'file://{tmp_path}/shards', 'a'), (tmp_path / 'local', 'b'))
    ]
    keys = [[r.key for r in (*d.training, *d.validation)] for d in loaded]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 3


def test_a_recording_whose_clock_was_set_by_decades(tmp_path: Path):
    begun_ns, set_ns = to_ns(100.0), to_ns(1.7e9)
    for name in ('a', 'b', 'c'):
        with RecordingWriter(tmp_path / 'data' / name) as writer:
            for k in range(60):
                time_ns = (begun_ns if k < 30 else set_ns) + to_ns(k / 5)
                picture = np.full((32, 32, 3), k, np.uint8)
                writer.write(Frame(stamp_ns=time_ns, arrival_ns=time_ns, image=picture))
            spans = ((0.0, 3.0, 'none'), (3.0, 5.8, 'walking'))
            writer.set_labels([LabelSpan(start_s=s, end_s=e, label=n) for s, e, n in spans])
    shards = prepare(tmp_path / 'data', tmp_path / 'shards')
    assert len(shards.manifest.recordings) == 3
    # Ten minutes of silence are decided in, in samples of ten seconds; the decades are not.
    assert {s.samples for r in shards.manifest.recordings for s in r.shards} == {63}
    direct = batches_of(load(tmp_path / 'data', tmp_path / 'one'))
    assert direct
    sharded = batches_of(load(tmp_path / 'shards', tmp_path / 'two'))
    for first, second in zip(direct, sharded, strict=True):
        assert all(np.array_equal(value, second[key]) for key, value in first.items())


def test_a_url_of_one_recording_is_refused(recordings: Path):
    with pytest.raises(RecordingError, match='name the folder above it'):
        prepare(f'file://{recordings}/recording_0', 'memory://shards')


def test_a_folder_that_is_one_recording_is_prepared(recordings: Path, tmp_path: Path):
    made = prepare(recordings / 'recording_0', tmp_path / 'shards').manifest
    assert [r.name for r in made.recordings] == ['recording_0']
    assert (tmp_path / 'shards' / 'recording_0' / '00000.tar').exists()


def test_what_is_cached_is_not_fetched_again(recordings: Path, tmp_path: Path, bucket: str):
    prepare(recordings, f'{bucket}/shards')
    first = load(f'{bucket}/shards', tmp_path / 'cache')
    for name in Store(f'{bucket}/shards').names():
        if name.endswith('.tar'):
            Store(f'{bucket}/shards').remove(name)
    assert load(f'{bucket}/shards', tmp_path / 'cache') == first


def test_a_damaged_shard_is_named_with_what_to_do(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards', wide_px=0)
    shard = tmp_path / 'shards' / 'recording_1' / '00000.tar'
    shard.write_bytes(shard.read_bytes()[:-700])
    with pytest.raises(
        RecordingError,
        match=r'recording_1/00000\.tar: .* expected the checksum .*; prepare the recordings again',
    ):
        load(tmp_path / 'shards', tmp_path / 'cache', wide_px=0)
    shard.unlink()
    with pytest.raises(RecordingError, match=r'00000\.tar: .* it is not there; prepare'):
        load(tmp_path / 'shards', tmp_path / 'cache', wide_px=0)


def test_a_shard_of_something_else_is_named(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards', wide_px=0)
    shard = tmp_path / 'shards' / 'recording_1' / '00000.tar'
    shard.write_bytes(b'no tar at all' * 100)
    path = tmp_path / 'shards' / 'manifest.json'
    manifest = json.loads(path.read_text(encoding='utf-8'))
    checksum = Store(shard.parent).sha256(shard.name)
    manifest['recordings'][1]['shards'][0]['sha256'] = checksum
    path.write_text(json.dumps(manifest), encoding='utf-8')
    with pytest.raises(RecordingError, match=r'recording_1/00000\.tar: .*cannot be used'):
        load(tmp_path / 'shards', tmp_path / 'cache', wide_px=0)


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        ('{', 'cannot read it'),
        ('{"schema": 99}', 'expected a manifest of schema 1, got 99'),
        ('{"schema": 1}', 'cannot read it'),
        ('[]', 'cannot read it'),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str, fault: str):
    (tmp_path / 'manifest.json').write_text(content, encoding='utf-8')
    with pytest.raises(RecordingError, match=fault):
        load(tmp_path, tmp_path / 'cache')


def test_no_manifest_means_not_ready(bucket: str, tmp_path: Path):
    assert holds_shards(f'{bucket}/shards')
    assert not holds_shards(tmp_path)
    with pytest.raises(RecordingError, match=r'expected the manifest .* found none'):
        load(f'{bucket}/shards', tmp_path / 'cache')


def test_storage_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match='no such kind of storage'):
        load('nonsense://bucket', tmp_path / 'cache')


def test_shards_for_another_network_are_refused(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards', sync=SyncConfig(decision_rate_hz=5.0))
    with pytest.raises(
        RecordingError,
        match=r'network: sync.decision_rate_hz = 5.0 where 10.0 is needed; .*--config',
    ):
        load(tmp_path / 'shards', tmp_path / 'cache')


def test_every_setting_that_differs_is_named_with_both_values(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards')
    audio = dataclasses.replace(TINY.audio, num_mels=24, hop_s=0.02)
    model = dataclasses.replace(TINY, audio=audio)
    with pytest.raises(RecordingError) as caught:
        load(tmp_path / 'shards', tmp_path / 'cache', model=model)
    said = str(caught.value)
    assert 'audio.hop_s = 0.01 where 0.02 is needed; audio.num_mels = 16 where 24' in said
    assert '{' not in said
    assert len(said) < 400 + len(str(tmp_path))


def test_what_changes_no_array_is_no_other_network(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards')
    audio = dataclasses.replace(TINY.audio, channels=(6, 6), window_s=2.0, max_tokens=60)
    video = dataclasses.replace(TINY.video, width=32, exposure='none', motion_channels=(4,))
    model = dataclasses.replace(
        TINY, audio=audio, video=video, hidden_dim=32, dropout=0.3, labels=('x', 'y')
    )
    sync = SyncConfig(queue_frames=3, queue_audio_s=1.0)
    found = load(tmp_path / 'shards', tmp_path / 'a', model=model, sync=sync)
    direct = load(recordings, tmp_path / 'b', model=model, sync=sync)
    assert [r.key for r in found.training] == [r.key for r in direct.training]
    for one, other in zip(found.training, direct.training, strict=True):
        pairs = zip(one.segments(found.labels), other.segments(found.labels), strict=True)
        for segment, expected in pairs:
            for key, value in expected.arrays.items():
                np.testing.assert_array_equal(segment.arrays[key], value)


def test_another_margin_is_refused(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards')
    with pytest.raises(RecordingError, match='images of 36 pixels, these shards hold 40'):
        load(tmp_path / 'shards', tmp_path / 'cache', wide_px=36)
    assert load(tmp_path / 'shards', tmp_path / 'cache', wide_px=0).training


def sized(number: int, size_bytes: int) -> ShardedRecording:
    shard = Shard(name=f'{number}/00000.tar', sha256='', size_bytes=size_bytes, samples=1)
    return ShardedRecording(
        name=str(number), key='', start_ns=0, dropped=0, spans=(), shards=(shard,)
    )


@given(sizes=st.lists(st.integers(1, 10**9), max_size=30), count=st.integers(1, 8))
def test_ranks_share_everything_without_overlap(sizes: list[int], count: int):
    recordings = tuple(sized(number, size) for number, size in enumerate(sizes))
    manifest = Manifest(preprocessing={}, wide_px=0, recordings=recordings, left_out=())
    parts = [manifest.of_rank(rank, count) for rank in range(count)]
    found = [recording.name for part in parts for recording in part]
    assert sorted(found) == sorted(r.name for r in recordings)
    shares = [sum(r.size_bytes for r in part) for part in parts]
    assert max(shares) - min(shares) <= max(sizes, default=0)


def test_a_rank_that_does_not_exist_has_no_share():
    with pytest.raises(ValueError, match='0 <= rank < count'):
        Manifest(preprocessing={}, wide_px=0, recordings=(), left_out=()).of_rank(2, 2)


def test_a_manifest_is_read_as_it_was_written(recordings: Path, tmp_path: Path):
    made = prepare(recordings, tmp_path / 'shards').manifest
    assert read_manifest(Store(tmp_path / 'shards')) == dataclasses.replace(made)


SUBSETS = (('video', 'text'), ('audio',), ('text',), ('video', 'audio'))


@pytest.mark.parametrize('names', SUBSETS, ids='+'.join)
def test_a_network_of_some_of_the_modalities_takes_these_arrays(
    recordings: Path, tmp_path: Path, names: tuple[str, ...]
):
    prepare(recordings, tmp_path / 'shards')
    model = with_modalities(*names)
    wide_px = WIDE_PX if 'video' in names else 0
    how = Preparing(
        model=model, sync=SyncConfig(), cache=tmp_path / 'cache', workers=1, wide_px=wide_px
    )
    dataset = load_dataset(open_source(tmp_path / 'shards', how), validation_fraction=0.34, seed=0)
    whole = load(tmp_path / 'shards', tmp_path / 'cache')
    for some, every in zip(dataset.training, whole.training, strict=True):
        opened = some.segments(dataset.labels), every.segments(whole.labels)
        for mine, other in zip(*opened, strict=True):
            assert [m.value for m in mine.modalities] == list(names)
            for modality in mine.modalities:
                for key in SPEC[modality].stored_keys:
                    np.testing.assert_array_equal(mine.arrays[key], other.arrays[key])
    for batch in batches_of(dataset, model=model, margin=MARGIN if wide_px else 0.0):
        taken = {key for spec in SPECS for key in spec.time_keys if key in batch}
        assert taken == {key for name in names for key in SPEC[Modality(name)].time_keys}


def test_shards_without_a_modality_are_refused_for_a_network_with_it(recordings, tmp_path):
    prepare(recordings, tmp_path / 'shards', model=with_modalities('audio'), wide_px=0)
    with pytest.raises(
        RecordingError, match=r"modalities = \['audio'\] where \['video', 'audio', 'text'\]"
    ):
        load(tmp_path / 'shards', tmp_path / 'cache')


def test_settings_of_a_modality_that_is_not_used_do_not_matter(recordings, tmp_path):
    louder = dataclasses.replace(TINY, audio=dataclasses.replace(TINY.audio, num_mels=8))
    prepare(recordings, tmp_path / 'shards', model=louder)
    manifest = read_manifest(Store(tmp_path / 'shards'))
    manifest.demand('shards', with_modalities('video', 'text'), SyncConfig(), WIDE_PX)
    with pytest.raises(RecordingError, match=r'audio\.num_mels = 8 where 16 is needed'):
        manifest.demand('shards', with_modalities('video', 'audio'), SyncConfig(), WIDE_PX)


@pytest.mark.parametrize('names', [('video', 'text'), ('audio',)], ids='+'.join)
def test_what_was_trained_on_in_shards_is_known_among_recordings(
    recordings: Path, tmp_path: Path, names: tuple[str, ...]
):
    """Also where the shards hold more modalities than the network that was trained on them."""
    result = prepare(recordings, tmp_path / 'shards')
    keys = {entry.key: 'train' for entry in result.manifest.recordings[:2]}
    how = Preparing(model=with_modalities(*names), sync=SyncConfig(), cache=tmp_path / 'cache')
    known = open_source(recordings, how).history(keys)
    expected = [entry.name for entry in result.manifest.recordings[:2]]
    assert sorted(path.name for path in known) == expected


def test_shards_are_unpacked_once_for_all_runs(recordings: Path, tmp_path: Path, tiny_preset: str):
    shards = tmp_path / 'shards'
    prepare(recordings, shards)
    config = short_run(tiny_preset)
    first = main_train(config, shards, tmp_path / 'first')
    for tar in shards.rglob('*.tar'):
        tar.unlink()
    second = main_train(config, str(shards), tmp_path / 'second')
    weights = [r.checkpoint / 'model.safetensors' for r in (first, second)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (tmp_path / 'shards.cache').is_dir()
    assert not (tmp_path / 'first' / 'cache').exists()


def test_what_lies_elsewhere_or_cannot_be_written_beside_is_kept_with_the_run(
    bucket: str, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shards, run = tmp_path / 'shards', tmp_path / 'run' / 'cache'
    prepare(recordings, shards)
    assert usual_cache(shards, run) == tmp_path / 'shards.cache'
    assert usual_cache(recordings, run) == run
    assert usual_cache(f'{bucket}/shards', run) == run
    monkeypatch.chdir(shards)
    assert usual_cache('.', run) == tmp_path / 'shards.cache'
    monkeypatch.setattr(opening.os, 'access', lambda *_: False)
    assert usual_cache(shards, run) == run
