"""The choice of the executor: decided by a trial that no node waits for."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from activity_recognition.ros import executor_choice
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
    assert executor_choice.verdict_file().read_text() == FAILS
    second = Trial()  # somebody else is on it
    second.end()
    assert executor_choice.verdict_file().exists()
    trial.end()
    assert not executor_choice.verdict_file().exists()


def test_nowhere_to_write_means_no_trial(context, monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    Trial().end()
    assert is_single(context)


@pytest.mark.slow
def test_a_trial_comes_to_a_verdict(context):
    trial = Trial()
    trial.wait(100)
    verdict = executor_choice.verdict_file().read_text()
    assert verdict in (WORKS, FAILS)
    assert is_single(context) == (verdict == FAILS)
