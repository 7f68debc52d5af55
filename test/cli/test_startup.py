"""What is started: one set of defaults for launch files and command line."""

import argparse
import dataclasses
import json
import subprocess
import sys
from itertools import pairwise

import pytest

from activity_recognition.arguments import defaults
from activity_recognition.bags import writer
from activity_recognition.commands.options import add_options, values_of
from activity_recognition.config import ModelConfig, PeopleConfig, RecognizerConfig
from activity_recognition.config_io import (
    build_config,
    load_config,
    shipped_file,
    to_stored_mapping,
)
from activity_recognition.errors import ConfigError
from activity_recognition.modalities import Role
from activity_recognition.startup import (
    DEMO_ARGUMENTS,
    REPLAY_ARGUMENTS,
    RUN_ARGUMENTS,
    TOPIC_ARGUMENTS,
    DemoConfig,
    absolute_name,
    demo_values,
    describe_end,
    people_parameters,
    player_spec,
    recognizer_spec,
    respawn_delay_of,
    sim_time_of,
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
        if not item.required:
            assert item.read(item.text) == item.default
            assert type(item.read(item.text)) is type(item.default)


def test_topics_are_those_that_recordings_have():
    given = defaults(TOPIC_ARGUMENTS)
    names = {role: absolute_name(topic) for role, topic in given.items()}
    assert names == {
        'image': '/camera/image_raw',
        'audio': '/audio/audio_stamped',
        'audio_info': '/audio/audio_info',
        'transcript': '/speech/transcript',
        'imu': '/imu/data',
    }
    assert names == {role: writer.topic_of(Role(role)) for role in given}


def test_topics_lie_in_the_namespace_unless_an_absolute_one_is_given():
    values = {**defaults(RUN_ARGUMENTS), 'namespace': 'robot', 'audio': '/mic'}
    topics = recognizer_spec(values, use_sim_time=None).remappings
    assert topics['image'] == 'camera/image_raw'
    assert topics['audio'] == '/mic'
    assert not any(topic.startswith('/') for role, topic in topics.items() if role != 'audio')


def test_the_topic_of_a_tracker_is_remapped_where_it_has_another_name():
    values = {**defaults(RUN_ARGUMENTS), 'namespace': 'robot'}
    assert 'detections' not in recognizer_spec(values, use_sim_time=None).remappings
    given = {**values, 'detections': '/yolo/tracking'}
    topics = recognizer_spec(given, use_sim_time=None).remappings
    assert topics['detections'] == '/yolo/tracking'
    assert topics['image'] == 'camera/image_raw'


def test_what_the_parameter_file_may_say_has_no_default_beside_the_configurations():
    assert not {'checkpoint', 'device', 'use_sim_time'} & set(defaults(RUN_ARGUMENTS))
    device = next(item for item in RUN_ARGUMENTS if item.name == 'device')
    assert f'else {RecognizerConfig().engine.device}.' in device.description


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


def test_what_is_not_given_is_left_to_the_parameter_file():
    values = defaults(RUN_ARGUMENTS)
    spec = recognizer_spec(values, use_sim_time=sim_time_of(values))
    assert spec.parameters == {}
    assert spec.parameter_files == (str(shipped_file('recognizer.yaml')),)
    assert spec.full_name == '/recognizer'


def test_what_is_given_goes_before_the_file(tmp_path):
    own = tmp_path / 'own.yaml'
    own.write_text('/robot/recognizer: {ros__parameters: {}}')
    values = {
        **defaults(RUN_ARGUMENTS),
        'checkpoint': '123',
        'device': 'cpu',
        'image': '/front/image',
        'namespace': 'robot',
        'params_file': str(own),
        'log_level': 'debug',
    }
    spec = recognizer_spec(values, use_sim_time=True)
    assert spec.full_name == '/robot/recognizer'
    command = spec.command(['--ros-args', '-p', 'smoothing.window_size:=3'])
    assert command[1:3] == ['-m', 'activity_recognition.ros.recognizing.recognizer_node']
    assert pairs(command, '-p') == [
        'checkpoint:="123"',
        'engine.device:="cpu"',
        'use_sim_time:=true',
        'smoothing.window_size:=3',
    ]
    assert pairs(command, '--params-file') == [str(own)]
    assert '__ns:=/robot' in pairs(command, '-r')
    assert 'image:=/front/image' in pairs(command, '-r')
    assert pairs(command, '--log-level') == ['robot.recognizer:=debug']
    assert command.index('--params-file') < command.index('-p')


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (None, 'expected a file of ROS parameters at .*own.yaml, found none'),
        ('/other: {ros__parameters: {a: 1}}', 'expected ros__parameters below .*, found /other'),
        ('', 'expected ros__parameters below .*, found no node with ros__parameters'),
        ('a: [', 'own.yaml'),
        ('just text', 'own.yaml: expected a mapping'),
    ],
)
def test_a_parameter_file_that_is_none_is_refused(tmp_path, content, sentence):
    path = tmp_path / 'own.yaml'
    if content is not None:
        path.write_text(content)
    values = {**defaults(RUN_ARGUMENTS), 'params_file': str(path)}
    with pytest.raises(ConfigError, match=sentence):
        recognizer_spec(values, use_sim_time=None)


