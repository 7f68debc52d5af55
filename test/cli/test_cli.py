"""Parsing, errors and exit statuses."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition import __version__, cli
from activity_recognition.commands import simulate
from activity_recognition.errors import ConfigError, RecordingError

HEAVY_OR_ROS = ('torch', 'transformers', 'scipy', 'rclpy', 'rosbags', 'av', 'cv2')


@pytest.mark.parametrize('name', cli.COMMANDS)
def test_every_command_explains_itself(command, name):
    status, out, _ = command(name, '--help')
    assert status == 0
    assert out.startswith(f'usage: activity-recognition {name}')
    assert len(out.splitlines()) > 8


def test_the_list_of_commands_says_what_each_does(command):
    status, out, _ = command('--help')
    assert status == 0
    for name in cli.COMMANDS:
        assert f'\n    {name}' in out


def test_help_needs_neither_ros_nor_anything_heavy():
    script = (
        'import sys; from activity_recognition import cli; cli.build_parser(); '
        f'print([name for name in {HEAVY_OR_ROS} if name in sys.modules])'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == '[]'


def test_the_version(command):
    assert command('--version') == (0, f'activity-recognition {__version__}\n', '')


@pytest.mark.parametrize(
    'words',
    [
        (),
        ('dance',),
        ('simulate',),
        ('simulate', '--out', 'x', '--image', 'gif'),
        ('simulate', '--out', 'x', '--seed', 'one'),
        ('replay',),
        ('replay', 'x', '--rate', 'fast'),
        ('run', '--log-level', 'loud'),
    ],
)
def test_wrong_arguments_end_with_status_2_and_a_usage(command, words):
    status, _, err = command(*words)
    assert status == 2
    assert err.startswith('usage: activity-recognition')


@pytest.mark.parametrize(
    ('words', 'answer'),
    [
        (('simulate', '--out', 'x'), 'simulate takes no --ros-args: leave them out'),
        (('demo',), 'demo takes no --ros-args: give its nodes parameters with --params-file'),
    ],
)
def test_commands_that_take_no_ros_arguments_say_what_to_do(command, words, answer):
    status, _, err = command(*words, '--ros-args', '-p', 'a:=1')
    assert status == 2
    assert answer in ' '.join(err.split())


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (ConfigError('a key is wrong'), 2),
        (RecordingError('no such recording'), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_are_one_sentence_and_a_status(command, monkeypatch, error, status):
    def fail(_):
        raise error

    monkeypatch.setattr(simulate, 'run', fail)
    found, out, err = command('simulate', '--out', 'x')
    assert (found, out) == (status, '')
    assert err == f'activity-recognition simulate: {str(error) or "interrupted"}\n'


@pytest.mark.parametrize(
    ('error', 'sentence'),
    [
        (OSError(36, 'File name too long', 'a' * 5000), 'aaa: File name too long'),
        (PermissionError(13, 'Permission denied', 'x\x1b[2J'), 'x\\x1b[2J: Permission denied'),
        (OSError(28, 'No space left on device'), 'simulate: No space left on device'),
        (MemoryError(), 'MemoryError: not enough'),
        (RecordingError('a\udcff\x1b]0;title\x07' + 'b' * 10**6), 'a\\udcff\\x1b]0;title\\x07bbb'),
    ],
)
def test_errors_of_files_are_bounded_sentences_too(command, monkeypatch, error, sentence):
    def fail(_):
        raise error

    monkeypatch.setattr(simulate, 'run', fail)
    found, out, err = command('simulate', '--out', 'x')
    assert (found, out, err.count('\n')) == (1, '', 1)
    assert sentence in err
    assert len(err) < 2200


def test_other_errors_are_bugs_and_keep_their_traceback(command, monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(simulate, 'run', fail)
    with pytest.raises(ZeroDivisionError):
        command('simulate', '--out', 'x')


@given(
    st.lists(st.sampled_from(['a', '-b', '--c'])),
    st.lists(st.sampled_from(['-p', 'x:=1', '-r', 'a:=b'])),
    st.none() | st.lists(st.sampled_from(['d', '--e'])),
)
def test_ros_arguments_begin_at_ros_args_and_end_at_two_dashes(before, ros, after):
    words = [*before, cli.ROS_ARGS, *ros]
    words += [] if after is None else ['--', *after]
    assert cli.split_ros_arguments(words) == ([*before, *(after or [])], [cli.ROS_ARGS, *ros])
    assert cli.split_ros_arguments(before) == (before, [])


def test_a_reader_that_has_gone_is_no_traceback(tmp_path):
    script = f'{sys.executable} -m activity_recognition --help | true; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ['bash', '-c', script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert 'Traceback' not in done.stderr
