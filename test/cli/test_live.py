"""Commands that start nodes: what they start works, and nothing of it stays."""

import json
import os
import signal
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import pytest

pytest.importorskip('rclpy')

from std_srvs.srv import SetBool

from activity_recognition.commands.monitor import Patience, follow
from activity_recognition.commands.simulate import Job, write
from activity_recognition.simulation import SimulationConfig
from factories.live_nodes import Ears, processes_with
from factories.timing import PATIENCE_S, check_ends_in_time, seconds_of

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A tiny network that knows nothing."""
    from activity_recognition.models.checkpoint import save_checkpoint
    from factories.networks import TINY, make_system, tokenizer_for

    folder = tmp_path_factory.mktemp('runs') / 'tiny' / 'checkpoint'
    save_checkpoint(folder, make_system(), tokenizer_for(TINY))
    return folder


@pytest.fixture
def namespace(tmp_path):
    """A name that nothing else on this machine has, and that its processes can be found by."""
    return f'test_{os.getpid()}_{tmp_path.name}'.replace('-', '_')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_run_brings_the_recogniser_to_active_and_ctrl_c_ends_it(
    start, checkpoint, namespace, number
):
    """With the folder of the training run that ended with the checkpoint."""
    words = ('--checkpoint', checkpoint.parent, '--device', 'cpu', '--namespace', namespace)

    process = start('run', *words)
    with closing(Ears(namespace)) as ears:
        assert ears.heard.wait(PATIENCE_S), 'it did not become active'
    assert len(processes_with(namespace)) >= 2
    process.send_signal(number)
    check_ends_in_time(seconds_of(lambda: process.wait(PATIENCE_S)))
    assert process.returncode == 0
    assert 'Traceback' not in process.stderr.read()
    assert processes_with(namespace) == []


def pid_of(namespace, module):
    """Return the process of a namespace that runs a module, as soon as it is there."""
    runs_it = b'-m\0activity_recognition.ros.' + module.encode() + b'\0'
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        for pid in processes_with(namespace):
            with suppress(OSError):
                command = Path(f'/proc/{pid}/cmdline').read_bytes()
                if command.partition(b'\0')[2].startswith(runs_it):
                    return pid
    raise AssertionError(f'{module} was not started')


def test_a_recogniser_that_is_killed_ends_the_command_in_words(start, checkpoint, namespace):
    words = ('--checkpoint', checkpoint, '--no-autostart', '--namespace', namespace)
    process = start('run', *words)
    os.kill(pid_of(namespace, 'recognizing.recognizer_node'), signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + signal.SIGKILL
    assert 'the node recognizer was ended by SIGKILL' in errors
    assert processes_with(namespace) == []


@pytest.mark.slow
def test_a_recogniser_that_is_killed_is_started_again_where_that_is_wanted(
    start, checkpoint, namespace
):
    words = ('--checkpoint', checkpoint, '--namespace', namespace, '--respawn')
    process = start('run', *words, '--respawn-delay', '0')
    for end in (True, True, False):
        with closing(Ears(namespace)) as ears:
            assert ears.heard.wait(PATIENCE_S), 'it did not become active'
            if end:
                os.kill(pid_of(namespace, 'recognizing.recognizer_node'), signal.SIGKILL)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert errors.count('starting recognizer again in 0 s') == 2
    assert processes_with(namespace) == []


@pytest.mark.parametrize('words', [('run',), ('replay', 'a.mcap'), ('demo',)])
def test_a_parameter_file_that_is_not_there_is_one_sentence(start, words):
    process = start(*words, '--params-file', '/nowhere.yaml')
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    (line,) = errors.splitlines()
    assert line == (
        f'activity-recognition {words[0]}: expected a file of ROS parameters at /nowhere.yaml, '
        'found none'
    )


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_player_that_is_killed_has_not_played_the_recording(
    start, checkpoint, namespace, recording, number
):
    words = ('--checkpoint', checkpoint, '--no-autostart', '--namespace', namespace)
    process = start('replay', recording, *words)
    with closing(Ears(namespace)) as ears:
        pause = ears.node.create_client(SetBool, 'player/pause')
        assert pause.wait_for_service(PATIENCE_S), 'the player did not come'
    os.kill(pid_of(namespace, 'playing.player_node'), number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + number
    words = {signal.SIGKILL: 'was ended by SIGKILL', signal.SIGTERM: 'failed with status 143'}
    assert f'the node player {words[number]}' in errors
    assert processes_with(namespace) == []


def test_a_recogniser_that_cannot_start_ends_the_command_in_words(start, namespace):
    process = start('run', '--checkpoint', '/nowhere', '--namespace', namespace)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert 'expected a checkpoint folder at /nowhere' in errors
    assert 'Traceback' not in errors
    assert processes_with(namespace) == []


def test_a_monitor_of_nothing_ends_in_time_and_writes_its_page(start, tmp_path, namespace):
    words = ('--seconds', 0.5, '--report', tmp_path / 'seen', '--ros-args', '-r')
    process = start('monitor', *words, f'__ns:=/{namespace}')
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert out.splitlines() == ['waiting for decisions', str(tmp_path / 'seen' / 'report.html')]
    assert json.loads((tmp_path / 'seen' / 'metrics.json').read_text())['answers'] == []


def test_a_monitor_beside_nobody_gives_up_in_words(start, tmp_path, namespace):
    words = ('--patience', 1, '--report', tmp_path / 'seen', '--ros-args', '-r')
    process = start('monitor', *words, f'__ns:=/{namespace}')
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith(f'monitor: no node /{namespace}/recognizer came within 1 s')
    assert 'activity-recognition run or replay' in line
    assert (tmp_path / 'seen' / 'report.html').is_file()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_monitor_that_is_ended_writes_its_page(start, tmp_path, namespace, number):
    words = ('--report', tmp_path / 'seen', '--ros-args', '-r')
    process = start('monitor', *words, f'__ns:=/{namespace}')
    assert process.stdout.readline() == 'waiting for decisions\n'
    process.send_signal(number)
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert out.splitlines() == [str(tmp_path / 'seen' / 'report.html')]
    assert json.loads((tmp_path / 'seen' / 'metrics.json').read_text())['answers'] == []


def test_a_monitor_ends_after_the_recogniser_that_it_watched(start, checkpoint, namespace):
    """One that fails, or is killed, says no more that everything is worked off."""
    recogniser = start('run', '--checkpoint', checkpoint, '--namespace', namespace)
    # As long as a busy machine may take to start a node.
    monitor = start('monitor', '--patience', 20, '--ros-args', '-r', f'__ns:=/{namespace}')
    with closing(Ears(namespace)) as ears:
        assert ears.heard.wait(PATIENCE_S), 'it did not become active'
    assert monitor.stdout.readline() == 'waiting for decisions\n'
    assert monitor.poll() is None
    recogniser.send_signal(signal.SIGTERM)
    _, errors = monitor.communicate(timeout=PATIENCE_S)
    assert monitor.returncode == 0, errors
    assert f'monitor: the node /{namespace}/recognizer ended 20 s ago' in errors


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / 'recording'
    scene = SimulationConfig(seed=3, duration_s=3.0, width_px=64, height_px=48)
    write(Job(path=path, config=scene, storage='mcap', image='raw', overwrite=False))
    return path


@pytest.mark.slow
def test_replay_ends_with_the_recording(start, checkpoint, namespace, recording):
    words = ('--checkpoint', checkpoint.parent, '--device', 'cpu', '--namespace', namespace)
    process = start('replay', recording, *words)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert 'finished: published' in errors
    assert processes_with(namespace) == []


@pytest.mark.slow
def test_a_monitor_ends_with_what_is_replayed(start, checkpoint, namespace, recording):
    """The recogniser ends with the player, and reports no more that all is worked off."""
    monitor = start('monitor', '--patience', 'inf', '--ros-args', '-r', f'__ns:=/{namespace}')
    assert monitor.stdout.readline() == 'waiting for decisions\n'
    words = ('--checkpoint', checkpoint.parent, '--device', 'cpu', '--namespace', namespace)
    replay = start('replay', recording, *words)
    _, errors = replay.communicate(timeout=PATIENCE_S)
    assert replay.returncode == 0, errors
    _, errors = monitor.communicate(timeout=PATIENCE_S)
    assert monitor.returncode == 0, errors


@dataclass
class Seen:
    """What a monitor sees, moment by moment: whether it has played, and who decides."""

    moments: list[tuple[bool, bool]]
    settled: bool = False
    recognizer: str = 'recognizer'

    def look(self) -> None:
        self.has_played, self.recognizer_there = self.moments.pop(0)


@pytest.mark.parametrize(
    ('moments', 'left'),
    [
        ([(False, True), (True, True), (True, False), (True, False)], 1),
        ([(False, True), (False, False), (False, True), (True, False), (True, False)], 1),
        ([(True, False), (True, True), (True, False), (True, False)], 1),
    ],
    ids=['replay', 'a recogniser that comes back', 'a player before the recogniser'],
)
def test_nothing_is_awaited_of_a_recogniser_that_ended_with_the_recording(moments, left):
    watch = Seen(moments)
    follow(watch, Mock(), seconds=PATIENCE_S, patience=Patience(PATIENCE_S, time.monotonic))
    assert len(watch.moments) == left


@pytest.mark.slow
def test_replay_of_nothing_ends_in_words(start, checkpoint, namespace):
    words = ('--checkpoint', checkpoint, '--namespace', namespace)
    process = start('replay', '/nowhere.mcap', *words)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert '/nowhere.mcap: no such recording' in errors
    assert processes_with(namespace) == []


@pytest.mark.slow
def test_the_demo_accounts_for_every_frame_and_judges(start, checkpoint, namespace, tmp_path):
    out = tmp_path / 'demo'
    words = ('--seconds', 5, '--checkpoint', checkpoint, '--device', 'cpu', '--out', out)
    process = start('demo', *words, '--namespace', namespace, '--tree')
    printed, errors = process.communicate(timeout=PATIENCE_S)
    # The tiny network knows none of the activities.
    assert process.returncode == 1, errors
    assert 'balanced accuracy: 0.0 % (at least 85.0 %): FAILED' in printed
    assert 'frames unaccounted for: 0 (0): passed' in printed
    found = json.loads((out / 'metrics.json').read_text())
    frames = found['frames']
    assert frames['published'] == 75
    assert frames['published'] == (
        frames['used'] + sum(frames['dropped'].values()) + frames['lost']
    )
    assert found['duration_s'] == pytest.approx(5.0)
    assert '(cpu, fp32) by ' in found['conditions']['device']
    assert len(found['conditions']['checkpoint']) == 12
    assert found['scores']['decisions'] == len(found['answers']) > 20
    assert (out / 'report.html').stat().st_size > 10_000
    assert (out / 'logs' / 'player.log').exists()
    assert processes_with(namespace) == []


@pytest.mark.slow
def test_the_demo_of_several_people_judges_each(start, checkpoint, namespace, tmp_path):
    pytest.importorskip('hri_msgs')
    out = tmp_path / 'demo'
    words = ('--seconds', 8, '--people', 2, '--checkpoint', checkpoint, '--device', 'cpu')
    process = start('demo', *words, '--out', out, '--namespace', namespace, '--quiet')
    printed, errors = process.communicate(timeout=PATIENCE_S)
    # The tiny network knows none of the activities.
    assert process.returncode == 1, errors
    people = json.loads((out / 'people.json').read_text())
    assert list(people) == ['ann', 'ben']
    for name, found in people.items():
        assert f'balanced accuracy of {name}: 0.0 %' in printed
        assert f'{name}: {found["decisions"]} decisions, 0 of them right' in printed
        assert 0 < found['decisions'] <= found['possible']
    assert 'frames: 120 published' in printed
    assert 'frames unaccounted for: 0 (0): passed' in printed
    checks = [check['name'] for check in json.loads((out / 'metrics.json').read_text())['checks']]
    assert checks[:2] == ['balanced accuracy of ann', 'balanced accuracy of ben']
    assert processes_with(namespace) == []


@pytest.mark.slow
@pytest.mark.parametrize(('room', 'node'), [('recognizing', 'recognizer'), ('playing', 'player')])
def test_a_demo_whose_node_is_killed_has_failed(start, checkpoint, namespace, tmp_path, room, node):
    words = ('--seconds', 60, '--checkpoint', checkpoint, '--device', 'cpu', '--quiet')
    process = start('demo', *words, '--out', tmp_path / 'demo', '--namespace', namespace)
    pid_of(namespace, 'playing.player_node')  # until all is there
    os.kill(pid_of(namespace, f'{room}.{node}_node'), signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert f'activity-recognition demo: the node {node} was ended by SIGKILL' in errors
    assert not (tmp_path / 'demo' / 'report.html').exists()
    assert processes_with(namespace) == []
