"""Training from shards is training from the recordings: the same arrays, batches and splits."""

from __future__ import annotations

import contextlib
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import webdataset
from webdataset.tariterators import group_by_keys, tar_file_expander

from activity_recognition.bags import labels_path
from activity_recognition.config import SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.sharding import samples
from activity_recognition.training.sharding.samples import from_samples, to_samples
from factories.networks import TINY
from factories.shards import batches_of, contents, load, prepare


def names(dataset) -> list[list[str]]:
    sides = (dataset.training, dataset.validation, dataset.test)
    return [[r.recording.name for r in side] for side in sides]


@pytest.mark.parametrize('margin', [0.25, 0.0])
def test_both_give_the_same_batches_bit_for_bit(recordings: Path, tmp_path: Path, margin: float):
    prepare(recordings, tmp_path / 'shards')
    wide_px = 40 if margin else 0
    direct = load(recordings, tmp_path / 'cache', wide_px=wide_px)
    sharded = load(tmp_path / 'shards', tmp_path / 'other', wide_px=wide_px)
    assert names(direct) == names(sharded)
    assert direct.labels == sharded.labels
    assert [r.key for r in direct.training] == [r.key for r in sharded.training]
    pairs = zip(batches_of(direct, margin=margin), batches_of(sharded, margin=margin), strict=True)
    shapes = []
    for mine, other in pairs:
        assert mine.keys() == other.keys()
        for key, value in mine.items():
            assert value.tobytes() == other[key].tobytes(), key
        shapes.append(mine['frames'].shape[2:])
    assert set(shapes) == {(32, 32, 3)}
    assert len(shapes) >= 2


def test_the_caches_are_the_same_files(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards')
    load(recordings, tmp_path / 'cache')
    load(tmp_path / 'shards', tmp_path / 'other')
    first, second = contents(tmp_path / 'cache'), contents(tmp_path / 'other')
    assert len(first) == 3 * 5
    assert first == second


def test_samples_are_cut_and_joined_without_loss(recordings: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(samples, 'SAMPLE_S', 1.7)
    arrays = preprocess_recording(recordings / 'recording_0', TINY, SyncConfig(), wide_px=40)
    made = list(to_samples('recording_0', 'key', arrays, ()))
    assert len(made) == 8
    again = from_samples(made, wide=True)
    assert (again.start_ns, again.dropped) == (arrays.start_ns, arrays.dropped)
    [mine], [other] = arrays.segments, again.segments
    assert mine.texts == other.texts
    assert mine.arrays.keys() == other.arrays.keys()
    for name, value in mine.arrays.items():
        assert value.dtype == other.arrays[name].dtype
        np.testing.assert_array_equal(value, other.arrays[name], err_msg=name)


@pytest.mark.parametrize('seed', range(4))
def test_the_draw_falls_the_same(recordings: Path, tmp_path: Path, seed: int):
    prepare(recordings, tmp_path / 'shards', wide_px=0)
    settings = {'seed': seed, 'wide_px': 0}
    direct = load(recordings, tmp_path / 'cache', **settings)
    assert names(direct) == names(load(tmp_path / 'shards', tmp_path / 'cache', **settings))


def test_tables_of_splits_and_groups_go_along(copies: Path, tmp_path: Path):
    (copies / 'splits.csv').write_text(
        'recording,split,group\nrecording_2,test,\nrecording_0,,home\nrecording_1,,home\n',
        encoding='utf-8',
    )
    prepare(copies, tmp_path / 'shards', wide_px=0)
    settings = {'validation_fraction': 0.0, 'wide_px': 0}
    direct = load(copies, tmp_path / 'cache', **settings)
    assert names(direct) == [['recording_0', 'recording_1'], [], ['recording_2']]
    assert names(load(tmp_path / 'shards', tmp_path / 'cache', **settings)) == names(direct)
    with pytest.raises(RecordingError, match='at least two different recordings to split'):
        load(tmp_path / 'shards', tmp_path / 'cache', wide_px=0)


def test_shards_are_what_webdataset_reads(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards')
    with contextlib.ExitStack() as opened:
        files = [
            {'url': str(path), 'stream': opened.enter_context(path.open('rb'))}
            for path in sorted((tmp_path / 'shards').rglob('*.tar'))
        ]
        pipeline = webdataset.DataPipeline(
            lambda: iter(files),
            tar_file_expander,
            group_by_keys,
            webdataset.decode(only=['json', 'times.npz']),
        )
        read = list(pipeline)
    assert len(read) == 6
    assert len({sample['__key__'] for sample in read}) == 6
    first = read[0]
    count, side = first['json']['pictures']['frames']
    strips = {
        name: cv2.imdecode(np.frombuffer(first[f'{name}.png'], np.uint8), cv2.IMREAD_COLOR)
        for name in ('frames', 'wide_frames')
    }
    assert strips['wide_frames'].shape == (count * 40, 40, 3)
    assert first['times.npz']['frame_stamps'].shape == (count,)
    assert first['json']['labels'][0][0] == 0.0
    direct = preprocess_recording(recordings / 'recording_0', TINY, SyncConfig()).segments[0].arrays
    frames = strips['frames'][..., ::-1].reshape(count, side, side, 3)
    np.testing.assert_array_equal(frames, direct['frames'][:count])


def test_nothing_of_the_machine_is_in_a_shard(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards')
    for path in (tmp_path / 'shards').rglob('*.tar'):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, '', '')}
        assert [m.name for m in members] == sorted(m.name for m in members)
    written = b''.join(contents(tmp_path / 'shards').values())
    assert str(tmp_path).encode() not in written
    assert str(recordings).encode() not in written


def test_labels_come_from_the_manifest(recordings: Path, tmp_path: Path):
    result = prepare(recordings, tmp_path / 'shards', wide_px=0)
    manifest = json.loads((tmp_path / 'shards' / 'manifest.json').read_text(encoding='utf-8'))
    rows = labels_path(recordings / 'recording_0').read_text(encoding='utf-8').splitlines()[1:]
    assert len(manifest['recordings'][0]['labels']) == len(rows)
    assert tuple(manifest['labels']) == result.manifest.labels
