"""Settings that change while the node decides: each touches what it is about and nothing else."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

SETTINGS = {
    'smoothing.unknown_threshold': (0.2, 0.3),
    'overlay_rate_hz': (4.0, 5.0),
    'sync.decision_rate_hz': (1.9, 2.0),
    'sync.max_frame_rate_hz': (99.0, 100.0),
}


def set_one(world, client, name, value):
    """Set one parameter and wait for the answer."""
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    future = client.call_async(request)
    world.spin_until(future.done)
    assert future.result().results[0].successful


@pytest.mark.parametrize('name', SETTINGS)
@pytest.mark.parametrize('source', ['frames', 'sound'])
def test_decisions_go_on_while_a_setting_is_set_without_end(world, source, name):
    from rcl_interfaces.srv import SetParameters

    node = world.recognize(sync__decision_rate_hz=2.0)
    activities = world.activities()
    if source == 'frames':
        world.every(0.05, world.camera(), world.image)
    else:
        world.every(0.04, world.microphone(), world.sound)
    world.spin_until(lambda: any(m.scores for m in activities))
    client = world.node.create_client(SetParameters, 'recognizer/set_parameters')
    world.spin_until(client.service_is_ready)
    report = node._session.active.worker.report
    decided, values, sets = report().decisions, itertools.cycle(SETTINGS[name]), 0
    # The next set follows the answer to the last one, whatever the machine makes of that.
    while report().decisions < decided + 6:
        set_one(world, client, name, next(values))
        sets += 1
        assert sets < 20_000


def test_a_setting_leaves_alone_what_it_is_not_about(world):
    from rclpy.parameter import Parameter

    node = world.recognize(sync__decision_rate_hz=1.0)
    running = node._session.active
    submitted = []
    running.worker.submit = submitted.append

    def until_next():
        return {name: timer.time_until_next_call() for name, timer in running._timers.items()}

    def set_to(name, value):
        timers, report, before = dict(running._timers), node._report_timer, until_next()
        node.set_parameters([Parameter(name, value=value)])
        assert running._timers == timers
        assert node._report_timer is report
        # A call may have been made meanwhile by nobody: this is the executor's thread.
        assert all(now <= before[timer] for timer, now in until_next().items())

    def check():
        for name, value in [
            ('smoothing.unknown_threshold', 0.2),
            ('smoothing.unknown_threshold', 0.2),
            ('silent_after_s', 5.0),
            ('overlay_rate_hz', 0.1),
            ('sync.decision_rate_hz', 0.9),
            ('sync.decision_rate_hz', 1.0),
            ('sync.max_frame_rate_hz', 10.0),
        ]:
            set_to(name, value)
        assert len(submitted) == 1  # the threshold, once
        set_to('sync.decision_rate_hz', 100.0)
        assert until_next()['poll '] <= 10_000_000  # and sooner where it is to come sooner
        assert running._timers['overlay'].timer_period_ns == 10_000_000_000

    world.there(check)


def test_a_rate_that_is_drawn_to_and_fro_leaves_the_publisher_until_it_rests(world):
    node = world.recognize(sync__decision_rate_hz=5.0)
    results = node._session.publishers[''].results

    def check():
        first = results._activity
        for rate_hz in (4.0, 3.0, 2.0):
            results.set_rate(rate_hz)
            results.settle()
            assert results._activity is first
        results.settle()
        assert results._activity is not first
        second = results._activity
        assert second.is_activated
        results.set_rate(2.0)
        results.settle()
        assert results._activity is second

    world.there(check)
