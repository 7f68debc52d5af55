"""What killed nodes leave in shared memory is found and removed, and nothing of living ones."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from activity_recognition import cli
from activity_recognition.commands import health
from activity_recognition.config_io import shipped_file
from activity_recognition.ros import shared_memory, transport
from activity_recognition.ros.shared_memory import (
    SHARED_MEMORY,
    STALE_AFTER_S,
    SharedMemory,
    look,
    remove,
)
from factories.timing import PATIENCE_S

NAME = 'fastrtps_0123456789abcdef'
PORT = 'fastrtps_port7411'


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A folder in the place of /dev/shm, and a clock by which its files are old."""
    monkeypatch.setattr(shared_memory, 'SHARED_MEMORY', tmp_path)
    return tmp_path


def write(folder, name, kinds=('_el',), size=4096):
    (folder / name).write_bytes(bytes([1]) * size)
    locks = [folder / f'{name}{kind}' for kind in kinds]
    for lock in locks:
        lock.touch()
    return locks


def later():
    return time.time() + STALE_AFTER_S + 1.0


def states(folder):
    return {segment.name: segment.is_stale for segment in look(folder, now_s=later()).segments}


def test_what_nobody_has_locked_is_stale_and_is_removed_with_all_its_files(memory):
    write(memory, NAME, size=8192)
    write(memory, PORT)
    (memory / f'sem.{PORT}_mutex').write_bytes(b'm')
    (memory / 'somebody_elses').touch()
    found = look(memory, now_s=later())
    assert [(s.name, s.size_bytes) for s in found.stale] == [(NAME, 8192), (PORT, 8192)]
    assert [remove(segment) for segment in found.stale] == [True, True]
    assert [path.name for path in memory.iterdir()] == ['somebody_elses']


@pytest.mark.parametrize('kind', [fcntl.LOCK_EX, fcntl.LOCK_SH])
@pytest.mark.parametrize('held', [0, 1])
def test_one_lock_that_is_held_keeps_all(memory, kind, held):
    locks = write(memory, PORT, kinds=('_el', '_sl'))
    with locks[held].open() as file:
        fcntl.flock(file, kind)
        assert states(memory) == {PORT: False}
    assert states(memory) == {PORT: True}


def test_a_lock_that_is_taken_before_it_is_removed_keeps_it(memory):
    (lock,) = write(memory, NAME)
    (segment,) = look(memory, now_s=later()).stale
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not remove(segment)
    assert (memory / NAME).exists()


def test_a_young_lock_may_be_about_to_be_taken(memory):
    write(memory, NAME)
    assert look(memory).stale == ()


def test_what_is_no_file_or_has_another_name_is_left_alone(memory):
    os.mkfifo(memory / f'{NAME}_el')
    (memory / 'fastdds_0000000000000000_el').symlink_to('/etc/passwd')
    (memory / 'fastrtps_0123_el').touch()
    (memory / 'fastrtps_port1234567_el').touch()
    assert states(memory) == {NAME: False, 'fastdds_0000000000000000': False}


def test_newer_releases_have_another_name_for_it(memory):
    write(memory, 'fastdds_0123456789abcdef')
    assert states(memory) == {'fastdds_0123456789abcdef': True}


def test_where_stale_segments_leave_no_room_it_is_said(memory, monkeypatch, capsys):
    def nearly_full(_):
        return shutil_usage(total=1 << 30, used=1 << 30, free=1 << 20)

    shutil_usage = type(shared_memory.shutil.disk_usage('/'))
    monkeypatch.setattr(shared_memory.shutil, 'disk_usage', nearly_full)
    monkeypatch.setattr(shared_memory, 'look', lambda *_: look(memory, now_s=later()))
    monkeypatch.setattr(transport, 'look', lambda *_: look(memory, now_s=later()))
    health.warn_of_shared_memory()
    assert capsys.readouterr().err == ''
    assert 'give the container more' in transport.image_transport({}, memory)[1]
    write(memory, NAME, size=3 << 20)
    health.warn_of_shared_memory()
    told = capsys.readouterr().err
    advice = (
        '3.0 MiB belong to processes that are gone: `activity-recognition shared-memory --clean`'
    )
    assert told.startswith(f'1 MiB of shared memory are free, and {advice}')
    assert advice in transport.image_transport({}, memory)[1]


NODE = """
import rclpy
from std_srvs.srv import Trigger
rclpy.init()
node = rclpy.create_node('one')
node.create_service(Trigger, 'ask', lambda _, answer: setattr(answer, 'success', True) or answer)
print('ready', flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def start():
    """Start a real node with the shipped profile; return it and the names of its segments."""
    started = []

    def begin(domain_id):
        node = subprocess.Popen(
            [sys.executable, '-c', NODE],
            env={
                **os.environ,
                'ROS_DOMAIN_ID': str(domain_id),
                transport.PROFILE_VARIABLE: str(shipped_file('fastdds.xml')),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(node)
        assert node.stdout.readline() == 'ready\n'
        opened = [path.readlink() for path in Path(f'/proc/{node.pid}/fd').iterdir()]
        names = {
            path.name.rsplit('_', 1)[0]
            for path in opened
            if path.parent == SHARED_MEMORY and path.name.endswith(('_el', '_sl'))
        }
        assert names, 'it has no shared memory'
        return node, names

    yield begin
    for node in started:
        node.kill()
        node.wait()
        node.stdout.close()


def test_a_killed_nodes_segments_go_and_a_living_one_goes_on(start, monkeypatch, capsys):
    import rclpy
    from std_srvs.srv import Trigger

    # In domains of their own: who shares memory with a killed node may remove it as well.
    living, kept = start(domain_id := int(os.environ.get('ROS_DOMAIN_ID', '0')))
    killed, left = start(domain_id + 1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = {segment.name: segment for segment in look(now_s=later()).segments}
    assert left <= set(before), 'a killed node leaves what it had'
    assert all(before[name].is_stale for name in left)
    assert not any(before[name].is_stale for name in kept)

    # The command is shown these alone, as old ones: what others have left is not ours to remove.
    mine = tuple(before[name] for name in (*left, *kept))
    shown = SharedMemory(segments=mine, free_bytes=0, total_bytes=0)
    monkeypatch.setattr(shared_memory, 'look', lambda: shown)
    assert cli.main(['shared-memory']) == 0
    listed = capsys.readouterr().out
    assert f'{len(kept)} in use, {len(left)} of processes that are gone' in listed
    assert cli.main(['shared-memory', '--clean']) == 0
    cleaned = capsys.readouterr().out
    assert f'removed {len(left)} of processes that are gone' in cleaned
    now = {segment.name: segment.is_stale for segment in look(now_s=later()).segments}
    assert not left & set(now)
    assert {name: now[name] for name in kept} == dict.fromkeys(kept, False)

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    asker = rclpy.create_node('asker', context=context)
    try:
        client = asker.create_client(Trigger, 'ask')
        assert client.wait_for_service(PATIENCE_S)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(asker)
        answer = client.call_async(Trigger.Request())
        executor.spin_until_future_complete(answer, PATIENCE_S)
        assert answer.result().success
    finally:
        asker.destroy_node()
        context.try_shutdown()
    assert living.poll() is None