def test_a_folder_or_a_long_name_is_no_parameter_file(tmp_path):
    for path in (tmp_path, tmp_path / ('x' * 300)):
        values = {**defaults(RUN_ARGUMENTS), 'params_file': str(path)}
        with pytest.raises(ConfigError, match='expected a file of ROS parameters'):
            recognizer_spec(values, use_sim_time=None)


@pytest.mark.parametrize('text', ['-1', 'nan', 'inf'])
def test_a_delay_that_is_none_is_refused(text):
    delay = next(item for item in RUN_ARGUMENTS if item.name == 'respawn_delay')
    with pytest.raises(ConfigError, match='respawn_delay must be 0 s or more'):
        respawn_delay_of({'respawn_delay': delay.read(text)})
    assert respawn_delay_of(defaults(RUN_ARGUMENTS)) == delay.default > 0


@pytest.mark.parametrize(
    ('returncode', 'words'),
    [
        (0, 'has ended'),
        (3, 'failed with status 3'),
        (-9, 'was ended by SIGKILL, by somebody or because memory ran out'),
        (-11, 'was ended by SIGSEGV'),
        (-99, 'was ended by signal 99'),
    ],
)
def test_how_a_process_ended_in_words(returncode, words):
    assert describe_end(returncode) == words


def test_what_is_given_goes_before_the_file_also_where_it_is_what_holds_without_one():
    values = {**defaults(RUN_ARGUMENTS), 'device': 'auto', 'use_sim_time': False}
    spec = recognizer_spec(values, use_sim_time=sim_time_of(values))
    assert spec.parameters == {'engine.device': 'auto', 'use_sim_time': False}


def test_the_options_tell_given_from_not_given():
    parser = argparse.ArgumentParser()
    add_options(parser, RUN_ARGUMENTS)
    given = values_of(parser.parse_args(['--device', 'auto', '--no-use-sim-time']), RUN_ARGUMENTS)
    assert (given['device'], given['use_sim_time']) == ('auto', False)
    assert not {'device', 'use_sim_time'} & set(values_of(parser.parse_args([]), RUN_ARGUMENTS))


@pytest.mark.parametrize('namespace', ['robot', '/robot', 'robot/', '//robot//', '/robot/'])
def test_slashes_around_a_namespace_do_no_harm(namespace):
    values = demo_values({**defaults(DEMO_ARGUMENTS), 'namespace': namespace})
    spec = recognizer_spec(values, use_sim_time=None)
    assert values['live_image'] == '/robot/camera/image_raw'
    assert spec.full_name == '/robot/recognizer'
    assert spec.logger_name == 'robot.recognizer'
    assert '__ns:=/robot' in pairs(spec.command(), '-r')


@pytest.mark.parametrize('namespace', ['', '/'])
def test_no_namespace_is_the_root(namespace):
    values = demo_values({**defaults(DEMO_ARGUMENTS), 'namespace': namespace})
    spec = recognizer_spec(values, use_sim_time=None)
    assert values['live_image'] == '/camera/image_raw'
    assert spec.full_name == '/recognizer'
    assert not [rule for rule in pairs(spec.command(), '-r') if rule.startswith('__ns')]


