"""Preparing: the same bytes, what is there is kept, what is damaged or changed is made again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from rich.console import Console

from activity_recognition.bags import labels_path
from activity_recognition.errors import (
    ConfigError,
    MissingExtraError,
    RecordingError,
    WeightsError,
)
from activity_recognition.training.sharding import writing
from factories.networks import HEARING_ALONE
from factories.shards import contents, prepare

KILLED_HALF_WAY = """
import os, signal, sys
from pathlib import Path
from activity_recognition.training.sharding import writing
from factories.shards import prepare
from activity_recognition.training.data.store import Store

put, done = Store.put, []
def put_and_die(store, local, name):
    if len(done) == 3:  # in the middle of the second recording
        part = Path(store.place) / name
        part.parent.mkdir(parents=True, exist_ok=True)
        part.with_name('.half.part').write_bytes(local.read_bytes()[:1000])
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(name)
    put(store, local, name)
Store.put = put_and_die
prepare(sys.argv[1], sys.argv[2], shard_bytes=1)
"""


def test_a_second_run_elsewhere_gives_the_same_bytes(recordings: Path, tmp_path: Path):
    for name in ('one', 'two'):
        assert prepare(recordings, tmp_path / name).kept == 0
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')


@pytest.mark.slow
def test_processes_give_the_same_bytes(recordings: Path, tmp_path: Path):
    console = Console(record=True, width=100)
    prepare(recordings, tmp_path / 'one')
    prepare(recordings, tmp_path / 'two', workers=2, console=console)
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
    assert 'preparing recordings' in console.export_text()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(recordings: Path, tmp_path: Path):
    out = tmp_path / 'shards'
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, '-c', KILLED_HALF_WAY, str(recordings), str(out)],
        check=False,
        env=environment,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (out / 'manifest.json').exists()
    assert (out / 'recording_0' / 'recording.json').exists()
    assert not (out / 'recording_1' / 'recording.json').exists()
    before = (out / 'recording_0' / '00000.tar').stat().st_mtime_ns
    assert prepare(recordings, out, shard_bytes=1).kept == 1
    assert (out / 'recording_0' / '00000.tar').stat().st_mtime_ns == before
    prepare(recordings, tmp_path / 'whole', shard_bytes=1)
    assert contents(out) == contents(tmp_path / 'whole')


def test_what_is_there_is_kept(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prepare(recordings, tmp_path / 'shards')
    before = contents(tmp_path / 'shards')
    monkeypatch.setattr(writing, 'preprocess_recording', None)
    assert prepare(recordings, tmp_path / 'shards').kept == 3
    assert contents(tmp_path / 'shards') == before


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('harm', [_flip, Path.unlink], ids=['changed', 'removed'])
def test_a_damaged_shard_is_made_anew(recordings: Path, tmp_path: Path, harm):
    out = tmp_path / 'shards'
    prepare(recordings, out)
    before = contents(out)
    harm(out / 'recording_1' / '00000.tar')
    assert prepare(recordings, out).kept == 2
    assert contents(out) == before


@pytest.mark.parametrize('receipt', ['', '{}', '{"recording": {"name": 3}}', '\x00'])
def test_a_damaged_receipt_counts_for_nothing(recordings: Path, tmp_path: Path, receipt: str):
    out = tmp_path / 'shards'
    prepare(recordings, out)
    before = contents(out)
    (out / 'recording_1' / 'recording.json').write_text(receipt, encoding='utf-8')
    assert prepare(recordings, out).kept == 2
    assert contents(out) == before


def test_a_changed_recording_is_prepared_anew(copies: Path, tmp_path: Path):
    out = tmp_path / 'shards'
    first = prepare(copies, out, shard_bytes=1).manifest.recordings[1]
    assert len(first.shards) == 2
    shutil.rmtree(copies / 'recording_1')
    shutil.copytree(copies / 'recording_0', copies / 'recording_1')
    second = prepare(copies, out)
    assert second.kept == 0, 'another size of shards'
    changed = second.manifest.recordings[1]
    assert changed.key != first.key
    assert len(changed.shards) == 1
    assert not (out / 'recording_1' / '00001.tar').exists()


def test_changed_labels_are_prepared_anew(copies: Path, tmp_path: Path):
    out = tmp_path / 'shards'
    prepare(copies, out)
    path = labels_path(copies / 'recording_2')
    labels = path.read_text(encoding='utf-8')
    path.write_text(labels.replace('walking', 'strolling'), encoding='utf-8')
    result = prepare(copies, out)
    assert result.kept == 2
    found = [span.label for span in result.manifest.recordings[2].spans]
    assert 'strolling' in found
    assert 'walking' not in found
    with tarfile.open(out / 'recording_2' / '00000.tar') as tar:
        index = json.load(tar.extractfile(next(n for n in tar.getnames() if n.endswith('.json'))))
    assert index['labels'][0][2] == found[0]


def test_another_margin_is_prepared_anew(recordings: Path, tmp_path: Path):
    prepare(recordings, tmp_path / 'shards')
    assert prepare(recordings, tmp_path / 'shards', wide_px=36).kept == 0


def test_what_cannot_be_used_is_left_out_and_named(copies: Path, tmp_path: Path):
    [bag] = (copies / 'recording_0').glob('*.mcap')
    bag.write_bytes(bag.read_bytes()[:300])
    labels_path(copies / 'recording_1').write_text('nonsense', encoding='utf-8')
    manifest = prepare(copies, tmp_path / 'shards').manifest
    assert [r.name for r in manifest.recordings] == ['recording_2']
    (first, damage), (second, labels) = manifest.left_out
    assert (first, second) == ('recording_0', 'recording_1')
    assert 'was cut short; `mcap recover recording_0.mcap' in damage
    assert labels.startswith('recording_1/labels.csv:1: expected the header')


def test_strict_makes_it_fatal_and_writes_no_manifest(copies: Path, tmp_path: Path):
    labels_path(copies / 'recording_1').write_text('nonsense', encoding='utf-8')
    with pytest.raises(RecordingError, match=r'got 1 that cannot.*expected the header'):
        prepare(copies, tmp_path / 'shards', strict=True)
    assert not (tmp_path / 'shards' / 'manifest.json').exists()


def test_nothing_to_use_is_an_error(tmp_path: Path):
    (tmp_path / 'data').mkdir()
    with pytest.raises(RecordingError, match='found none that can be used: there are none'):
        prepare(tmp_path / 'data', tmp_path / 'shards')
    with pytest.raises(RecordingError, match='no such folder'):
        prepare(tmp_path / 'nowhere', tmp_path / 'shards')


def test_shards_do_not_go_among_the_recordings(copies: Path):
    with pytest.raises(ConfigError, match='another folder'):
        prepare(copies, copies)


def test_an_engine_that_does_not_exist_is_refused(recordings: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="engine must be one of processes, ray, got 'dask'"):
        prepare(recordings, tmp_path / 'shards', engine='dask')


def test_without_ray_the_extra_is_named(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(MissingExtraError, match=r'package ray.*the extra \[ray\]'):
        prepare(recordings, tmp_path / 'shards', engine='ray')


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_a_cluster_gives_the_same_bytes(
    copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ray = pytest.importorskip('ray', reason='no Ray: the extra [ray] is not installed')
    labels_path(copies / 'recording_1').write_text('nonsense', encoding='utf-8')
    prepare(copies, tmp_path / 'one')
    # Without a cluster that anybody named, one of this machine starts and ends.
    monkeypatch.delenv('RAY_ADDRESS', raising=False)
    assert prepare(copies, tmp_path / 'two', engine='ray').kept == 0
    assert not ray.is_initialized()
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')


def test_a_front_end_that_cannot_run_is_no_fault_of_a_recording(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv('ACTIVITY_RECOGNITION_WEIGHTS', str(tmp_path))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    said = r'^yamnet is not on this machine: run `[a-z -]+ yamnet`'
    with pytest.raises(WeightsError, match=said):
        prepare(recordings, tmp_path / 'shards', model=HEARING_ALONE)
    assert not (tmp_path / 'shards').exists()
