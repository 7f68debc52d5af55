"""Networks with some of the modalities: trained, measured, reported, sharded and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from activity_recognition.config_io import build_config
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.dataset import load_dataset
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.evaluation.gate import Limit, check, left_open
from activity_recognition.training.evaluation.measuring import (
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.evaluation.report import render
from activity_recognition.training.preview.strips import write_preview
from activity_recognition.training.run.train import main_train, preparing
from activity_recognition.training.sharding.opening import open_source
from activity_recognition.training.sharding.writing import prepare_shards
from activity_recognition.types import Modality

CHOICES = (('audio',), ('video', 'text'))
EXPECTED = {
    ('audio',): ['audio'],
    ('video', 'text'): ['text', 'video', 'video+text'],
}
"""Combinations of a report, in its order."""


def recipe(preset: str, modalities: tuple[str, ...]) -> TrainConfig:
    return build_config(
        TrainConfig,
        {
            'preset': preset,
            'model': {'modalities': list(modalities)},
            'epochs': 2,
            'batch_size': 2,
            'crop_s': 4.0,
            'frame_rate_hz': 4.0,
            'contrast_weight': 0.1,
            'agreement_weight': 0.1,
            'augmentation': {'margin': 0.25, 'clock_skew_s': 0.1},
            'validation_fraction': 0.34,
            'device': 'cpu',
            'num_threads': 1,
            'num_workers': 1,
        },
    )


@pytest.fixture(scope='module', params=CHOICES, ids='+'.join)
def modalities(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture(scope='module')
def checkpoint(
    recordings: Path,
    tiny_preset: str,
    modalities: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Checkpoint:
    out = tmp_path_factory.mktemp('run')
    return load_checkpoint(main_train(recipe(tiny_preset, modalities), recordings, out).checkpoint)


@pytest.fixture(scope='module')
def evaluation(
    checkpoint: Checkpoint, recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Evaluation:
    config = EvaluationConfig(cost_decisions=0, resamples=10, num_workers=1)
    return evaluate_checkpoint(
        checkpoint, recordings, cache=tmp_path_factory.mktemp('cache'), config=config
    )


def test_a_run_ends_with_a_network_of_the_chosen_modalities(
    checkpoint: Checkpoint, modalities: tuple[str, ...]
):
    assert checkpoint.config.modalities == modalities
    assert list(checkpoint.system.unimodal_heads) == list(modalities)
    width = checkpoint.config.hidden_dim * len(modalities)
    assert checkpoint.system.classifier.in_features == width
    assert set(checkpoint.metrics['validation']['combinations']) == set(EXPECTED[modalities])


def test_a_report_follows_the_modalities(evaluation: Evaluation, modalities: tuple[str, ...]):
    metrics = evaluation.metrics
    assert list(metrics['combinations']) == EXPECTED[modalities]
    assert list(metrics['agreement']['own_heads']) == list(modalities)
    assert list(metrics['agreement']['pairs']) == EXPECTED[modalities][2:]
    everything = metrics['combinations']['+'.join(modalities)]
    assert everything['decisions'] == sum(found['decisions'] for found in metrics['recordings'])
    assert everything['decisions'] > 50
    page = render(evaluation, [])
    assert ' + '.join(modalities) in page
    assert ('<td>audio</td>' in page) == ('audio' in modalities)


def test_the_model_card_names_the_inputs(checkpoint: Checkpoint, modalities: tuple[str, ...]):
    card = (checkpoint.path / 'README.md').read_text(encoding='utf-8')
    inputs = {1: 'from audio.', 2: 'from video and text; any of them may be absent.'}
    assert inputs[len(modalities)] in card


def test_limits_on_other_modalities_are_left_open(
    evaluation: Evaluation, modalities: tuple[str, ...]
):
    names = [f'{m}_macro_f1' for m in Modality]
    acceptance = {name: Limit(at_least=0.0) for name in (*names, 'fused_macro_f1')}
    absent = [f'{m}_macro_f1' for m in Modality if m.value not in modalities]
    assert left_open(evaluation.metrics, acceptance) == absent
    checks = check(evaluation.metrics, acceptance)
    assert [item['name'] for item in checks] == [n for n in acceptance if n not in absent]
    assert all(item['passed'] for item in checks)


def test_arrays_are_those_of_the_modalities_alone(
    recordings: Path, tiny_preset: str, modalities: tuple[str, ...]
):
    config = recipe(tiny_preset, modalities)
    model = config.model_config()
    how = preparing(config, model, cache=Path(), console=None)
    found = preprocess_recording(
        recordings / 'recording_0', model, how.sync, wide_px=config.wide_px(model)
    )
    for segment in found.segments:
        assert [m.value for m in segment.modalities] == list(modalities)
        assert ('wide_frames' in segment.arrays) == ('video' in modalities)
        assert bool(segment.texts) == ('text' in modalities)


def test_shards_give_what_the_recordings_give(
    recordings: Path, tiny_preset: str, modalities: tuple[str, ...], tmp_path: Path
):
    config = recipe(tiny_preset, modalities)
    model = config.model_config()
    how = preparing(config, model, cache=tmp_path / 'cache', console=None)
    prepare_shards(
        recordings,
        tmp_path / 'shards',
        model=model,
        sync=how.sync,
        wide_px=config.wide_px(model),
        workers=1,
    )
    unpacked = preparing(config, model, cache=tmp_path / 'unpacked', console=None)
    sides = [
        load_dataset(open_source(data, how), validation_fraction=0.0, seed=0).training
        for data, how in ((recordings, how), (tmp_path / 'shards', unpacked))
    ]
    for mine, theirs in zip(*sides, strict=True):
        assert mine.key == theirs.key
        labels = ('none', 'greeting', 'typing', 'walking')
        for one, other in zip(mine.segments(labels), theirs.segments(labels), strict=True):
            assert one.arrays.keys() == other.arrays.keys()
            for name, value in one.arrays.items():
                np.testing.assert_array_equal(value, other.arrays[name], err_msg=name)
    usual = TrainConfig(preset=tiny_preset)
    with pytest.raises(RecordingError, match='modalities = '):
        open_source(
            tmp_path / 'shards',
            preparing(usual, usual.model_config(), cache=tmp_path / 'cache', console=None),
        )


def test_crops_are_drawn(
    recordings: Path, tiny_preset: str, modalities: tuple[str, ...], tmp_path: Path
):
    path = tmp_path / 'crops.png'
    config = recipe(tiny_preset, modalities)
    shown = write_preview(path, config, recordings, cache=tmp_path / 'cache', count=2)
    assert path.stat().st_size > 0
    assert len(shown) == 2


def test_an_unknown_modality_is_refused_in_words(tiny_preset: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=r'modalities: expected some of video, audio, text'):
        main_train(recipe(tiny_preset, ('smell',)), tmp_path, tmp_path / 'run')
