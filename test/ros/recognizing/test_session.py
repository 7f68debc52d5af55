"""What an active session is before it is started, while it runs, and after it was stopped."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def test_a_session_that_is_made_runs_nothing_until_it_is_started(world):
    from activity_recognition.ros.recognizing.session import ActiveSession

    node = world.make_recognizer()
    world.there(node.trigger_configure)
    session = node._session

    def running() -> tuple[int, int, int]:
        threads = [thread for thread in threading.enumerate() if thread.name == 'engine']
        return len(threads), len(list(node.subscriptions)), len(list(node.timers))

    def make_start_and_stop() -> list[tuple[int, int, int]]:
        found = [running()]
        active = ActiveSession(node, session.config, session.engine, session.publishers)
        found.append(running())
        active.start()
        found.append(running())
        assert active.stop()
        return [*found, running()]

    before, made, started, stopped = world.there(make_start_and_stop)
    assert before == made == stopped
    # Of the inputs only the format of the sound has but one type, so it needs no publisher.
    assert [after - was for after, was in zip(started, made, strict=True)] == [1, 1, 3]
