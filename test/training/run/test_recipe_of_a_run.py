"""A run goes on with its recipe alone, says how another differs, and how to go on after Ctrl-C."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from activity_recognition import cli
from activity_recognition.config_io import load_config, to_mapping
from activity_recognition.errors import CheckpointError
from activity_recognition.training.config import AugmentationConfig, TrainConfig
from activity_recognition.training.run import train as train_module
from activity_recognition.training.run import trainer as trainer_module
from activity_recognition.training.run.resuming import described_settings, refuse_other_recipe
from activity_recognition.training.run.state import read_progress, read_settings
from activity_recognition.training.run.train import main_train
from activity_recognition.training.run.trainer import BEST, STATE
from factories.networks import TINY
from factories.runs import short_run


@pytest.fixture(scope='module')
def config(tiny_preset: str) -> TrainConfig:
    return short_run(tiny_preset)


@pytest.fixture(scope='module')
def run_folder(
    config: TrainConfig, recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run that has ended; never to be changed."""
    out = tmp_path_factory.mktemp('runs') / 'run'
    main_train(config, recordings, out)
    return out


def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object, **__: object) -> object:
        raise AssertionError('recordings were read')

    monkeypatch.setattr(train_module, 'read_dataset', read)


def test_another_recipe_is_refused_before_anything_is_read(
    config: TrainConfig, recordings: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    nothing_is_read(monkeypatch)
    augmentation = AugmentationConfig(mirror=0.25)
    other = dataclasses.replace(config, learning_rate=0.002, augmentation=augmentation)
    with pytest.raises(CheckpointError) as caught:
        main_train(other, recordings, run_folder)
    said = str(caught.value)
    assert f'{run_folder} holds a run of another recipe' in said
    assert 'learning_rate is 0.002, in the run 0.001' in said
    assert 'augmentation.mirror is 0.25, in the run 0.5' in said
    assert 'start over (--restart)' in said
    assert 'seed' not in said
    assert len(said) < 600


def test_a_preset_that_was_edited_is_another_recipe(
    config: TrainConfig,
    recordings: Path,
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    nothing_is_read(monkeypatch)
    edited, out = tmp_path / 'preset.yaml', tmp_path / 'run'
    edited.write_text(yaml.safe_dump(to_mapping(TINY)), encoding='utf-8')
    shutil.copytree(run_folder, out)
    settings = read_settings(out / STATE)
    assert settings is not None
    video = dataclasses.replace(TINY.video, window_s=0.5)
    edited.write_text(yaml.safe_dump(to_mapping(dataclasses.replace(TINY, video=video))))
    with pytest.raises(CheckpointError) as caught:
        main_train(dataclasses.replace(config, preset=str(edited)), recordings, out)
    assert 'video.window_s of the network is 0.5, in the run 1.0' in str(caught.value)


def test_where_the_network_alone_differs_no_setting_is_said_to_help(
    config: TrainConfig, run_folder: Path, tmp_path: Path
):
    """As of a version whose preset was another one."""
    state = Path(shutil.copy(run_folder / STATE, tmp_path))
    with safe_open(state, 'pt') as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()['run'])
    for known in header['settings'].values():
        known['network']['video']['window_s'] = 0.5
    save_file(tensors, state, metadata={'run': json.dumps(header)})
    with pytest.raises(CheckpointError) as caught:
        refuse_other_recipe(described_settings(config), tmp_path, state)
    said = str(caught.value)
    assert 'video.window_s of the network is 1.0, in the run 0.5' in said
    assert said.endswith('choose another folder (--out), or start over (--restart)')
    assert 'Go on with the settings' not in said


def test_what_is_given_in_place_of_the_rule_is_named_without_a_value_that_was_not_used(
    config: TrainConfig, run_folder: Path, tmp_path: Path
):
    """The run was sized to its clips; its recipe without that has another number of epochs."""
    state = Path(shutil.copy(run_folder / STATE, tmp_path))
    with safe_open(state, 'pt') as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()['run'])
    given = dataclasses.replace(config, sized_to_clips=('weight_decay', 'epochs'))
    sized = dataclasses.replace(config, weight_decay=0.2, epochs=60, label_smoothing=0.2)
    header['settings'] = {
        'given': described_settings(given),
        'sized': described_settings(sized),
    }
    save_file(tensors, state, metadata={'run': json.dumps(header)})
    wanted = dataclasses.replace(
        given, sized_to_clips=('epochs',), weight_decay=0.3, learning_rate=0.002
    )
    with pytest.raises(CheckpointError) as caught:
        refuse_other_recipe(described_settings(wanted), tmp_path, state)
    said = str(caught.value)
    assert 'learning_rate is 0.002, in the run 0.001' in said
    assert 'weight_decay is 0.3, in the run as the number of clips says' in said
    assert 'sized_to_clips' not in said
    assert 'epochs' not in said
    more = dataclasses.replace(given, sized_to_clips=('epochs', 'label_smoothing', 'weight_decay'))
    with pytest.raises(CheckpointError) as caught:
        refuse_other_recipe(described_settings(more), tmp_path, state)
    said = str(caught.value)
    assert 'label_smoothing is as the number of clips says, in the run 0.05' in said


def older_state(path: Path, *, other_shape: bool) -> None:
    """Turn a run's state into what an older version may have left, with or without its settings."""
    with safe_open(path, 'pt') as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()['run'])
    if other_shape:
        name = next(name for name in tensors if name.endswith('classifier.weight'))
        tensors[name] = tensors[name][:, :-1].contiguous()
    else:
        del header['settings']
        header['progress']['fingerprint'] = '0' * 16
    save_file(tensors, path, metadata={'run': json.dumps(header)})


