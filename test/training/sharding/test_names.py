"""Names in a manifest lead nowhere but below the place of the shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.training.data.store import Store
from activity_recognition.training.sharding.manifest import MANIFEST, read_manifest

OUTSIDE = ['../secret', '/etc/hostname', 'a/../../secret', 'a\0b', '..', '', 'a//b', './a', 'a\\b']


def write(folder: Path, **changes: object) -> Store:
    """Write the manifest of one recording with one shard, with other names in it."""
    shard = {'name': 'one/0.tar', 'sha256': '0' * 64, 'size_bytes': 1, 'samples': 1}
    shard['name'] = changes.pop('shard', 'one/0.tar')
    recording = {
        'name': 'one', 'key': 'ab' * 16, 'start_ns': 0, 'dropped': 0, 'labels': [[0, 1, 'none']],
        'split': '', 'group': '', 'shards': [shard], **changes,
    }  # fmt: skip
    content = {
        'schema': 1, 'preprocessing': {}, 'wide_px': 0, 'labels': ['none'],
        'recordings': [recording], 'left_out': [],
    }  # fmt: skip
    folder.mkdir()
    (folder / MANIFEST).write_text(json.dumps(content), encoding='utf-8')
    return Store(folder)


def test_names_below_the_place_are_read(tmp_path: Path):
    (recording,) = read_manifest(write(tmp_path / 's', name='day/one')).recordings
    assert (recording.name, recording.shards[0].name) == ('day/one', 'one/0.tar')


@pytest.mark.parametrize('name', OUTSIDE)
@pytest.mark.parametrize('part', ['name', 'shard'])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, part: str, name: str):
    with pytest.raises(RecordingError, match='is no name of a file below'):
        read_manifest(write(tmp_path / 's', **{part: name}))


@pytest.mark.parametrize('key', ['../../home', '/tmp/x', 'a/b', '.', 'a\0'])
def test_a_key_names_one_folder_of_the_cache(tmp_path: Path, key: str):
    with pytest.raises(RecordingError, match='is no key of a recording'):
        read_manifest(write(tmp_path / 's', key=key))


@pytest.mark.parametrize('name', OUTSIDE)
def test_a_store_opens_nothing_outside_itself(tmp_path: Path, name: str):
    (tmp_path / 'secret').write_text('secret')
    store = Store(tmp_path / 'store')
    for touch in (store.read, store.exists, store.remove, store.sha256):
        with pytest.raises(RecordingError, match='expected the name of a file below it'):
            touch(name)
    with pytest.raises(RecordingError, match='expected the name'):
        store.write(name, b'x')
    with pytest.raises(RecordingError, match='expected the name'):
        store.get(name, tmp_path / 'got')
    assert [path.name for path in tmp_path.iterdir()] == ['secret']
