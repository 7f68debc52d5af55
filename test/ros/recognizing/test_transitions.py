"""Transitions over DDS: what is impossible is answered, and a node that loads is still there."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture
def gate(monkeypatch):
    """Hold every engine at its warm-up until the gate is opened."""
    from activity_recognition.inference import MultiStreamEngine

    opened, warm_up = threading.Event(), MultiStreamEngine.warm_up

    def wait_and_warm_up(self):
        assert opened.wait(600)
        warm_up(self)

    monkeypatch.setattr(MultiStreamEngine, 'warm_up', wait_and_warm_up)
    yield opened
    opened.set()


def ask(world, **transition):
    """Ask for a transition; return the future of the answer."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    client = world.node.create_client(ChangeState, 'recognizer/change_state')
    world.spin_until(client.service_is_ready)
    return client.call_async(ChangeState.Request(transition=Transition(**transition)))


def answer(world, **transition) -> bool:
    """Ask for a transition and wait for the answer."""
    future = ask(world, **transition)
    world.spin_until(future.done)
    return future.result().success


def state(world) -> str:
    from lifecycle_msgs.srv import GetState

    return world.call(GetState, 'recognizer/get_state', GetState.Request()).current_state.label


def set_parameter(world, name, value):
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return world.call(SetParameters, 'recognizer/set_parameters', request).results[0]


