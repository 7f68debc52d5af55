"""From recordings to a checkpoint that streams, and back to its measures."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from activity_recognition.bags import RecordingReader, find_recordings
from activity_recognition.config import SmoothingConfig, SyncConfig
from activity_recognition.config_io import load_config, to_stored_mapping
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.streams import windows
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import StageConfig, TrainConfig
from activity_recognition.training.data.cache import recording_key
from activity_recognition.training.data.dataset import Dataset
from activity_recognition.training.evaluation.scoring import evaluate_recordings
from activity_recognition.training.run.resuming import fingerprint
from activity_recognition.training.run.train import TrainingResult, main_train, read_dataset
from factories.runs import short_run


@pytest.fixture(scope='module')
def trained(
    recordings: Path, tiny_preset: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingResult, TrainConfig, Path]:
    config = short_run(tiny_preset, epochs=2)
    out = tmp_path_factory.mktemp('run')
    return main_train(config, recordings, out), config, out


def test_it_ends_with_a_checkpoint(
    trained: tuple[TrainingResult, TrainConfig, Path], recordings: Path
):
    result, _, out = trained
    checkpoint = load_checkpoint(result.checkpoint)
    assert result.checkpoint == out / 'checkpoint'
    assert checkpoint.config.labels == ('none', 'greeting', 'typing', 'walking')
    assert checkpoint.metrics == json.loads(json.dumps(result.metrics))
    assert len(checkpoint.metrics['validation']['combinations']) == 7
    assert checkpoint.temperature == result.metrics['calibration']['temperature'] > 0
    assert result.skipped == ()
    keys = result.metrics['training']['keys']
    assert [len(keys[split]) for split in ('train', 'validation')] == [2, 1]
    assert sorted(keys['train'] + keys['validation']) == sorted(
        recording_key(path, checkpoint.config, SyncConfig()) for path in find_recordings(recordings)
    )
    card = (result.checkpoint / 'README.md').read_text(encoding='utf-8')
    assert '| video+audio+text |' in card
    assert 'greeting' in card
    assert all(f'**{finding}.**' in card for finding in result.findings)


def test_the_fusion_is_fitted_to_the_validation_recordings(
    trained: tuple[TrainingResult, TrainConfig, Path],
):
    result, _, _ = trained
    fusion, modalities = result.metrics['fusion'], ['video', 'audio', 'text']
    assert fusion['nll_after'] <= fusion['nll_before']
    assert fusion['spans'] >= 3
    experts = load_checkpoint(result.checkpoint).system.experts
    fitted = [fusion['temperatures'][modality] for modality in modalities]
    assert experts.temperatures.tolist() == pytest.approx(fitted)
    if not fusion['uses_state']:
        softplus = experts.bias.detach().exp().log1p().tolist()
        reliable = [fusion['reliabilities'][modality] for modality in modalities]
        assert softplus == pytest.approx(reliable, rel=1e-4)
    heads = result.metrics['validation']['own_heads']
    assert set(heads) == set(modalities)
    for found in heads.values():
        assert found['training']['loss'] > 0
        assert 0 <= found['validation']['balanced_accuracy'] <= 1


def test_the_prior_is_that_of_what_heads_are_trained_towards(
    trained: tuple[TrainingResult, TrainConfig, Path],
):
    """Rare classes weigh more in the loss, so it is flatter than their frequencies."""
    prior = load_checkpoint(trained[0].checkpoint).system.experts.log_prior.exp()
    assert float(prior.sum()) == pytest.approx(1.0, abs=1e-6)
    assert len(set(prior.tolist())) == 4
    assert float(prior.max()) < 0.9


def test_its_measures_are_those_of_the_streaming_engine(
    trained: tuple[TrainingResult, TrainConfig, Path], recordings: Path, tmp_path: Path
):
    """What was measured densely is what the node would have published."""
    checkpoint = load_checkpoint(trained[0].checkpoint)
    paths = find_recordings(recordings)
    found = evaluate_recordings(checkpoint, paths, cache=tmp_path / 'cache', workers=1)
    everything = found['combinations']['video+audio+text']
    engine = StreamingEngine(checkpoint, smoothing=SmoothingConfig())
    decisions = 0
    for path in paths:
        engine.reset()
        with RecordingReader.for_model(path, engine.config) as reader:
            decided = [engine.apply(window) for window in windows(reader.samples(), SyncConfig())]
        decisions += sum(decision is not None for decision in decided)
    assert found['recordings'] == 3
    assert everything['decisions'] == decisions
    assert everything['smoothed']['decisions'] == decisions


def test_a_finished_run_is_not_trained_again(
    trained: tuple[TrainingResult, TrainConfig, Path], recordings: Path
):
    result, config, out = trained
    weights = (result.checkpoint / 'model.safetensors').read_bytes()
    again = main_train(dataclasses.replace(config, num_workers=0), recordings, out)
    assert again.metrics['training']['steps'] == result.metrics['training']['steps']
    assert (again.checkpoint / 'model.safetensors').read_bytes() == weights


def test_settings_that_came_later_leave_begun_runs_as_they_are():
    later = {'timer_rate_hz', 'tempo', 'sensor_turn_deg', 'sensor_scale'}
    later |= {'fused_gradient', 'modality_weights'}
    stored = to_stored_mapping(TrainConfig())
    assert not later & {*stored, *stored['augmentation']}
    nothing = Dataset(labels=('a', 'b'), training=(), validation=(), test=(), skipped=())
    changed = (
        TrainConfig(timer_rate_hz=5.0),
        TrainConfig(augmentation=AugmentationConfig(tempo=0.2)),
        TrainConfig(augmentation=AugmentationConfig(sensor_turn_deg=10.0)),
    )
    prints = {fingerprint(config, nothing) for config in (TrainConfig(), *changed)}
    assert len(prints) == 4


def test_a_damaged_recording_is_named_and_left_out(
    recordings: Path, tiny_preset: str, tmp_path: Path, tiny_train: TrainConfig
):
    data = shutil.copytree(recordings, tmp_path / 'data')
    [bag] = (data / 'recording_1').glob('*.mcap')
    bag.write_bytes(bag.read_bytes()[:300])
    config = dataclasses.replace(tiny_train, preset=tiny_preset, epochs=1, validation_fraction=0.0)
    console = Console(record=True, width=200)
    result = main_train(config, data, tmp_path / 'run', console=console)
    assert len(result.skipped) == 1
    assert 'recording_1' in console.export_text(clear=False)
    with pytest.raises(RecordingError, match=r'can all be used, got 1 that cannot: .*recording_1'):
        main_train(config, data, tmp_path / 'strict', strict=True)
    assert not (tmp_path / 'strict' / 'checkpoint').exists()
    assert result.metrics['validation']['combinations'] == {}
    assert result.metrics['fusion'] is None
    assert 'no recordings to validate with' in console.export_text(clear=False)
    assert load_checkpoint(result.checkpoint).temperature == 1.0


@pytest.mark.parametrize(
    ('fraction', 'weights', 'is_said'),
    [(0.0, 'auto', True), (0.34, 'auto', False), (0.0, 'equal', False)],
)
def test_weights_that_follow_validation_do_nothing_without_and_it_is_said(
    recordings: Path, tiny_preset: str, tmp_path: Path, fraction: float, weights: str, is_said: bool
):
    stages = (
        StageConfig(name='first', modality_weights=weights),
        StageConfig(name='second', modality_weights='equal'),
    )
    config = short_run(tiny_preset, validation_fraction=fraction, stages=stages)
    console = Console(record=True, width=300, file=io.StringIO())
    read_dataset(config, config.model_config(), recordings, cache=tmp_path, console=console)
    said = console.export_text()
    assert ('modality_weights: auto (of the stage first) does nothing' in said) == is_said
    assert ('set validation_fraction above 0' in said) == is_said


def test_wrong_settings_are_refused_before_reading(tmp_path: Path, tiny_train: TrainConfig):
    with pytest.raises(ConfigError, match='preset'):
        main_train(dataclasses.replace(tiny_train, preset='huge'), tmp_path, tmp_path / 'run')
    with pytest.raises(RecordingError, match='no such folder'):
        main_train(tiny_train, tmp_path / 'nowhere', tmp_path / 'run')


def test_one_label_is_not_enough(
    recordings: Path, tiny_preset: str, tmp_path: Path, tiny_train: TrainConfig
):
    data = shutil.copytree(recordings, tmp_path / 'data')
    for labels in data.rglob('labels.csv'):
        labels.write_text('start_s,end_s,label\n0,9,typing\n', encoding='utf-8')
    with pytest.raises(RecordingError, match='at least two labels, got typing'):
        main_train(dataclasses.replace(tiny_train, preset=tiny_preset), data, tmp_path / 'run')


def test_a_run_is_sized_to_its_clips_and_says_so(
    recordings: Path, tiny_preset: str, tmp_path: Path
):
    config = TrainConfig(
        preset=tiny_preset,
        sized_to_clips=('model.hidden_dim', 'weight_decay'),
        epochs=1,
        crop_s=4.0,
        validation_fraction=0.34,
        device='cpu',
        num_threads=1,
        num_workers=1,
    )
    with (tmp_path / 'told').open('w') as file:
        result = main_train(
            config, recordings, tmp_path / 'run', console=Console(file=file, width=200)
        )
    told = (tmp_path / 'told').read_text()
    assert 'clips per label: model.hidden_dim 32, weight_decay 0.3' in told
    assert load_checkpoint(result.checkpoint).config.hidden_dim == 32
    settings = result.metrics['training']['settings']
    assert (settings['weight_decay'], settings['model']['hidden_dim']) == (0.3, 32)
    again = load_config(TrainConfig, tmp_path / 'run' / 'recipe.yaml')
    assert again.weight_decay == 0.3
    assert again.sized_to_clips == ()
    # The recipe of the run goes on with it: these are its settings.
    assert main_train(again, recordings, tmp_path / 'run').metrics == result.metrics
