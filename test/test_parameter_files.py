"""Parameter files without ROS: what is written is what the node reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.config import (
    EngineConfig,
    RecognizerConfig,
    SmoothingConfig,
    SyncConfig,
    TopicsConfig,
)
from activity_recognition.config_io import dotted_overrides, nested, to_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.parameter_files import (
    check_names_node,
    parameter_text,
    write_parameter_file,
)
from factories.parameters import read_parameter_file

configs = st.builds(
    RecognizerConfig,
    checkpoint=st.text(st.characters(codec='utf-8', categories=['L', 'N', 'P', 'Zs'])),
    subject_id=st.sampled_from(['', '12', 'true', 'person: 1']),
    silent_after_s=st.floats(0.1, 600.0),
    engine=st.builds(EngineConfig, num_threads=st.integers(0, 64)),
    sync=st.builds(
        SyncConfig, decision_rate_hz=st.floats(0.0, 240.0), queue_frames=st.integers(1, 1000)
    ),
    smoothing=st.builds(SmoothingConfig, window_size=st.integers(1, 1000)),
    topics=st.builds(TopicsConfig, image_transport=st.sampled_from(['', 'raw', 'compressed'])),
)


@given(configs)
def test_what_is_written_is_read_back(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / 'robot.yaml'
    write_parameter_file(path, config, comments=['one', 'two'])
    assert read_parameter_file(path, RecognizerConfig) == config


@given(configs)
def test_overrides_name_what_differs_and_nothing_else(config):
    overrides = dotted_overrides(config)
    assert nested(overrides) == _difference(to_mapping(config), to_mapping(RecognizerConfig()))


def _difference(ours, defaults):
    inner = {
        key: _difference(value, defaults[key])
        for key, value in ours.items()
        if isinstance(value, dict)
    }
    leaves = {
        key: value for key, value in ours.items() if key not in inner and value != defaults[key]
    }
    return {**leaves, **{key: value for key, value in inner.items() if value}}


def test_the_defaults_are_an_empty_file():
    assert parameter_text(RecognizerConfig()) == '/**/recognizer:\n  ros__parameters: {}\n'


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('', "expected '/\\*\\*/recognizer' with 'ros__parameters' below it"),
        ('sync: {}', r"got \['sync'\]"),
        ('/**/recognizer: {sync.decision_rate_hz: 5.0}', 'ros__parameters'),
        (
            '/**/recognizer: {ros__parameters: {sync.decision_rate: 5.0}}',
            "unknown key 'decision_rate'; did you mean 'decision_rate_hz'",
        ),
        (
            '/**/recognizer: {ros__parameters: {sync.decision_rate_hz: 500.0}}',
            'decision_rate_hz must lie in',
        ),
        ('/**/recognizer: {ros__parameters: {engine.device: 3}}', 'expected str, got 3'),
    ],
)
def test_a_file_that_the_node_would_refuse_is_refused(tmp_path, text, sentence):
    path = tmp_path / 'robot.yaml'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(ConfigError, match=sentence):
        read_parameter_file(path, RecognizerConfig)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / 'file').write_text('', encoding='utf-8')
    with pytest.raises(ConfigError, match='cannot write the parameter file'):
        write_parameter_file(tmp_path / 'file' / 'robot.yaml', RecognizerConfig())


KEYS = (
    '/**',
    '**',
    '*',
    'recognizer',
    '/recognizer',
    '/**/recognizer',
    '**/recognizer',
    '/*/recognizer',
    '/robot/*',
    '/robot/**',
    '/robot/recognizer',
    'robot/recognizer',
    '/recogniser',
)


@pytest.mark.ros
@pytest.mark.parametrize('namespace', ['', '/robot', '/fleet/robot'])
def test_a_file_has_something_for_a_node_where_ros_finds_it(tmp_path, namespace):
    rclpy = pytest.importorskip('rclpy')

    def ros_finds_it(path):
        context = rclpy.Context()
        rclpy.init(args=['--ros-args', '--params-file', str(path)], context=context)
        node = rclpy.create_node(
            'recognizer',
            namespace=namespace or None,
            context=context,
            automatically_declare_parameters_from_overrides=True,
        )
        found = node.has_parameter('here')
        node.destroy_node()
        context.try_shutdown()
        return found

    def we_find_it(path):
        try:
            check_names_node(path, f'{namespace}/recognizer')
        except ConfigError:
            return False
        return True

    path = tmp_path / 'robot.yaml'
    inside = '{ros__parameters: {here: 1}}'
    contents = [f'"{key}": {inside}' for key in KEYS]
    contents.append(f'robot: {{recognizer: {inside}}}')
    contents.append(f'/other: {inside}\n/**/recognizer: {inside}')
    for content in contents:
        path.write_text(content)
        assert we_find_it(path) == ros_finds_it(path), content


@pytest.mark.parametrize(
    'content', ['1: {ros__parameters: {}}', '&a x: {y: 1}', '? [1]\n: {ros__parameters: {}}']
)
def test_keys_that_are_no_names_are_no_nodes(tmp_path, content):
    path = tmp_path / 'robot.yaml'
    path.write_text(content)
    with pytest.raises(ConfigError, match=r'robot\.yaml'):
        check_names_node(path, '/recognizer')
