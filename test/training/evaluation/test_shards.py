"""Shards are measured like the recordings that they were made of, decision by decision."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity_recognition.config import SyncConfig
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.training.data.cache import recording_key
from activity_recognition.training.evaluation.cautions import cautions
from activity_recognition.training.evaluation.measuring import (
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.evaluation.report import render
from factories.shards import prepare

from .test_measuring import labelled_copy

OF_BAGS_ALONE = ('latency_ms', 'cost', 'conditions')


@pytest.fixture
def checkpoint(checkpoint_path: Path) -> Checkpoint:
    return load_checkpoint(checkpoint_path)


@pytest.fixture(scope='module')
def shards(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shards of all recordings, small ones; not to be changed."""
    out = tmp_path_factory.mktemp('shards') / 'of_all'
    prepare(recordings, out, shard_bytes=1 << 18)
    return out


def comparable(evaluation: Evaluation) -> dict[str, Any]:
    """Return the metrics apart from what names the source and what only bags have."""
    found = {k: v for k, v in evaluation.metrics.items() if k not in OF_BAGS_ALONE}
    data = {k: v for k, v in found['data'].items() if k not in ('name', 'source')}
    return {**found, 'data': data}


def test_the_decisions_are_those_on_the_recordings(
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    shards: Path,
    quick: EvaluationConfig,
    tmp_path: Path,
):
    found = evaluate_checkpoint(checkpoint, shards, cache=tmp_path, config=quick)
    assert len(found.decided) == len(evaluation.decided) == 3
    for mine, theirs in zip(found.decided, evaluation.decided, strict=True):
        assert (mine.name, mine.start_ns, mine.spans) == (
            theirs.name,
            theirs.start_ns,
            theirs.spans,
        )
        for one, other in zip(mine.results, theirs.results, strict=True):
            np.testing.assert_array_equal(one.stamps_ns, other.stamps_ns)
            np.testing.assert_array_equal(one.targets, other.targets)
            np.testing.assert_array_equal(one.logits, other.logits)
            np.testing.assert_array_equal(one.smoothed.classes, other.smoothed.classes)
            np.testing.assert_array_equal(one.smoothed.probabilities, other.smoothed.probabilities)
    assert comparable(found) == comparable(evaluation)


def test_what_only_sensors_tell_is_not_made_up(
    checkpoint: Checkpoint, shards: Path, quick: EvaluationConfig, tmp_path: Path
):
    found = evaluate_checkpoint(checkpoint, shards, cache=tmp_path, config=quick)
    assert found.metrics['cost'] is None
    assert set(found.metrics['latency_ms'].values()) == {None}
    assert found.metrics['data']['source'] == 'shards'
    assert found.metrics['data']['name'] == shards.name
    assert any('costs was not measured' in said for said in cautions(found.metrics['data']))
    assert 'What a decision costs was not measured' in render(found, [])
    with pytest.raises(ConfigError, match='expected recordings to play, got prepared shards'):
        evaluate_checkpoint(
            checkpoint, shards, cache=tmp_path, config=quick, play=lambda recording: recording
        )


def test_the_table_of_splits_counts_as_it_was_prepared(
    checkpoint: Checkpoint, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    data = labelled_copy(recordings, tmp_path / 'data')
    table = 'recording,split\nrecording_0,train\nrecording_1,test\nrecording_2,train\n'
    (data / 'splits.csv').write_text(table, encoding='utf-8')
    prepare(data, tmp_path / 'shards')

    def measured(split: str) -> list[str]:
        config = dataclasses.replace(quick, split=split)
        found = evaluate_checkpoint(
            checkpoint, tmp_path / 'shards', cache=tmp_path / 'cache', config=config
        )
        return [item['name'] for item in found.metrics['recordings']]

    assert measured('') == ['recording_1']
    assert measured('train') == ['recording_0', 'recording_2']
    with pytest.raises(RecordingError, match=r'name them in splits\.csv of the recordings, and'):
        measured('validation')


def test_what_a_checkpoint_was_made_with_is_known_in_shards_too(
    checkpoint: Checkpoint, recordings: Path, shards: Path, quick: EvaluationConfig, tmp_path: Path
):
    keys = [
        recording_key(recordings / f'recording_{n}', checkpoint.config, SyncConfig())
        for n in range(2)
    ]
    made_with = {'train': keys[:1], 'validation': keys[1:]}
    metrics = evaluate_checkpoint(
        dataclasses.replace(checkpoint, metrics={'training': {'keys': made_with}}),
        shards,
        cache=tmp_path,
        config=quick,
    ).metrics
    assert [item['name'] for item in metrics['recordings']] == ['recording_1', 'recording_2']
    data = metrics['data']
    assert (data['num_training_recordings'], data['excluded_seen'], data['validated_with']) == (
        2,
        1,
        1,
    )


def test_shards_for_another_network_are_refused(
    checkpoint: Checkpoint, shards: Path, quick: EvaluationConfig, tmp_path: Path
):
    config = checkpoint.config
    larger = dataclasses.replace(config.video, input_size_px=64)
    other = dataclasses.replace(checkpoint, config=dataclasses.replace(config, video=larger))
    with pytest.raises(RecordingError, match='input_size_px = 32 where 64 is needed'):
        evaluate_checkpoint(other, shards, cache=tmp_path, config=quick)


def test_what_could_not_be_prepared_is_named(
    checkpoint: Checkpoint, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    data = labelled_copy(recordings, tmp_path / 'data')
    (data / 'recording_0' / 'labels.csv').unlink()
    prepare(data, tmp_path / 'shards')
    settings = {'cache': tmp_path / 'cache', 'config': quick}
    found = evaluate_checkpoint(checkpoint, tmp_path / 'shards', **settings).metrics['data']
    [reason] = found['skipped']
    assert reason.startswith('recording_0')
    assert str(tmp_path) not in reason
    settings['config'] = dataclasses.replace(quick, strict=True)
    with pytest.raises(RecordingError, match='recording_0'):
        evaluate_checkpoint(checkpoint, tmp_path / 'shards', **settings)