def test_what_the_state_does_not_allow_is_answered_and_named(world, capfd):
    from lifecycle_msgs.msg import Transition

    world.make_recognizer()
    for asked, words in [
        (
            {'label': 'activate'},
            "expected configure or shutdown while unconfigured, got 'activate'",
        ),
        ({'id': Transition.TRANSITION_ACTIVATE}, "got '' (id 3)"),
        ({'label': 'cleanup'}, "got 'cleanup'"),
        ({'id': Transition.TRANSITION_DEACTIVATE}, "got '' (id 4)"),
        ({'id': Transition.TRANSITION_CALLBACK_SUCCESS}, "got '' (id 97)"),
        ({'id': Transition.TRANSITION_ACTIVE_SHUTDOWN}, "got '' (id 7)"),
        ({'id': 99}, "got '' (id 99)"),
        ({'label': 'dance' * 1000}, "got 'dancedance"),
        ({}, "got '' (id 0)"),
    ]:
        assert not answer(world, **asked)
        logged = capfd.readouterr().err
        assert words in logged
        assert len(logged) < 400
        assert state(world) == 'unconfigured'
    assert answer(world, id=Transition.TRANSITION_CONFIGURE)
    assert not answer(world, label='configure')
    assert answer(world, label='activate')
    assert not answer(world, label='activate')
    assert not answer(world, label='cleanup')
    assert state(world) == 'active'
    assert answer(world, id=Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state(world) == 'finalized'
    assert not answer(world, label='configure')


def test_a_node_that_loads_answers_reports_and_refuses(world, gate):
    from lifecycle_msgs.msg import TransitionEvent
    from rcl_interfaces.srv import GetParameters

    node = world.make_recognizer()
    diagnoses = world.diagnoses()
    events = world.hear('recognizer/transition_event', TransitionEvent)
    world.spin_until(lambda: world.node.count_publishers('recognizer/transition_event'))
    configured = ask(world, label='configure')
    world.spin_until(lambda: state(world) == 'configuring')
    request = GetParameters.Request(names=['smoothing.window_size'])
    read = world.call(GetParameters, 'recognizer/get_parameters', request)
    assert read.values[0].integer_value == 5
    for label in ('configure', 'cleanup', 'shutdown', 'transition_success', 'transition_failure'):
        assert not answer(world, label=label)
    for id_ in (1, 2, 5, 6, 7, 97, 98, 99):
        assert not answer(world, id=id_)
    world.spin_until(lambda: diagnoses.says('state', 'configuring: loading the model'))
    assert diagnoses.status('state').level == b'\x00'
    assert diagnoses.value('state', 'lifecycle state') == 'configuring'
    assert set_parameter(world, 'smoothing.unknown_threshold', 0.75).successful
    assert not set_parameter(world, 'checkpoint', '/elsewhere').successful
    assert not configured.done()
    gate.set()
    world.spin_until(configured.done)
    assert configured.result().success
    assert state(world) == 'inactive'
    assert node._session.config.smoothing.unknown_threshold == 0.75
    world.spin_until(lambda: len(events) == 2)
    assert [event.goal_state.label for event in events] == ['configuring', 'inactive']
    assert answer(world, label='activate')


def test_a_load_that_fails_is_answered_and_can_be_repeated(world, tmp_path):
    node = world.make_recognizer(checkpoint=str(tmp_path / 'nowhere'))
    diagnoses = world.diagnoses()
    assert not answer(world, label='configure')
    assert state(world) == 'unconfigured'
    assert 'nowhere' in str(node.failure)
    world.spin_until(lambda: diagnoses.says('state', 'expected a checkpoint folder'))
    assert diagnoses.status('state').level == b'\x02'
    assert diagnoses.value('state', 'lifecycle state') == 'unconfigured'
    assert set_parameter(world, 'checkpoint', str(world.checkpoint)).successful
    assert answer(world, label='configure')


def test_a_library_that_exits_while_it_loads_is_an_error_and_no_end_of_waiting(
    world, monkeypatch, capfd
):
    from activity_recognition.inference import MultiStreamEngine

    def leave(self):
        raise SystemExit(3)

    world.make_recognizer()
    with monkeypatch.context() as patch:
        patch.setattr(MultiStreamEngine, 'warm_up', leave)
        assert not answer(world, label='configure')
    assert state(world) == 'unconfigured'
    assert 'loading ended by SystemExit(3)' in capfd.readouterr().err
    assert answer(world, label='configure')


def test_a_node_that_starts_itself_answers_while_it_loads(world, gate):
    node = world.make_recognizer()
    started = world.there(node.start_in_background)
    assert state(world) == 'configuring'
    assert not answer(world, label='configure')
    gate.set()
    world.spin_until(started.done)
    assert started.result() is None
    assert state(world) == 'active'


def test_a_node_that_cannot_start_itself_says_why(world, tmp_path):
    from activity_recognition.errors import ActivityRecognitionError

    node = world.make_recognizer(checkpoint=str(tmp_path / 'nowhere'))
    started = world.there(node.start_in_background)
    world.spin_until(started.done)
    with pytest.raises(ActivityRecognitionError, match='expected a checkpoint folder'):
        started.result()
    assert state(world) == 'unconfigured'


def test_a_node_destroyed_while_it_loads_leaves_nothing_behind(world, gate):
    node = world.make_recognizer()
    ask(world, label='configure')
    world.spin_until(lambda: state(world) == 'configuring')
    world.remove(node)
    gate.set()
    world.spin_until(lambda: 'loader' not in {thread.name for thread in threading.enumerate()})
    second = world.make_recognizer()
    assert answer(world, label='configure')
    assert second.failure is None
    assert node._session is None


def test_what_cannot_be_taken_down_is_said_and_the_node_can_be_configured_again(
    world, monkeypatch, capfd
):
    from activity_recognition.ros.recognizing.session import Session

    node = world.make_recognizer()
    diagnoses = world.diagnoses()
    assert answer(world, label='configure')
    assert answer(world, label='activate')
    stop, refusals = Session.stop, ['the driver hangs']

    def refuse_once(self):
        if refusals:
            raise RuntimeError(refusals.pop())
        stop(self)

    monkeypatch.setattr(Session, 'stop', refuse_once)
    assert not answer(world, label='deactivate')
    logged = capfd.readouterr().err
    assert 'not deactivated: ' in logged
    assert 'RuntimeError: the driver hangs' in logged
    assert state(world) == 'unconfigured'
    assert node._session is None
    world.spin_until(lambda: diagnoses.says('state', 'the driver hangs'))
    assert diagnoses.status('state').level == b'\x02'
    assert answer(world, label='configure')
    assert answer(world, label='activate')
    assert answer(world, label='deactivate')
