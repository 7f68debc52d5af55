"""The choice of the executor: decided by a trial that no node waits for."""

from __future__ import annotations

import fcntl
import subprocess

import pytest

pytest.importorskip('rclpy')

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from activity_recognition.ros import executor_choice, executor_probe
from activity_recognition.ros.executor_choice import FAILS, WORKS, Trial, make_executor

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


@pytest.mark.slow
def test_the_old_executor_does_the_task_of_the_trial():
    assert executor_probe.attempt('single', 100.0)


@pytest.mark.slow
def test_a_trial_comes_to_a_verdict_that_is_followed(context):
    trial = Trial()
    trial.wait(200)
    path = executor_choice.verdict_file()
    if not path.exists():
        pytest.skip('this machine is too busy for a verdict')
    verdict = path.read_text()
    assert verdict in (WORKS, FAILS)
    assert is_single(context) == (verdict == FAILS)
