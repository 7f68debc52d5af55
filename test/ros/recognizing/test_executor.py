"""The choice of the executor: decided by a trial that no node waits for."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import subprocess
import threading

import pytest

pytest.importorskip('rclpy')

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from activity_recognition.ros import executor_choice, executor_probe
from activity_recognition.ros.executor_choice import FAILS, WORKS, Trial, make_executor
from factories.timing import PATIENCE_S

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture
def context(monkeypatch, tmp_path):
    """A context of ROS, with a cache of its own for verdicts."""
    monkeypatch.delenv(executor_choice.CHOICE_VARIABLE, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    context = Context()
    context.init(args=[])
    yield context
    context.try_shutdown()


def is_single(context) -> bool:
    executor = make_executor(context)
    single = isinstance(executor, SingleThreadedExecutor)
    executor.shutdown(0.0)
    return single


def test_without_a_verdict_or_with_a_bad_one_the_old_executor_is_taken(context):
    assert is_single(context)
    path = executor_choice.verdict_file()
    path.parent.mkdir()
    path.write_text(FAILS)
    assert is_single(context)


def test_a_good_verdict_or_the_variable_takes_the_new_one(context, monkeypatch):
    path = executor_choice.verdict_file()
    path.parent.mkdir()
    path.write_text(WORKS)
    assert not is_single(context)
    monkeypatch.setenv(executor_choice.CHOICE_VARIABLE, 'single')
    assert is_single(context)
    path.write_text(FAILS)
    monkeypatch.setenv(executor_choice.CHOICE_VARIABLE, 'events')
    assert not is_single(context)


def test_a_trial_that_is_given_up_leaves_no_verdict_and_no_process(context):
    trial = Trial()
    process = trial._process
    trial.end()
    assert process.poll() is not None
    assert not executor_choice.verdict_file().exists()
    second = Trial()  # the next start tries again
    assert second._process is not None
    second.end()


def test_two_trials_at_a_time_are_one(context, monkeypatch):
    path = executor_choice.verdict_file()
    path.parent.mkdir()
    with path.with_suffix('.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(executor_probe, 'judge', lambda _: WORKS)
        executor_probe.main(path)
    assert not path.exists()
    executor_probe.main(path)
    assert path.read_text() == WORKS


@pytest.mark.parametrize(
    ('single', 'events', 'verdict'),
    [
        (True, True, WORKS),
        (True, False, FAILS),
        (True, None, FAILS),  # the machine is able, so it hangs
        (None, True, ''),  # too slow a machine
        (False, True, ''),
    ],
)
def test_a_machine_too_slow_to_tell_is_no_verdict(single, events, verdict):
    def attempt(kind, limit_s):
        outcome = {'single': single, 'events': events}[kind]
        if outcome is None:
            raise subprocess.TimeoutExpired('it', limit_s)
        return outcome

    assert executor_probe.judge(attempt) == verdict


def test_a_trial_is_heard_by_nobody_and_takes_no_segment(monkeypatch):
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', '/profile.xml')
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    seen = {}

    def run(command, *, env, **_):
        seen.update(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, 'run', run)
    assert executor_probe.attempt('single', 1.0)
    assert seen['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'OFF'
    assert 'FASTRTPS_DEFAULT_PROFILES_FILE' not in seen


def test_nowhere_to_write_means_no_trial(context, monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    Trial().end()
    assert is_single(context)


@pytest.fixture
def patient(monkeypatch):
    """Let the first executor of a trial take as long as it needs: it says how slow the machine is.

    The limit of the second is then a multiple of that.
    """
    attempt = executor_probe.attempt

    def without_haste(kind, limit_s):
        return attempt(kind, PATIENCE_S if kind == 'single' else limit_s)

    monkeypatch.setattr(executor_probe, 'attempt', without_haste)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_old_executor_does_the_task_of_the_trial():
    assert executor_probe.attempt('single', PATIENCE_S)


HANGS_IN = ('7.1.6',)
"""Releases of rclpy whose EventsExecutor is known to deliver nothing under ``spin``."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_trial_comes_to_a_verdict_that_is_followed(context, patient):
    path = executor_choice.verdict_file()
    path.parent.mkdir()
    executor_probe.main(path)
    verdict = path.read_text()
    assert verdict in (WORKS, FAILS)
    if rclpy_version() in HANGS_IN:
        assert verdict == FAILS
    executor = make_executor(context)
    try:
        assert isinstance(executor, SingleThreadedExecutor) == (verdict == FAILS)
        assert delivers(executor, context), 'the executor that was chosen does not work'
    finally:
        executor.shutdown(0.0)


def rclpy_version() -> str:
    for name in ('ros-rclpy', 'rclpy'):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return ''


def delivers(executor, context) -> bool:
    """Return whether an executor calls a timer under ``spin`` and returns once it is shut down."""
    node = Node('delivers', context=context)
    executor.add_node(node)
    called = threading.Event()
    node.create_timer(0.01, called.set)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    reached = called.wait(PATIENCE_S)
    executor.shutdown()
    spinning.join(PATIENCE_S)
    node.destroy_node()
    return reached and not spinning.is_alive()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_trial_writes_its_verdict_from_a_process_of_its_own(context):
    """A machine may be too busy for the verdict; then the old executor is taken."""
    trial = Trial()
    trial.wait(PATIENCE_S)
    assert trial._process is not None
    assert trial._process.returncode == 0
    path = executor_choice.verdict_file()
    assert path.with_suffix('.lock').exists(), 'the process did not get to the trial'
    assert is_single(context) == (not path.exists() or path.read_text() == FAILS)
