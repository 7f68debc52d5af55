"""Cached arrays are the node's own inputs, kept under a key that knows what made them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, labels_path
from activity_recognition.config import SyncConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import OutputError, RecordingError
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.inference.trace import dense_recording
from activity_recognition.simulation import ACTIVITIES
from activity_recognition.streams import windows
from activity_recognition.training.data.cache import (
    Preparation,
    PreparedRecording,
    cache_recording,
    possible_keys,
    preprocessing,
    read_cached,
    recording_key,
    write_arrays,
)
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.types import Frame, Modality
from factories.networks import TINY, tokenizer_for

from ..conftest import write_simulation


def test_what_recordings_are_known_by_stays():
    """Checkpoints, shards and caches made before remember it: a new setting may not change it."""
    made_with = preprocessing(load_model_config('nano', labels=('a', 'b')), SyncConfig())
    content = json.dumps(made_with, sort_keys=True).encode()
    assert hashlib.sha256(content).hexdigest().startswith('29bb61a666a44920')


@pytest.fixture
def work(recordings: Path, tmp_path: Path) -> Preparation:
    recording = tmp_path / 'recording'
    shutil.copytree(recordings / 'recording_0', recording)
    return Preparation(recording=recording, cache=tmp_path / 'cache', model=TINY, sync=SyncConfig())


@pytest.mark.parametrize(
    ('changes', 'same'),
    [
        ({'channels': (6, 6)}, True),
        ({'window_s': 2.0, 'max_tokens': 60}, True),
        ({'num_mels': 24}, False),
        ({'max_gap_s': 0.1}, False),
        ({'dilations': (1, 2, 4)}, False),  # how much of a hole is kept
    ],
)
def test_a_recording_is_known_by_what_its_arrays_depend_on(
    work: Preparation, changes: dict[str, Any], same: bool
):
    other = dataclasses.replace(TINY, audio=dataclasses.replace(TINY.audio, **changes))
    key = recording_key(work.recording, TINY, SyncConfig())
    assert (recording_key(work.recording, other, SyncConfig(queue_frames=2)) == key) == same
    # A checkpoint of before knows it by all settings of its own network, those of nano alike.
    nano = load_model_config('nano')
    possible = [possible_keys(work.recording, model, SyncConfig()) for model in (TINY, nano)]
    assert possible[0][0] == key
    assert len(possible[0]) == 2 * len(possible[1])


def prepared(work: Preparation) -> PreparedRecording:
    outcome = cache_recording(work)
    assert isinstance(outcome, PreparedRecording), outcome
    return outcome


def key_of(work: Preparation) -> str:
    return recording_key(work.recording, work.model, work.sync)


def test_arrays_are_those_of_the_dense_trace(work: Preparation):
    tokenizer = tokenizer_for(TINY)
    with RecordingReader.for_model(work.recording, work.model) as reader:
        [expected] = dense_recording(windows(reader.samples(), work.sync), TINY, tokenizer)
        start_ns = reader.start_ns
    found = prepared(work)
    [segment] = [part.tokenised(tokenizer) for part in found.segments(ACTIVITIES)]
    assert found.start_ns == start_ns
    assert len(segment.arrays['frames']) == 96
    assert len(segment.texts) >= 1
    for key in ('frame_mask', 'transcript_mask'):
        assert expected.pop(key).all()
    # Token ids are padded to what is needed, not to the longest possible.
    for key in ('transcript_tokens', 'transcript_token_mask'):
        value, mine = expected.pop(key), segment.arrays[key]
        np.testing.assert_array_equal(value[:, : mine.shape[1]], mine)
        assert not value[:, mine.shape[1] :].any()
    for key, value in expected.items():
        np.testing.assert_array_equal(segment.arrays[key], value, err_msg=key)


def test_what_is_prepared_is_found_again(work: Preparation):
    first = prepared(work)
    index = first.folder / 'segments.json'
    before = index.stat().st_mtime_ns
    assert prepared(work) == first
    assert index.stat().st_mtime_ns == before


def test_half_prepared_is_prepared_again(work: Preparation):
    first = prepared(work)
    (first.folder / 'segments.json').unlink()
    (first.folder / '0' / 'frames.npy').write_bytes(b'')
    assert len(prepared(work).segments(ACTIVITIES)[0].arrays['frames']) == 96


def test_two_processes_may_fill_the_same_folder(work: Preparation):
    first = prepared(work)
    before = (first.folder / 'segments.json').stat().st_ino
    write_arrays(preprocess_recording(work.recording, work.model, work.sync), first.folder)
    assert (first.folder / 'segments.json').stat().st_ino == before
    assert [path.name for path in work.cache.iterdir()] == [first.key]


def test_pictures_with_a_margin_are_kept_beside_the_network_s(work: Preparation):
    plain = prepared(work)
    wide = prepared(dataclasses.replace(work, wide_px=40))
    assert wide.key == plain.key
    [first], [second] = plain.segments(ACTIVITIES), wide.segments(ACTIVITIES)
    assert 'wide_frames' not in first.arrays
    assert second.arrays['wide_frames'].shape == (96, 40, 40, 3)
    np.testing.assert_array_equal(first.arrays['frames'], second.arrays['frames'])
    with RecordingReader.for_model(work.recording, work.model) as reader:
        frame = next(s for s in reader.samples() if isinstance(s, Frame))
    np.testing.assert_array_equal(second.arrays['wide_frames'][0], resize_frame(frame, 40))


def test_the_key_knows_the_recording_and_the_preprocessing(work: Preparation):
    key = key_of(work)
    assert key_of(work) == key
    larger = dataclasses.replace(TINY.video, input_size_px=64)
    deeper = dataclasses.replace(TINY.video, spatial_depth=3)
    changed = {
        'size': dataclasses.replace(work, model=dataclasses.replace(TINY, video=larger)),
        'sync': dataclasses.replace(work, sync=SyncConfig(decision_rate_hz=5.0)),
    }
    assert len({key, *(key_of(other) for other in changed.values())}) == 3
    same = dataclasses.replace(work, model=dataclasses.replace(TINY, video=deeper))
    assert key_of(same) == key
    [bag] = work.recording.glob('*.mcap')
    bag.write_bytes(bag.read_bytes()[:-1] + b'?')
    assert key_of(work) != key


def test_new_labels_need_no_new_preparation(work: Preparation):
    first = prepared(work)
    labels = labels_path(work.recording)
    labels.write_text('start_s,end_s,label\n0,5,typing\n', encoding='utf-8')
    again = prepared(work)
    assert again == first
    assert again.segments(('none', 'typing'))[0].labels.classes.tolist() == [1]


def test_a_recording_without_video_has_empty_frames(tmp_path: Path):
    heard = (Modality.AUDIO, Modality.TEXT)
    work = Preparation(
        recording=write_simulation(tmp_path / 'blind', 0, modalities=heard),
        cache=tmp_path / 'cache',
        model=TINY,
        sync=SyncConfig(),
    )
    [segment] = prepared(work).segments(ACTIVITIES)
    assert segment.arrays['frames'].shape == (0, 32, 32, 3)
    assert len(segment.decision_stamps) > 50


def test_a_damaged_recording_is_named(work: Preparation):
    [bag] = work.recording.glob('*.mcap')
    bag.write_bytes(bag.read_bytes()[:200])
    outcome = cache_recording(work)
    assert isinstance(outcome, str)
    assert str(work.recording) in outcome
    assert not any(work.cache.glob('*')) if work.cache.exists() else True


def test_missing_labels_are_named(work: Preparation):
    found = prepared(work)
    labels_path(work.recording).unlink()
    with pytest.raises(RecordingError, match=r'expected labels in labels\.csv'):
        found.segments(ACTIVITIES)


@pytest.mark.parametrize('index', ['{', '[]', '{"start_ns": "x"}', '{"start_ns": 1, "texts": 3}'])
def test_a_damaged_index_of_the_cache_is_named_with_what_to_do(work: Preparation, index: str):
    found = prepared(work)
    (found.folder / 'segments.json').write_text(index, encoding='utf-8')
    with pytest.raises(RecordingError, match=r'segments\.json: .*; remove '):
        read_cached(work.recording, found.key, found.folder)


def test_a_full_disk_ends_the_run_and_blames_no_recording(work: Preparation, small_files):
    with small_files, pytest.raises(OutputError, match='cannot write the prepared') as caught:
        cache_recording(work)
    assert str(work.cache / key_of(work)) in str(caught.value)
    assert list(work.cache.iterdir()) == []
    assert prepared(work).key == key_of(work)
