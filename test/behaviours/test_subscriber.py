"""The adapter and the leaves in a ticking tree against a live publisher, over DDS."""

from __future__ import annotations

import pytest
from py_trees.blackboard import Blackboard
from py_trees.common import Status as Result
from py_trees.composites import Selector, Sequence
from py_trees.trees import BehaviourTree

from activity_recognition.behaviours import (
    ActivityHeld,
    HasNoData,
    IsNone,
    IsSilent,
    IsUnknown,
    Situation,
    ToBlackboard,
    WaitForActivity,
)
from activity_recognition.types import NANOSECONDS, Modality, Status, to_ns

# Loading ROS imports a module that Python deprecates.
pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture
def message():
    from factories.ros_stage import START_NS, activity_message

    def make(seconds, label='', since_s=None, **fields):
        since_ns = None if since_s is None else START_NS + to_ns(since_s)
        return activity_message(START_NS + to_ns(seconds), label, since_ns=since_ns, **fields)

    return make


@pytest.fixture
def subscribe():
    from activity_recognition.behaviours.subscriber import ActivitySubscriber

    return ActivitySubscriber


def test_a_ticking_tree_tells_every_situation_apart(make_stage, subscribe, message):
    stage = make_stage(sim_time=True)
    stage.set_clock(0.0)
    feed = subscribe(stage.tree_node, silent_after_s=2.0)
    leaves = {
        'greeting': ActivityHeld('greeted', feed, 'greeting', for_s=1.0, min_confidence=0.5),
        'none': IsNone('none', feed),
        'unknown': IsUnknown('unknown', feed),
        'no_data': HasNoData('no data', feed),
        'silent': IsSilent('silent', feed),
    }
    react = Selector('react', memory=False, children=list(leaves.values()))
    to_blackboard = ToBlackboard('to blackboard', feed)
    tree = BehaviourTree(Sequence('root', memory=False, children=[to_blackboard, react]))
    publisher = stage.advertise()

    def told():
        tree.tick()
        return [name for name, leaf in leaves.items() if leaf.status is Result.SUCCESS]

    def becomes(*names):
        stage.spin_until(lambda: told() == list(names))

    becomes()
    assert Blackboard.get('/activity/situation') is Situation.WAITING
    for answer, name in [
        (message(0.0, 'greeting', since_s=-3.0, confidence=0.75), 'greeting'),
        (message(0.0, 'none'), 'none'),
        (message(0.0, status=Status.UNKNOWN, scores={'greeting': 0.25}), 'unknown'),
        (message(0.0, status=Status.NO_DATA), 'no_data'),
    ]:
        publisher.publish(answer)
        becomes(name)
        assert Blackboard.get('/activity/label') == answer.label
    stage.set_clock(2.1)  # and the publisher says nothing more
    becomes('silent')
    publisher.publish(message(2.1, 'greeting', since_s=1.0))
    becomes('greeting')
    stage.peer_node.destroy_publisher(publisher)
    stage.set_clock(4.3)
    becomes('silent')
    assert Blackboard.get('/activity/label') == ''


def test_everything_in_a_message_reaches_the_tree(make_stage, subscribe, message):
    stage = make_stage()
    feed = subscribe(stage.tree_node)
    stage.advertise().publish(
        message(5.0, 'greeting', since_s=2.5, confidence=0.75, scores={'greeting': 0.75})
    )
    stage.spin_until(lambda: feed.observe().report)
    observation = feed.observe()
    assert (observation.status, observation.label) == (Status.OK, 'greeting')
    assert (observation.confidence, observation.stable_s) == (0.75, 2.5)
    assert observation.report.stamp_ns == 1005 * NANOSECONDS
    assert observation.report.scores == {'greeting': 0.75}
    (evidence,) = observation.evidence
    assert (evidence.modality, evidence.present) == (Modality.VIDEO, True)
    assert (evidence.age_s, evidence.label, evidence.weight) == (0.25, 'greeting', 0.5)
    assert observation.age_s > 1e9  # by the wall clock, simulated stamps are of long ago


def test_who_subscribes_late_is_told_at_once(make_stage, subscribe, message):
    stage = make_stage()
    stage.advertise().publish(message(0.0, 'greeting'))
    feed = subscribe(stage.tree_node)
    stage.spin_until(lambda: feed.observe().label == 'greeting')


