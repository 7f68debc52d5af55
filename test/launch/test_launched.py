"""The launch files for real: `ros2 launch` and what comes of it, where it is installed."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from std_srvs.srv import SetBool

from activity_recognition.commands.simulate import Job, write
from activity_recognition.sensors import Role
from activity_recognition.simulation import SimulationConfig
from factories.live_nodes import Ears, processes_with
from factories.networks import TINY, make_system, tokenizer_for
from factories.timing import PATIENCE_S, check_ends_in_time, seconds_of

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
    pytest.mark.skipif(
        importlib.util.find_spec('ros2launch') is None or shutil.which('ros2') is None,
        reason='ros2 launch is not installed',
    ),
]


class Launched:
    """A running launch, with what it has printed so far."""

    def __init__(self, words):
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._lines = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._more:
                self._lines.append(line)
                self._more.notify_all()

    @property
    def printed(self):
        with self._more:
            return ''.join(self._lines)

    def wait_for(self, pattern, count=1):
        """Return the last of so many matches of a pattern in what is printed."""

        def matches():
            return list(re.finditer(pattern, ''.join(self._lines)))

        with self._more:
            enough = self._more.wait_for(lambda: len(matches()) >= count, PATIENCE_S)
            assert enough, f'{pattern} was not printed {count} times:\n{"".join(self._lines)}'
            return matches()[count - 1]

    def pid_of(self, node, count=1):
        """Return the process id of a node, of the so manieth time that it was started."""
        started = rf'\[{node}-\d+\]: process started with pid \[(\d+)\]'
        return int(self.wait_for(started, count)[1])

    def end(self):
        """Wait for the end; return the exit status and all that was printed."""
        status = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert 'Traceback' not in self.printed
        return status, self.printed

    def close(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()


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
        file = [name] if Path(name).is_absolute() else ['activity_recognition', name]
        launched.append(Launched(['ros2', 'launch', *file, *words]))
        return launched[-1]

    yield begin
    for one in launched:
        one.close()
    for pid in processes_with(namespace):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def recording(tmp_path):
    """Three seconds of a small scene."""
    path = tmp_path / 'recording'
    scene = SimulationConfig(seed=3, duration_s=3.0, width_px=64, height_px=48)
    write(Job(path=path, config=scene, storage='mcap', image='raw', overwrite=False))
    return path


@contextmanager
def becomes_active(namespace):
    """Wait until a recogniser in a namespace is active, then run the block."""
    with closing(Ears(namespace)) as ears:
        assert ears.heard.wait(PATIENCE_S), 'it did not become active'
        yield


@pytest.mark.parametrize('name', ['activity_recognition.launch.py', 'replay.launch.py'])
def test_the_recogniser_becomes_active_and_ctrl_c_ends_all(launch, namespace, recording, name):
    more = {'bag': recording, 'loop': 'true'} if name == 'replay.launch.py' else {}
    launched = launch(name, **more)
    with becomes_active(namespace):
        launched.process.send_signal(signal.SIGINT)
        took_s = seconds_of(lambda: launched.process.wait(PATIENCE_S))
    assert launched.end()[0] == 0
    assert processes_with(namespace) == []
    check_ends_in_time(took_s)


@pytest.mark.slow
def test_a_replay_over_remapped_topics_ends_with_the_recording(launch, namespace, recording):
    topics = {role.value: f'/{namespace}/my/{role}' for role in Role}
    status, printed = launch('replay.launch.py', bag=recording, **topics).end()
    assert status == 0, printed
    assert f'{topics["image"]} 45' in printed
    assert all(f'{topics[role]} ' in printed for role in ('audio', 'audio_info'))
    assert 'the recording has ended' in printed
    assert 'nobody subscribes' not in printed
    assert processes_with(namespace) == []


@pytest.mark.slow
def test_a_replay_in_a_namespace_has_its_topics_there(launch, namespace, recording):
    status, printed = launch('replay.launch.py', bag=recording).end()
    assert status == 0, printed
    assert f'/{namespace}/camera/image_raw 45' in printed
    assert 'nobody subscribes' not in printed


@pytest.mark.slow
def test_a_replay_to_a_wrong_checkpoint_ends_in_words(launch, namespace, recording):
    status, printed = launch('replay.launch.py', bag=recording, checkpoint='/nowhere').end()
    assert status == 1
    assert 'expected a checkpoint folder at /nowhere' in printed
    assert f'/{namespace}/recognizer could not be configured; its own log says why' in printed
    assert processes_with(namespace) == []


def test_a_checkpoint_that_is_not_there_is_told_in_words(launch, namespace):
    launched = launch('activity_recognition.launch.py', checkpoint='/nowhere')
    launched.wait_for(f'/{namespace}/recognizer could not be configured; its own log says why')
    assert 'expected a checkpoint folder at /nowhere' in launched.printed
    launched.process.send_signal(signal.SIGINT)
    assert launched.end()[0] == 0
    assert processes_with(namespace) == []


def check_failed(launched, namespace, sentence):
    """Check that a launch ends by itself, as failed, with a sentence and nothing left."""
    status, printed = launched.end()
    assert status == 1, printed
    assert sentence in printed
    assert processes_with(namespace) == []


def test_the_launch_ends_with_a_node_that_is_killed_before_it_is_configured(launch, namespace):
    launched = launch('activity_recognition.launch.py', autostart='false')
    os.kill(launched.pid_of('recognizer'), signal.SIGKILL)
    check_failed(launched, namespace, 'the recogniser was ended by SIGKILL')


@pytest.mark.slow
@pytest.mark.parametrize('name', ['activity_recognition.launch.py', 'replay.launch.py'])
def test_the_launch_ends_with_a_node_that_is_killed_while_it_is_active(
    launch, namespace, recording, name
):
    more = {'bag': recording, 'loop': 'true'} if name == 'replay.launch.py' else {}
    launched = launch(name, **more)
    with becomes_active(namespace):
        os.kill(launched.pid_of('recognizer'), signal.SIGKILL)
        check_failed(launched, namespace, 'the recogniser was ended by SIGKILL')


@pytest.mark.parametrize(
    ('number', 'words'), [(signal.SIGKILL, 'was ended by SIGKILL'), (signal.SIGTERM, 'failed with')]
)
def test_a_player_that_is_killed_has_not_played_the_recording(
    launch, namespace, recording, number, words
):
    launched = launch('replay.launch.py', bag=recording, autostart='false')
    with closing(Ears(namespace)) as ears:
        pause = ears.node.create_client(SetBool, 'player/pause')
        assert pause.wait_for_service(PATIENCE_S), 'the player did not come'
    os.kill(launched.pid_of('player'), number)
    check_failed(launched, namespace, f'the player {words}')
    assert 'the recording has ended' not in launched.printed


def test_a_parameter_file_that_is_not_there_ends_the_launch_before_it_begins(launch, namespace):
    launched = launch('activity_recognition.launch.py', params_file='/nowhere.yaml')
    check_failed(launched, namespace, 'expected a file of ROS parameters at /nowhere.yaml')
    assert 'process started' not in launched.printed


def test_a_respawned_node_is_brought_to_active_each_time(launch, namespace):
    launched = launch('activity_recognition.launch.py', respawn='true', respawn_delay='0')
    for count in (1, 2, 3):
        pid = launched.pid_of('recognizer', count)
        with becomes_active(namespace):
            if count < 3:
                os.kill(pid, signal.SIGKILL)
    launched.process.send_signal(signal.SIGINT)
    assert launched.end()[0] == 0
    assert processes_with(namespace) == []


TWO = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def generate_launch_description():
    return LaunchDescription([
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource({file!r}), launch_arguments={{'namespace': name}}.items()
        )
        for name in {names!r}
    ])
"""


@pytest.mark.slow
def test_a_launch_file_can_be_included_twice_in_two_namespaces(launch, namespace, tmp_path):
    file = Path(__file__).resolve().parents[2] / 'launch' / 'activity_recognition.launch.py'
    names = [f'{namespace}/one', f'{namespace}/two']
    both = tmp_path / 'two.launch.py'
    both.write_text(TWO.format(file=str(file), names=names))
    launched = launch(str(both))
    with becomes_active(names[0]), becomes_active(names[1]):
        launched.process.send_signal(signal.SIGINT)
    assert launched.end()[0] == 0
    assert processes_with(namespace) == []
