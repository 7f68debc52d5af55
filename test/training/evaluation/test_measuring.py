"""A checkpoint measured on recordings: the numbers of the report, and that the engine agrees."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, labels_path
from activity_recognition.config import SmoothingConfig, SyncConfig
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.streams import windows
from activity_recognition.training.data.cache import recording_key
from activity_recognition.training.evaluation.cautions import cautions
from activity_recognition.training.evaluation.measuring import (
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.evaluation.report import render
from activity_recognition.training.evaluation.schema import (
    METRICS,
    SCHEMA_VERSION,
    SECTIONS,
    read_metrics,
    write_metrics,
)

from ..conftest import write_simulation
from .conftest import LABELS

ROOT = Path(__file__).resolve().parents[3]

BY_NAME = {'per_class', 'combinations', 'pairs', 'own_heads', 'conditions', 'settings'}
"""Sections whose keys are labels, combinations, or names of settings."""


def keys_of(value: object, inside: str = '') -> set[str]:
    """Return all keys of nested metrics, apart from names."""
    if isinstance(value, list):
        return set().union(*(keys_of(item) for item in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = set() if inside in BY_NAME else set(value)
    deeper = [keys_of(item, key) for key, item in value.items() if inside != 'settings']
    return own.union(*deeper) if deeper else own


def test_the_file_begins_as_promised(evaluation: Evaluation):
    metrics = evaluation.metrics
    assert tuple(metrics) == SECTIONS
    assert metrics['schema_version'] == SCHEMA_VERSION
    assert list(metrics['combinations']) == [
        *('text', 'audio', 'video', 'audio+text', 'video+text', 'video+audio'),
        'video+audio+text',
    ]
    for found in metrics['combinations'].values():
        assert 0 <= found['accuracy'] <= 1
        assert 0 <= found['macro_f1'] <= 1
        assert set(found['smoothed']) == set(found) - {'smoothed', 'clips'}
        assert found['clips'] is None  # each recording has several labels
    assert {'p50', 'p95', 'p99'} <= set(metrics['latency_ms'])


def test_every_key_is_documented(evaluation: Evaluation):
    text = (ROOT / 'docs' / 'metrics.md').read_text(encoding='utf-8')
    documented = set(re.findall(r'`([^`\s]+)`', text))
    assert keys_of(evaluation.metrics) - documented == set()


def test_it_survives_the_file(evaluation: Evaluation, tmp_path: Path):
    write_metrics(tmp_path / METRICS, evaluation.metrics)
    assert read_metrics(tmp_path) == json.loads(json.dumps(evaluation.metrics))


def test_a_report_of_version_2_is_read(evaluation: Evaluation, tmp_path: Path):
    old = {
        'num_training_recordings': 'made_with',
        'excluded_seen': 'passed_over',
        'skipped': 'left_out',
    }
    data = {old.get(key, key): value for key, value in evaluation.metrics['data'].items()}
    assert set(old.values()) < set(data)
    write_metrics(tmp_path / METRICS, {**evaluation.metrics, 'schema_version': 2, 'data': data})
    assert read_metrics(tmp_path) == json.loads(json.dumps(evaluation.metrics))


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        (None, 'evaluate a checkpoint first'),
        ('{', 'evaluate a checkpoint first'),
        ('[]', f'expected schema_version {SCHEMA_VERSION}'),
        ('{"schema_version": 99}', 'got 99'),
        (json.dumps({'schema_version': SCHEMA_VERSION}), 'combinations'),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str | None, says: str):
    if text is not None:
        (tmp_path / METRICS).write_text(text, encoding='utf-8')
    with pytest.raises(RecordingError, match=says):
        read_metrics(tmp_path)


def test_the_published_answers_are_those_of_the_engine(
    evaluation: Evaluation, checkpoint_path: Path, recordings: Path, quick: EvaluationConfig
):
    """What is measured densely is what a node publishes, decision by decision."""
    checkpoint = load_checkpoint(checkpoint_path)
    engine = StreamingEngine(checkpoint, engine=quick.engine, smoothing=SmoothingConfig())
    recording = evaluation.decided[0]
    with RecordingReader.for_model(recordings / recording.name, checkpoint.config) as reader:
        found = [engine.apply(window) for window in windows(reader.samples(), quick.sync)]
    decisions = [decision for decision in found if decision is not None]
    (result,) = recording.results
    assert result.stamps_ns.tolist() == [decision.t_ns for decision in decisions]
    assert result.smoothed.classes.tolist() == [decision.class_id for decision in decisions]
    np.testing.assert_allclose(
        result.smoothed.probabilities, [decision.probabilities for decision in decisions], atol=1e-4
    )


def test_a_label_that_the_checkpoint_lacks_is_unknown(evaluation: Evaluation):
    unknown, combinations = evaluation.metrics['unknown'], evaluation.metrics['combinations']
    assert unknown['labels'] == ['walking']
    assert unknown['decisions'] > 0
    assert 0 <= unknown['auroc'] <= 1
    assert 0 <= unknown['fpr_at_95_tpr'] <= 1
    everything = sum(len(s.targets) for d in evaluation.decided for s in d.results)
    unlabelled = sum((s.targets < 0).sum() for d in evaluation.decided for s in d.results)
    counted = combinations['video+audio+text']['decisions']
    assert counted + unknown['decisions'] == everything - unlabelled
    assert set(combinations['video']['per_class']) == set(LABELS)


def test_the_cost_is_of_the_decisions_asked_for(evaluation: Evaluation):
    cost, latency = evaluation.metrics['cost'], evaluation.metrics['latency_ms']
    assert cost['decisions'] == 30
    assert sum(cost['histogram']['counts']) == 30
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99'] <= latency['max']
    assert cost['stream_s'] == pytest.approx(29 / 8, abs=0.3)  # one at each frame, 8 a second
    assert cost['real_time_factor'] == pytest.approx(cost['busy_s'] / cost['stream_s'])
    assert cost['peak_memory_mib'] > 10


def test_intervals_hold_the_estimates(evaluation: Evaluation):
    intervals, metrics = evaluation.metrics['confidence_intervals'], evaluation.metrics
    assert intervals['resamples'] == 50
    for name, found in metrics['combinations'].items():
        low, high = intervals['combinations'][name]['accuracy']
        assert low <= found['accuracy'] <= high
        low, high = intervals['combinations'][name]['smoothed']['macro_f1']
        assert 0 <= low <= high <= 1
    low, high = intervals['calibration']['after']['nll']
    assert low <= metrics['calibration']['after']['nll'] <= high


def test_what_was_measured_is_named(
    evaluation: Evaluation, checkpoint_path: Path, recordings: Path
):
    metrics = evaluation.metrics
    assert metrics['checkpoint']['id'] == load_checkpoint(checkpoint_path).id
    assert metrics['calibration']['temperature'] == 1.7
    assert [found['name'] for found in metrics['recordings']] == [
        f'recording_{seed}' for seed in range(3)
    ]
    assert metrics['data']['seconds'] == pytest.approx(36, abs=3)
    assert metrics['checkpoint']['name'] == 'run'
    assert metrics['data']['name'] == recordings.name
    assert metrics['conditions'] == {'python': '3'}
    json.dumps(metrics, allow_nan=False)


def test_again_gives_the_same_numbers(
    evaluation: Evaluation,
    checkpoint_path: Path,
    recordings: Path,
    quick: EvaluationConfig,
    tmp_path: Path,
):
    config = dataclasses.replace(quick, cost_decisions=0)
    again = evaluate_checkpoint(
        load_checkpoint(checkpoint_path), recordings, cache=tmp_path, config=config
    ).metrics
    assert again['latency_ms']['p95'] is None
    assert again['cost'] is None
    for section in ('combinations', 'temporal', 'calibration', 'confidence_intervals', 'unknown'):
        assert again[section] == evaluation.metrics[section]


def labelled_copy(recordings: Path, target: Path) -> Path:
    shutil.copytree(recordings, target)
    return target


def test_a_damaged_recording_is_left_out_and_named(
    checkpoint_path: Path, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    data = labelled_copy(recordings, tmp_path / 'data')
    labels_path(data / 'recording_0').unlink()
    found = evaluate_checkpoint(
        load_checkpoint(checkpoint_path),
        data,
        cache=tmp_path / 'cache',
        config=dataclasses.replace(quick, cost_decisions=0),
    ).metrics['data']
    assert found['recordings'] == 2
    (reason,) = found['skipped']
    assert reason.startswith('recording_0')
    assert str(tmp_path) not in reason


def test_only_the_split_is_measured(
    checkpoint_path: Path, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    data = labelled_copy(recordings, tmp_path / 'data')
    table = 'recording,split\nrecording_0,train\nrecording_1,test\nrecording_2,train\n'
    (data / 'splits.csv').write_text(table, encoding='utf-8')
    config = dataclasses.replace(quick, cost_decisions=0)
    checkpoint = load_checkpoint(checkpoint_path)

    def measured(split: str) -> tuple[str, list[str]]:
        settings = dataclasses.replace(config, split=split)
        cache = tmp_path / 'cache'
        metrics = evaluate_checkpoint(checkpoint, data, cache=cache, config=settings).metrics
        return metrics['data']['split'], [found['name'] for found in metrics['recordings']]

    assert measured('') == ('test', ['recording_1'])
    assert measured('train') == ('train', ['recording_0', 'recording_2'])
    with pytest.raises(RecordingError, match="split 'validation', found none among 3"):
        measured('validation')


def test_what_a_checkpoint_was_made_with_is_known_by_its_content(
    checkpoint_path: Path, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    data = labelled_copy(recordings, tmp_path / 'data')
    checkpoint = load_checkpoint(checkpoint_path)
    keys = [
        recording_key(recordings / f'recording_{n}', checkpoint.config, SyncConfig())
        for n in range(3)
    ]

    def measured(split: str, **made_with: list[str]) -> tuple[list[str], list[str]]:
        found = evaluate_checkpoint(
            dataclasses.replace(checkpoint, metrics={'training': {'keys': made_with}}),
            data,
            cache=tmp_path / 'cache',
            config=dataclasses.replace(quick, cost_decisions=0, split=split),
        ).metrics
        return [item['name'] for item in found['recordings']], list(cautions(found['data']))

    names, said = measured('', train=keys[:1], validation=keys[1:2])
    assert names == ['recording_1', 'recording_2']
    assert [sentence.partition(' re')[0] for sentence in said] == ['1 of 2', '1']
    assert measured('train', train=keys[:1], validation=keys[1:2])[0] == ['recording_0']
    assert measured('validation', train=keys[:1], validation=keys[1:2])[0] == ['recording_1']
    names, [said_of_all] = measured('', train=keys)
    assert len(names) == 3
    assert said_of_all.startswith('3 of 3 recordings were trained on')
    assert measured('', train=['0' * 32]) == (['recording_0', 'recording_1', 'recording_2'], [])
    _, [unknown] = measured('')
    assert 'does not say which recordings it was made with' in unknown


@pytest.mark.parametrize('file', ['recording_0.mcap', 'labels.csv'])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_still_known(
    file: str, checkpoint_path: Path, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    data = labelled_copy(recordings, tmp_path / 'data')
    broken = data / 'recording_0' / file
    broken.unlink()
    # The kernel answers every attempt to read its beginning with an input/output error.
    broken.symlink_to('/proc/self/mem')
    checkpoint = load_checkpoint(checkpoint_path)
    keys = [
        recording_key(recordings / f'recording_{n}', checkpoint.config, SyncConfig())
        for n in range(3)
    ]
    made_with = {'train': [], 'validation': keys[1:2]}
    config = dataclasses.replace(quick, cost_decisions=0)
    metrics = evaluate_checkpoint(
        dataclasses.replace(checkpoint, metrics={'training': {'keys': made_with}}),
        data,
        cache=tmp_path / 'cache',
        config=config,
    ).metrics
    assert [found['name'] for found in metrics['recordings']] == ['recording_1', 'recording_2']
    assert metrics['data']['validated_with'] == 1
    (reason,) = metrics['data']['skipped']
    assert reason.startswith('recording_0')
    assert 'Input/output error' in reason
    with pytest.raises(RecordingError, match='recording_0'):
        evaluate_checkpoint(
            checkpoint,
            data,
            cache=tmp_path / 'cache',
            config=dataclasses.replace(config, strict=True),
        )


def test_labels_that_are_all_unknown_are_no_fault(
    checkpoint_path: Path, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    checkpoint = load_checkpoint(checkpoint_path)
    others = dataclasses.replace(checkpoint.config, labels=('diving', 'cooking', 'singing'))
    found = evaluate_checkpoint(
        dataclasses.replace(checkpoint, config=others),
        recordings,
        cache=tmp_path,
        config=dataclasses.replace(quick, cost_decisions=0),
    )
    metrics = found.metrics
    assert metrics['combinations']['video+audio+text']['accuracy'] is None
    assert metrics['unknown']['labels'] == ['greeting', 'none', 'typing', 'walking']
    assert metrics['unknown']['decisions'] > 200
    assert metrics['unknown']['auroc'] is None
    assert metrics['detection']['map'] is None
    assert metrics['confidence_intervals']['temporal']['smoothed']['edit_score'] is None
    json.dumps(metrics, allow_nan=False)
    assert 'Do the modalities agree?' in render(found, [])


def test_without_labelled_recordings_it_says_so(checkpoint_path: Path, tmp_path: Path):
    recording = write_simulation(tmp_path / 'data' / 'one', 1, duration_s=2.0)
    labels_path(recording).unlink()
    checkpoint = load_checkpoint(checkpoint_path)
    with pytest.raises(RecordingError, match='found none that can be used'):
        evaluate_checkpoint(checkpoint, tmp_path / 'data', cache=tmp_path / 'cache')
    with pytest.raises(RecordingError, match='no such folder'):
        evaluate_checkpoint(checkpoint, tmp_path / 'nowhere', cache=tmp_path / 'cache')


@pytest.mark.parametrize('wrong', [{'resamples': 0}, {'cost_decisions': -1}, {'seed': -1}])
def test_wrong_settings_are_refused(wrong: dict[str, int]):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        EvaluationConfig(**wrong)