@pytest.mark.parametrize('late', [False, True])
@pytest.mark.parametrize(('reliable', 'latched'), [(True, False), (False, True), (False, False)])
def test_a_publisher_that_offers_less_is_heard(
    make_stage, subscribe, message, late, reliable, latched
):
    stage = make_stage()
    if late:
        feed = subscribe(stage.tree_node)
        publisher = stage.advertise(reliable=reliable, latched=latched)
    else:
        publisher = stage.advertise(reliable=reliable, latched=latched)
        stage.spin_until(lambda: stage.tree_node.count_publishers('activity'))
        feed = subscribe(stage.tree_node)

    def heard():
        publisher.publish(message(0.0, 'greeting'))
        return feed.observe().label == 'greeting'

    stage.spin_until(heard)
    assert stage.tree_node.count_subscribers('activity') == 1


def test_a_busy_executor_misses_no_dip(make_stage, subscribe, message):
    stage = make_stage()
    feed = subscribe(stage.tree_node)
    leaf = ActivityHeld('greeted', feed, 'greeting', for_s=0.4, min_confidence=0.5, max_age_s=1e12)
    publisher = stage.advertise(depth=10)
    stage.spin_until(publisher.get_subscription_count)
    for step in range(5):
        confidence = 0.25 if step == 2 else 0.75
        publisher.publish(message(step / 10, 'greeting', since_s=0.0, confidence=confidence))
    newest_ns = 1000 * NANOSECONDS + to_ns(0.4)
    stage.spin_until(lambda: (r := feed.observe().report) and r.stamp_ns == newest_ns)
    leaf.tick_once()
    assert leaf.status is Result.FAILURE
    assert leaf.feedback_message.startswith('held for 0.1 of 0.4 s')


def test_what_cannot_be_understood_is_counted_and_told(make_stage, subscribe, message):
    stage = make_stage()
    feed = subscribe(stage.tree_node)
    publisher = stage.advertise()
    stage.spin_until(publisher.get_subscription_count)
    for count, bad in enumerate([message(0.0, status=9), message(0.0, modality='smell')], 1):
        publisher.publish(bad)
        stage.spin_until(lambda: feed.dropped == count)  # noqa: B023 - used at once
        assert feed.observe().situation is Situation.WAITING
    publisher.publish(message(0.0, 'greeting'))
    stage.spin_until(lambda: feed.observe().label == 'greeting')


def test_simulated_time_that_begins_again(make_stage, subscribe, message):
    stage = make_stage(sim_time=True)
    stage.set_clock(100.0)
    feed = subscribe(stage.tree_node)
    held = ActivityHeld('greeted', feed, 'greeting', for_s=1.0)
    publisher = stage.advertise()

    def publish(answer):
        publisher.publish(answer)
        wanted = answer.header.stamp.sec
        stage.spin_until(
            lambda: (r := feed.observe().report) and r.stamp_ns // NANOSECONDS == wanted
        )
        held.tick_once()

    publish(message(100.0, 'greeting', since_s=0.0))
    assert held.status is Result.SUCCESS
    stage.set_clock(5.0)
    held.tick_once()
    assert held.feedback_message == 'waiting for the first message'
    publish(message(5.0, 'greeting'))
    assert held.status is Result.FAILURE
    stage.set_clock(6.0)
    publish(message(6.0, 'greeting', since_s=5.0))
    assert held.status is Result.SUCCESS


def test_waiting_in_a_live_tree(make_stage, subscribe, message):
    stage = make_stage(sim_time=True)
    stage.set_clock(0.0)
    feed = subscribe(stage.tree_node)
    wait = WaitForActivity('wait', feed, ['greeting', 'asking_robot'], timeout_s=3.0)
    tree = BehaviourTree(wait)

    def is_now(result):
        tree.tick()
        return wait.status is result

    assert is_now(Result.RUNNING)
    stage.set_clock(3.0)
    assert is_now(Result.FAILURE)
    assert is_now(Result.RUNNING)
    stage.advertise().publish(message(3.0, 'asking_robot'))
    stage.spin_until(lambda: is_now(Result.SUCCESS))


def test_closing_unsubscribes(make_stage, subscribe):
    stage = make_stage()
    feed = subscribe(stage.tree_node)
    assert stage.tree_node.count_subscribers('activity') == 1
    feed.close()
    feed.close()
    stage.spin_until(lambda: stage.tree_node.count_subscribers('activity') == 0)
