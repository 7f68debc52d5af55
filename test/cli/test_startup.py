"""What is started: one set of defaults for launch files and command line."""

import argparse
import dataclasses
import json
from itertools import pairwise

import pytest

from activity_recognition.bags import writer
from activity_recognition.commands.options import add_options, values_of
from activity_recognition.config import RecognizerConfig
from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.startup import (
    DEMO_ARGUMENTS,
    REPLAY_ARGUMENTS,
    RUN_ARGUMENTS,
    TOPIC_ARGUMENTS,
    DemoConfig,
    defaults,
    demo_values,
    player_spec,
    recognizer_spec,
)

ALL = [RUN_ARGUMENTS, REPLAY_ARGUMENTS, DEMO_ARGUMENTS]


def pairs(command, flag):
    return [b for a, b in pairwise(command) if a == flag]


@pytest.mark.parametrize('arguments', ALL)
def test_every_argument_is_described_once(arguments):
    names = [item.name for item in arguments]
    assert len(set(names)) == len(names)
    assert all(item.description.endswith('.') for item in arguments)


@pytest.mark.parametrize('arguments', ALL)
def test_defaults_survive_being_written_and_read(arguments):
    for item in arguments:
        if item.default is not None:
            assert item.read(item.text) == item.default
            assert type(item.read(item.text)) is type(item.default)


def test_topics_are_those_that_recordings_have():
    assert defaults(TOPIC_ARGUMENTS) == {
        'image': writer.IMAGE_TOPIC,
        'audio': writer.AUDIO_TOPIC,
        'audio_info': writer.AUDIO_INFO_TOPIC,
        'transcript': writer.TRANSCRIPT_TOPIC,
    }


def test_the_models_defaults_are_the_configurations():
    config = RecognizerConfig()
    values = defaults(RUN_ARGUMENTS)
    assert (values['checkpoint'], values['device']) == (config.checkpoint, config.engine.device)


@pytest.mark.parametrize(
    ('text', 'value'), [('true', True), ('True', True), ('0', False), ('false', False)]
)
def test_words_for_yes_and_no(text, value):
    autostart = next(item for item in RUN_ARGUMENTS if item.name == 'autostart')
    assert autostart.read(text) is value
    with pytest.raises(ValueError, match='autostart must be true or false'):
        autostart.read('maybe')


def test_numbers_that_are_none_are_refused():
    rate = next(item for item in REPLAY_ARGUMENTS if item.name == 'rate')
    with pytest.raises(ValueError, match='rate must be of type float'):
        rate.read('fast')


def test_what_is_default_is_left_to_the_parameter_file():
    spec = recognizer_spec(defaults(RUN_ARGUMENTS), use_sim_time=False)
    assert spec.parameters == {}
    assert spec.parameter_files == (str(shipped_file('recognizer.yaml')),)
    assert spec.full_name == '/recognizer'


def test_what_is_given_goes_before_the_file():
    values = {
        **defaults(RUN_ARGUMENTS),
        'checkpoint': '123',
        'device': 'cpu',
        'image': '/front/image',
        'namespace': 'robot',
        'params_file': 'own.yaml',
        'log_level': 'debug',
    }
    spec = recognizer_spec(values, use_sim_time=True)
    assert spec.full_name == '/robot/recognizer'
    command = spec.command(['--ros-args', '-p', 'smoothing.window_size:=3'])
    assert command[1:3] == ['-m', 'activity_recognition.ros.recognizer_node']
    assert pairs(command, '-p') == [
        'checkpoint:="123"',
        'engine.device:="cpu"',
        'use_sim_time:=true',
        'smoothing.window_size:=3',
    ]
    assert pairs(command, '--params-file') == ['own.yaml']
    assert '__ns:=/robot' in pairs(command, '-r')
    assert 'image:=/front/image' in pairs(command, '-r')
    assert pairs(command, '--log-level') == ['recognizer:=debug']
    assert command.index('--params-file') < command.index('-p')


def test_the_player_publishes_where_the_recogniser_listens():
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': 'x.mcap', 'rate': 2.0, 'audio': '/mic'}
    player = player_spec(values)
    assert player.remappings == recognizer_spec(values, use_sim_time=True).remappings
    assert player.publishes_images
    assert player.parameters['bag'] == 'x.mcap'
    assert player.parameters['playback.rate'] == 2.0
    assert player.parameters['playback.clock'] is True


def test_parameters_are_yaml_whatever_they_hold():
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': 'a: "b" {c}.mcap'}
    written = dict(word.split(':=', 1) for word in pairs(player_spec(values).command(), '-p'))
    assert json.loads(written['bag']) == 'a: "b" {c}.mcap'


def test_the_demo_stays_among_itself_and_in_real_time():
    values = demo_values({**defaults(DEMO_ARGUMENTS), 'out': 'here'})
    assert values['bag'] == 'here/recording'
    assert values['clock'] is False
    assert values['image'] == '/demo/camera/image_raw'
    assert recognizer_spec(values, use_sim_time=False).full_name == '/demo/recognizer'


def test_the_demos_file_overrides_its_defaults():
    demo = load_config(DemoConfig, shipped_file('demo.yaml'))
    given = defaults(DEMO_ARGUMENTS)
    for item in dataclasses.fields(DemoConfig):
        if item.name in given:
            assert given[item.name] == getattr(demo, item.name)


def test_the_demos_seed_is_neither_trained_nor_measured_on():
    from activity_recognition.training.shipped import Scale

    scale, seed = Scale(), load_config(DemoConfig, shipped_file('demo.yaml')).seed
    trained = range(
        scale.first_training_seed, scale.first_training_seed + scale.training_recordings
    )
    held_out = range(
        scale.first_held_out_seed, scale.first_held_out_seed + scale.held_out_recordings
    )
    assert seed not in trained
    assert seed not in held_out


@pytest.mark.parametrize('arguments', ALL)
def test_options_have_the_arguments_names_and_defaults(arguments):
    parser = argparse.ArgumentParser()
    add_options(parser, arguments)
    positional = [item.name for item in arguments if item.default is None]
    parsed = parser.parse_args([f'a {name}' for name in positional])
    expected = {**defaults(arguments), **{name: f'a {name}' for name in positional}}
    assert values_of(parsed, arguments) == expected


def test_switches_can_be_turned_both_ways():
    parser = argparse.ArgumentParser()
    add_options(parser, RUN_ARGUMENTS)
    assert parser.parse_args(['--no-autostart', '--use-sim-time']).autostart is False
    assert parser.parse_args(['--use-sim-time']).use_sim_time is True