@pytest.mark.parametrize('other_shape', [True, False])
def test_what_an_older_version_began_is_refused_with_advice_that_helps(
    config: TrainConfig,
    recordings: Path,
    run_folder: Path,
    tmp_path: Path,
    *,
    other_shape: bool,
):
    out = shutil.copytree(run_folder, tmp_path / 'run')
    older_state(out / STATE, other_shape=other_shape)
    with pytest.raises(CheckpointError) as caught:
        main_train(config, recordings, out)
    said = str(caught.value)
    assert 'cannot be gone on with' in said
    assert '--restart' in said
    assert '--out' in said
    made = main_train(config, recordings, out, resume=False)
    assert made.metrics == main_train(config, recordings, run_folder).metrics


def test_what_may_change_is_no_other_recipe(
    config: TrainConfig, recordings: Path, run_folder: Path, tmp_path: Path
):
    out = shutil.copytree(run_folder, tmp_path / 'run')
    same = main_train(dataclasses.replace(config, num_workers=0, accumulation=2), recordings, out)
    assert same.metrics['training']['steps'] == read_progress(run_folder / STATE).step


def test_restart_takes_another_recipe(
    config: TrainConfig, recordings: Path, run_folder: Path, tmp_path: Path
):
    out = shutil.copytree(run_folder, tmp_path / 'run')
    other = dataclasses.replace(config, seed=5, learning_rate=0.002)
    made = main_train(other, recordings, out, resume=False)
    fresh = main_train(other, recordings, tmp_path / 'fresh')
    assert made.metrics['training']['settings']['seed'] == 5
    files = [result.checkpoint / 'model.safetensors' for result in (made, fresh)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_restart_that_is_interrupted_early_leaves_nothing_of_the_run_before(
    config: TrainConfig,
    recordings: Path,
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    out = shutil.copytree(run_folder, tmp_path / 'run')

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer_module.Trainer, 'fit', interrupted)
    with pytest.raises(KeyboardInterrupt):
        main_train(dataclasses.replace(config, seed=5), recordings, out, resume=False)
    assert not (out / STATE).exists()
    assert not (out / BEST).exists()


def test_other_recordings_are_told_apart_from_another_recipe(
    config: TrainConfig, recordings: Path, run_folder: Path, tmp_path: Path
):
    fewer = shutil.copytree(recordings, tmp_path / 'fewer')
    shutil.rmtree(sorted(fewer.iterdir())[0])
    out = shutil.copytree(run_folder, tmp_path / 'run')
    with pytest.raises(CheckpointError, match='holds a run with other recordings'):
        main_train(config, fewer, out)


def test_a_state_of_before_is_resumed(
    config: TrainConfig, recordings: Path, run_folder: Path, tmp_path: Path
):
    """It holds no settings; a fingerprint tells whether they are the same."""
    out = shutil.copytree(run_folder, tmp_path / 'run')
    rewrite_without_settings(out / STATE)
    assert read_settings(out / STATE) is None
    main_train(config, recordings, out)
    with pytest.raises(CheckpointError, match=r'older version .* other recordings.*--restart'):
        main_train(dataclasses.replace(config, seed=5), recordings, out)


def rewrite_without_settings(path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, 'pt') as file:
        header = json.loads(file.metadata()['run'])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    header.pop('settings')
    save_file(tensors, path, metadata={'run': json.dumps(header)})


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_where_it_is_saved_and_how_to_go_on(
    config: TrainConfig,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    status: int,
):
    recipe, out = tmp_path / 'my recipe.yaml', tmp_path / 'run'
    recipe.write_text(yaml.safe_dump({**_plain(config), 'epochs': 3}), encoding='utf-8')
    assert load_config(TrainConfig, recipe).epochs == 3
    words = ['train', str(recipe), '--data', str(recordings), '--out', str(out), '--quiet']
    real, calls = trainer_module.load_batch, []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), number)
        return real(*arguments)

    monkeypatch.setattr(trainer_module, 'load_batch', interrupted)
    assert cli.main([*words, '--restart']) == status
    again = shlex.join(['activity-recognition', *words])
    assert capsys.readouterr().err == (
        f'activity-recognition train: interrupted, and saved in {out} after 2 steps '
        f'(epoch 1); go on with: {again}\n'
    )
    assert read_progress(out / STATE).step == 2
    assert cli.main(shlex.split(again)[1:]) == 0
    assert (out / 'checkpoint' / 'config.json').is_file()
    assert read_progress(out / STATE).epoch == 3


def test_an_interruption_before_the_first_step_says_so(
    config: TrainConfig,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(yaml.safe_dump(_plain(config)), encoding='utf-8')

    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, 'read_dataset', interrupted)
    words = ['train', str(recipe), '--data', str(recordings), '--out', str(tmp_path / 'run')]
    assert cli.main(words) == 130
    assert 'interrupted before a step was trained; there is nothing' in capsys.readouterr().err


def _plain(config: TrainConfig) -> dict[str, object]:
    values = to_mapping(config)
    return {name: values[name] for name in ('preset', 'epochs', 'batch_size', 'crop_s')} | {
        'frame_rate_hz': 4.0,
        'validation_fraction': 0.34,
        'device': 'cpu',
        'num_threads': 1,
        'num_workers': 1,
    }
