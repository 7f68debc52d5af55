"""Recordings of a folder: found, split without leaks, and the useless ones named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from activity_recognition.bags import labels_path
from activity_recognition.config import SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.training.data.dataset import Dataset, load_dataset, open_segments
from activity_recognition.training.data.source import Preparing
from activity_recognition.training.sharding.opening import open_source
from factories.networks import TINY


def load(folder: Path, cache: Path, **changes: object) -> Dataset:
    settings = {'validation_fraction': 0.34, 'seed': 0, **changes}
    workers = settings.pop('workers', 1)
    how = Preparing(model=TINY, sync=SyncConfig(), cache=cache, workers=workers)
    return load_dataset(open_source(folder, how), **settings)


@pytest.fixture
def copies(recordings: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recordings, tmp_path / 'data')


@pytest.fixture(scope='module')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('cache')


def test_recordings_are_split_whole_and_by_seed(copies: Path, cache: Path):
    dataset = load(copies, cache)
    assert len(dataset.training) == 2
    assert len(dataset.validation) == 1
    assert not {r.key for r in dataset.training} & {r.key for r in dataset.validation}
    assert load(copies, cache) == dataset
    chosen = {load(copies, cache, seed=seed).validation[0].key for seed in range(12)}
    assert len(chosen) > 1


def test_labels_are_those_that_occur_none_first(copies: Path, cache: Path):
    dataset = load(copies, cache)
    assert dataset.labels == ('none', 'greeting', 'typing', 'walking')
    segments = open_segments(dataset.training, dataset.labels)
    assert len(segments) == 2
    assert len(dataset.texts()) == sum(len(segment.texts) for segment in segments)


def test_a_copy_lies_on_the_same_side(copies: Path, cache: Path):
    for seed in range(4):
        shutil.copytree(copies / 'recording_0', copies / f'copy_{seed}')
        dataset = load(copies, cache, seed=seed)
        assert not {r.key for r in dataset.training} & {r.key for r in dataset.validation}


def test_what_cannot_be_used_is_left_out_and_named(copies: Path, cache: Path):
    [bag] = (copies / 'recording_0').glob('*.mcap')
    bag.write_bytes(bag.read_bytes()[:300])
    labels_path(copies / 'recording_1').unlink()
    dataset = load(copies, cache, validation_fraction=0.0)
    assert [r.recording.name for r in dataset.training] == ['recording_2']
    assert len(dataset.skipped) == 2
    assert 'recording_0' in dataset.skipped[1]
    assert 'recording_1' in dataset.skipped[0]


def test_nothing_to_use_is_an_error_that_says_why(copies: Path, cache: Path, tmp_path: Path):
    for number in range(3):
        labels_path(copies / f'recording_{number}').write_text('nonsense', encoding='utf-8')
    with pytest.raises(RecordingError, match=r'none that can be used.*expected the header'):
        load(copies, cache)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(RecordingError, match='there are none'):
        load(tmp_path / 'empty', cache)


def test_one_recording_cannot_be_split(copies: Path, cache: Path):
    shutil.rmtree(copies / 'recording_0')
    shutil.rmtree(copies / 'recording_1')
    with pytest.raises(RecordingError, match='set validation_fraction to 0'):
        load(copies, cache)


@pytest.mark.slow
def test_worker_processes_prepare_the_same(recordings: Path, tmp_path: Path):
    spread = load(recordings, tmp_path / 'spread', workers=2)
    alone = load(recordings, tmp_path / 'alone')
    assert [r.key for r in spread.training] == [r.key for r in alone.training]
    first = sorted(p.relative_to(tmp_path / 'spread') for p in (tmp_path / 'spread').rglob('*.np?'))
    assert first
    for path in first:
        content = (tmp_path / 'spread' / path).read_bytes()
        if path.suffix == '.npy':
            assert content == (tmp_path / 'alone' / path).read_bytes()


def test_a_table_of_splits_is_followed(copies: Path, cache: Path):
    (copies / 'splits.csv').write_text(
        'recording,split\nrecording_2,train\nrecording_0,test\nrecording_1,validation\n',
        encoding='utf-8',
    )
    dataset = load(copies, cache)
    sides = (dataset.training, dataset.validation, dataset.test)
    assert [[r.recording.name for r in side] for side in sides] == [
        ['recording_2'],
        ['recording_1'],
        ['recording_0'],
    ]


def test_a_group_is_never_parted_by_the_draw(copies: Path, cache: Path):
    (copies / 'splits.csv').write_text(
        'recording,split,group\nrecording_0,,home\nrecording_1,,home\n', encoding='utf-8'
    )
    for seed in range(4):
        dataset = load(copies, cache, seed=seed)
        sides = [{r.recording.name for r in s} for s in (dataset.training, dataset.validation)]
        assert sorted(sides, key=len) == [{'recording_2'}, {'recording_0', 'recording_1'}]
        assert dataset.validation_groups == 1


def test_a_recording_without_a_group_counts_as_one(copies: Path, cache: Path):
    rows = 'recording_0,validation,home\nrecording_1,validation,\nrecording_2,train,\n'
    (copies / 'splits.csv').write_text(f'recording,split,group\n{rows}', encoding='utf-8')
    assert load(copies, cache).validation_groups == 2


def test_a_wrong_table_of_splits_is_refused(copies: Path, cache: Path):
    (copies / 'splits.csv').write_text('recording,split\nnowhere,train\n', encoding='utf-8')
    with pytest.raises(RecordingError, match=r"splits\.csv:2: there is no recording 'nowhere'"):
        load(copies, cache)
