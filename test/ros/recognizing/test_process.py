"""The node in a process of its own: started by itself, ended by a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from factories.timing import check_ends_in_time, seconds_of

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

END_S = 2.0


@pytest.fixture
def start(world, checkpoint):
    """Start recogniser processes in the world's namespace."""
    processes = []

    def begin(*arguments: str, executor: str = 'single') -> subprocess.Popen:
        command = [sys.executable, '-m', 'activity_recognition.ros.recognizing.recognizer_node']
        command += ['--ros-args', '-r', f'__ns:={world.namespace}']
        command += ['-p', f'checkpoint:={checkpoint}', '-p', 'engine.device:=cpu']
        command += ['-p', 'topics.audio_sample_format:=S16LE', *arguments]
        environment = {**os.environ, 'ACTIVITY_RECOGNITION_EXECUTOR': executor}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def end(world, process, number) -> str:
    """Send a signal, check that the process ends in time and in order, return what it logged."""
    process.send_signal(number)
    took_s = seconds_of(lambda: world.spin_until(lambda: process.poll() is not None))
    check_ends_in_time(took_s)
    logged = process.stderr.read()
    assert process.returncode == 0, logged
    assert 'Traceback' not in logged
    return logged


def test_it_recognises_over_dds_and_ctrl_c_ends_it_with_no_data(world, start, seen):
    activities = world.activities()
    process = start('-p', 'autostart:=true')
    camera, microphone = world.camera(), world.microphone()
    speech = world.speech()
    world.every(0.05, camera, world.image)
    world.every(0.04, microphone, world.sound)
    world.every(0.5, speech, world.words)
    world.spin_until(lambda: any(seen(m) == {'video', 'audio', 'text'} for m in activities))
    end(world, process, signal.SIGINT)
    world.spin_until(lambda: activities[-1].status == activities[-1].STATUS_NO_DATA)


def test_sigterm_ends_a_node_that_waits_to_be_configured(world, start):
    process = start()
    world.spin_until(lambda: '/recognizer' in str(world.node.get_fully_qualified_node_names()))
    service = 'recognizer/change_state'
    world.spin_until(lambda: world.node.count_services(service))
    end(world, process, signal.SIGTERM)


def test_ctrl_c_while_the_model_is_loaded(world, start):
    process = start('-p', 'autostart:=true')
    world.spin_until(lambda: world.node.count_services('recognizer/change_state'))
    end(world, process, signal.SIGINT)


@pytest.mark.slow
def test_ctrl_c_ends_a_node_that_the_events_executor_spins(world, start):
    from activity_recognition.ros import executor_probe

    if executor_probe.judge(executor_probe.attempt) != executor_probe.WORKS:
        pytest.skip('EventsExecutor does not work in this installation')
    activities = world.activities()
    process = start('-p', 'autostart:=true', executor='events')
    camera = world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(m.scores for m in activities))
    end(world, process, signal.SIGINT)


def test_a_node_that_starts_itself_and_cannot_ends_with_one_sentence(world, start):
    process = start('-p', 'autostart:=true', '-p', 'sync.windw_s:=3.0')
    world.spin_until(lambda: process.poll() is not None)
    logged = process.stderr.read()
    assert process.returncode == 1
    assert "not configured: parameters: unknown key 'sync.windw_s'" in logged
    assert 'Traceback' not in logged


def test_ctrl_c_ends_a_node_that_a_manager_has_configure(world, start):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    process = start()
    client = world.node.create_client(ChangeState, 'recognizer/change_state')
    world.spin_until(client.service_is_ready)
    client.call_async(ChangeState.Request(transition=Transition(label='configure')))
    assert any('loading the model' in line for line in process.stderr)
    end(world, process, signal.SIGINT)
