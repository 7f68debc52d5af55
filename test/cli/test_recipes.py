"""Recipes of the command line: what there is, and settings given in their place."""

from __future__ import annotations

import argparse
import dataclasses

import pytest

from activity_recognition.commands.recipes import load_recipe, read_overrides, recipe_list, recipes
from activity_recognition.config_io import build_config, load_config
from activity_recognition.errors import ConfigError
from activity_recognition.recorded import SETTINGS
from activity_recognition.text_files import parse_yaml
from activity_recognition.training.config import TrainConfig


def load(name: str, *overrides: str) -> TrainConfig:
    recorded = dict.fromkeys(SETTINGS)
    return load_recipe(argparse.Namespace(config=name, overrides=list(overrides), **recorded))


def test_every_recipe_says_in_its_first_line_what_it_suits():
    lines = recipe_list().splitlines()
    assert [line.split()[0] for line in lines] == list(recipes())
    assert 'few_clips' in recipes()
    for line in lines:
        assert line.endswith('.')
        assert 40 < len(line) < 125


def test_help_lists_the_recipes(command):
    status, printed, _ = command('train', '--help')
    assert status == 0
    assert recipe_list() in printed


def test_settings_are_replaced_by_their_dotted_names():
    config = load(
        'fights',
        'epochs=3',
        'learning_rate=1e-4',
        'augmentation.mirror=0',
        'augmentation.colour=0.5',
        'model.modalities=[audio]',
        'device=cpu',
        'recorded.audio_channels="0"',
    )
    before = load('fights')
    assert (config.epochs, config.learning_rate, config.device) == (3, 1e-4, 'cpu')
    assert (config.augmentation.mirror, config.augmentation.colour) == (0.0, 0.5)
    assert config.augmentation.contrast == before.augmentation.contrast
    assert config.model.modalities == ('audio',)
    assert config.recorded.audio_channels == '0'
    assert config.batch_size == before.batch_size


def test_the_last_of_two_values_counts():
    assert load('smoke', 'epochs=3', 'epochs=4').epochs == 4


def test_numbers_are_taken_with_an_exponent_as_people_write_them():
    config = load(
        'smoke',
        'epochs=1e1',
        'learning_rate=5e-4',
        'stages=[{epochs: 2E0, fused_weight: 1e-1, unimodal_weight: 2.5e0}]',
        'augmentation={colour: 1e-1}',
    )
    assert (config.epochs, type(config.epochs), config.learning_rate) == (10, int, 5e-4)
    (stage,) = config.stages
    assert (stage.epochs, stage.fused_weight, stage.unimodal_weight) == (2, 0.1, 2.5)
    assert config.augmentation.colour == 0.1


def test_lists_of_numbers_are_taken_so_too():
    @dataclasses.dataclass(frozen=True)
    class Listed:
        rates: tuple[float, ...] = ()
        sizes: tuple[int, ...] = ()
        names: tuple[str, ...] = ()

    said = parse_yaml('{rates: [1e-3, 2], sizes: [1e2], names: [1e5]}', ConfigError, where='here')
    assert build_config(Listed, said) == Listed(rates=(1e-3, 2.0), sizes=(100,), names=('1e5',))


def test_a_recipe_file_is_read_so_too(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('learning_rate: 1e-3\nepochs: 2e0\n')
    assert (load(str(path)).learning_rate, load(str(path)).epochs) == (1e-3, 2)


@pytest.mark.parametrize(
    ('text', 'fault'),
    [
        ('epoch=3', "--set: unknown key 'epoch'; did you mean 'epochs'?"),
        ('augmentation.miror=0', "--set: augmentation: unknown key 'miror'; did you mean 'mirror'"),
        ('epochs=many', "--set: epochs: expected int, got 'many'"),
        ('epochs=1e-1', '--set: epochs: expected int, got 0.1'),
        ('epochs=1e1x', "--set: epochs: expected int, got '1e1x'"),
        ('epochs=1e30', 'TrainConfig.epochs must lie in [1, 100000], got 1000'),
        ('learning_rate=1e999', '--set: learning_rate: expected a finite number, got inf'),
        ('augmentation.mirror=١e1', '--set: augmentation: mirror: expected float'),
        ('epochs=2.5', '--set: epochs: expected int, got 2.5'),
        ('epochs=', '--set: epochs: expected int, got None'),
        ('epochs=0', 'TrainConfig.epochs must lie in [1, 100000], got 0'),
        ('augmentation=1', '--set: augmentation: expected a mapping, got 1'),
        ('epochs.two=1', '--set: epochs: expected int'),
        ('epochs', "--set: expected KEY=VALUE, got 'epochs'"),
        ('=3', "--set: expected KEY=VALUE, got '=3'"),
        ('stages=[{epochs: [', '--set stages:1 is not YAML'),
        ('device=!!python/name:os.system', '--set device:1 is not YAML'),
    ],
)
def test_what_is_no_setting_is_refused_in_a_sentence(text, fault):
    with pytest.raises(ConfigError) as caught:
        load('smoke', text)
    assert fault in str(caught.value)


def test_a_key_is_a_setting_or_a_group_of_them():
    with pytest.raises(ConfigError, match=r"--set: 'epochs.x' lies below 'epochs'"):
        read_overrides(['epochs=1', 'epochs.x=2'])


def test_epochs_are_those_of_all_stages(tmp_path):
    path = tmp_path / 'staged.yaml'
    path.write_text('stages: [{name: alone, epochs: 3}, {name: together, epochs: 2}]\n')
    assert [stage.epochs for stage in load(str(path)).stages] == [3, 2]
    assert [stage.epochs for stage in load(str(path), 'epochs=20').stages] == [12, 8]
    assert [stage.epochs for stage in load(str(path), 'epochs=1').stages] == [1, 1]
    given = load(str(path), 'epochs=20', 'stages=[{epochs: 4}]')
    assert [stage.epochs for stage in given.stages] == [4]


def test_what_is_given_does_not_follow_from_the_number_of_clips():
    config = load('few_clips', 'epochs=20', 'model.dropout=0.5')
    left = set(load('few_clips').sized_to_clips) - set(config.sized_to_clips)
    assert left == {'epochs', 'model.dropout'}


def test_check_needs_a_recipe_to_replace_settings_of(command, tmp_path):
    status, _, err = command('check', tmp_path, '--set', 'epochs=3')
    assert status == 2
    assert '--set replaces settings of a recipe; name one with --config' in err


@pytest.mark.parametrize('name', ['train', 'prepare', 'show', 'check'])
def test_every_command_with_a_recipe_takes_settings(command, name):
    assert '--set KEY=VALUE' in command(name, '--help')[1]


def test_a_wrong_recipe_is_still_named_by_its_file(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('epoch: 3\n')
    with pytest.raises(ConfigError, match=r"mine\.yaml: unknown key 'epoch'"):
        load(str(path), 'batch_size=2')


@pytest.mark.parametrize('name', sorted(recipes()))
def test_all_shipped_recipes_are_valid(name):
    config = load(name)
    assert config == load_config(TrainConfig, recipes()[name])
    config.model_config()
