"""The launch files for real: `ros2 launch` and what comes of it, where it is installed."""

import importlib.util
import os
import shutil
import signal
import subprocess
from contextlib import closing

import pytest

pytest.importorskip('rclpy')

from activity_recognition.commands.simulate import Job, write
from activity_recognition.sensors import Role
from activity_recognition.simulation import SimulationConfig
from factories.live_nodes import Ears, processes_with
from factories.networks import TINY, make_system, tokenizer_for
from factories.timing import check_ends_in_time, seconds_of

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
    pytest.mark.skipif(
        importlib.util.find_spec('ros2launch') is None or shutil.which('ros2') is None,
        reason='ros2 launch is not installed',
    ),
]

PATIENCE_S = 90.0


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A tiny network that knows nothing."""
    from activity_recognition.models.checkpoint import save_checkpoint

    folder = tmp_path_factory.mktemp('checkpoints') / 'tiny'
    save_checkpoint(folder, make_system(), tokenizer_for(TINY))
    return folder


@pytest.fixture
def namespace(tmp_path):
    """A name that nothing else on this machine has, and that its processes can be found by."""
    return f'launch_{os.getpid()}_{tmp_path.name}'.replace('-', '_')


@pytest.fixture
def launch(checkpoint, namespace):
    """Launch a file of the package; whatever still runs at the end is killed."""
    launched = []

    def begin(name, **arguments):
        given = {'checkpoint': checkpoint, 'device': 'cpu', 'namespace': namespace, **arguments}
        words = [f'{key}:={value}' for key, value in given.items()]
        process = subprocess.Popen(
            ['ros2', 'launch', 'activity_recognition', name, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        launched.append(process)
        return process

    yield begin
    for process in launched:
        process.kill()
        process.communicate()
    for pid in processes_with(namespace):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def recording(tmp_path):
    """Three seconds of a small scene."""
    path = tmp_path / 'recording'
    scene = SimulationConfig(seed=3, duration_s=3.0, width_px=64, height_px=48)
    write(Job(path=path, config=scene, storage='mcap', image='raw', overwrite=False))
    return path


@pytest.mark.parametrize('name', ['activity_recognition.launch.py', 'replay.launch.py'])
def test_the_recogniser_becomes_active_and_ctrl_c_ends_all(launch, namespace, recording, name):
    more = {'bag': recording, 'loop': 'true'} if name == 'replay.launch.py' else {}

    def end():
        process = launch(name, **more)
        with closing(Ears(namespace)) as ears:
            assert ears.heard.wait(PATIENCE_S), 'it did not become active'
        process.send_signal(signal.SIGINT)
        took_s = seconds_of(lambda: process.wait(30))
        assert process.returncode == 0
        assert 'Traceback' not in process.stdout.read()
        assert processes_with(namespace) == []
        return took_s

    check_ends_in_time(end)


@pytest.mark.slow
def test_a_replay_over_remapped_topics_ends_with_the_recording(launch, namespace, recording):
    topics = {role.value: f'/{namespace}/my/{role}' for role in Role}
    process = launch('replay.launch.py', bag=recording, **topics)
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, printed
    assert f'{topics["image"]} 45' in printed
    assert all(f'{topics[role]} ' in printed for role in ('audio', 'audio_info'))
    assert 'the recording has ended' in printed
    assert 'nobody subscribes' not in printed
    assert 'Traceback' not in printed
    assert processes_with(namespace) == []


@pytest.mark.slow
def test_a_replay_to_a_wrong_checkpoint_ends_in_words(launch, namespace, recording):
    process = launch('replay.launch.py', bag=recording, checkpoint='/nowhere')
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert 'expected a checkpoint folder at /nowhere' in printed
    assert f'/{namespace}/recognizer could not be configured; its own log says why' in printed
    assert processes_with(namespace) == []


def test_a_checkpoint_that_is_not_there_is_told_in_words(launch, namespace):
    process = launch('activity_recognition.launch.py', checkpoint='/nowhere')
    printed = ''
    for line in process.stdout:
        printed += line
        if 'could not be configured' in line:
            break
    assert 'expected a checkpoint folder at /nowhere' in printed
    assert f'/{namespace}/recognizer could not be configured; its own log says why' in printed
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert processes_with(namespace) == []