@pytest.mark.ros
@pytest.mark.parametrize('namespace', ['', 'robot', '/a/b'])
def test_the_log_level_is_that_of_the_node(namespace):
    pytest.importorskip('rclpy')
    values = {**defaults(RUN_ARGUMENTS), 'namespace': namespace, 'log_level': 'error'}
    command = recognizer_spec(values, use_sim_time=None).command()
    arguments = command[command.index('--ros-args') :]
    script = (
        f'import rclpy; rclpy.init(args={arguments}); node = rclpy.create_node("x"); '
        'print(node.get_logger().get_effective_level().name)'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == 'ERROR'


def test_the_player_publishes_where_the_recogniser_listens():
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': 'x.mcap', 'rate': 2.0, 'live_audio': '/mic'}
    player = player_spec(values)
    assert player.remappings == recognizer_spec(values, use_sim_time=True).remappings
    assert player.publishes_images
    assert player.spare_segments == 0


def test_the_overlay_goes_over_shared_memory_where_the_camera_keeps_its_room():
    recognizer = recognizer_spec(defaults(RUN_ARGUMENTS), use_sim_time=None)
    assert (recognizer.publishes_images, recognizer.spare_segments) == (True, 1)


def test_what_a_recording_is_read_with_goes_to_the_player_and_what_it_means_to_both():
    given = {
        'image': '/left',
        'transcript': 'none',
        'transcript_field': 'a.b',
        'audio_channels': '5',
    }
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': 'x.mcap', **given}
    player, recognizer = player_spec(values), recognizer_spec(values, use_sim_time=True)
    told = {k: v for k, v in player.parameters.items() if k.startswith('recorded.')}
    assert told == {f'recorded.{name}': value for name, value in given.items()}
    assert {k: v for k, v in recognizer.parameters.items() if k.startswith('topics.')} == {
        'topics.transcript_field': 'a.b',
        'topics.audio_channels': '5',
    }
    # Where it is played and heard, is another matter.
    assert player.remappings == recognizer.remappings == defaults(TOPIC_ARGUMENTS)
    assert not {
        k
        for k in player_spec({**defaults(REPLAY_ARGUMENTS), 'bag': 'x'}).parameters
        if k.startswith('recorded.')
    }


@pytest.mark.parametrize(
    ('modalities', 'expected'),
    [
        (('audio', 'text'), {'image': 'none'}),
        (('video', 'audio', 'text'), {}),
        (('audio', 'imu'), {'image': 'none', 'transcript': 'none', 'imu': 'auto'}),
    ],
)
def test_the_player_plays_what_the_checkpoint_takes(tmp_path, modalities, expected):
    """It waits for subscribers, and of other topics there are none."""
    stored = to_stored_mapping(ModelConfig(modalities=modalities))
    (tmp_path / 'config.json').write_text(json.dumps({'model': stored}))
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': 'x', 'checkpoint': str(tmp_path)}
    parameters = player_spec(values).parameters
    found = {k.removeprefix('recorded.'): v for k, v in parameters.items() if 'recorded.' in k}
    assert found == expected
    named = player_spec({**values, 'image': '/camera'}).parameters
    assert named['recorded.image'] == '/camera'


@pytest.mark.parametrize(
    'content', [None, '{}', '[]', '{', '{"model": 3}', '{"model": {"modalities": ["touch"]}}']
)
def test_of_a_checkpoint_that_cannot_be_read_the_player_expects_the_usual(tmp_path, content):
    if content is not None:
        (tmp_path / 'config.json').write_text(content)
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': 'x', 'checkpoint': str(tmp_path)}
    assert not [key for key in player_spec(values).parameters if 'recorded.' in key]


def test_the_player_plays_as_it_is_told():
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': 'x.mcap', 'rate': 2.0}
    player = player_spec(values)
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
    assert values['live_image'] == '/demo/camera/image_raw'
    assert recognizer_spec(values, use_sim_time=False).full_name == '/demo/recognizer'


def test_people_of_the_demo_are_told_apart_in_its_namespace():
    assert people_parameters(1) == {}
    told = people_parameters(3)
    assert told['people.max'] == 3
    config = build_config(PeopleConfig, {k.partition('.')[2]: v for k, v in told.items()}, where='')
    assert config.source == 'humans'
    assert not config.humans.startswith('/')


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
    positional = [item.name for item in arguments if item.required]
    parsed = parser.parse_args([f'a {name}' for name in positional])
    expected = {**defaults(arguments), **{name: f'a {name}' for name in positional}}
    assert values_of(parsed, arguments) == expected


def test_switches_can_be_turned_both_ways():
    parser = argparse.ArgumentParser()
    add_options(parser, RUN_ARGUMENTS)
    assert parser.parse_args(['--no-autostart', '--use-sim-time']).autostart is False
    assert parser.parse_args(['--use-sim-time']).use_sim_time is True


def test_nothing_is_read_before_arguments_are_asked_for():
    """Launch files and every command import this module."""
    code = """
import sys
import activity_recognition.parameter_files, activity_recognition.recorded
read = []

def note(event, given):
    if event == 'open' and not sys._getframe(1).f_code.co_filename.startswith('<frozen import'):
        read.append(str(given[0]))

sys.addaudithook(note)
import activity_recognition.startup as startup
assert not read, read
assert startup.DEMO_ARGUMENTS[0].default is not None
assert any(path.endswith('demo.yaml') for path in read), read
assert startup.REPLAY_ARGUMENTS[-1].name == startup.RUN_ARGUMENTS[-1].name
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
