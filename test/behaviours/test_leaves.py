"""The leaves in trees that are ticked, over a feed that the tests fill."""

from __future__ import annotations

import subprocess
import sys

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
    SituationIs,
    ToBlackboard,
    WaitForActivity,
)
from activity_recognition.errors import ConfigError
from activity_recognition.types import Modality, ModalityEvidence, Status


def ticked(leaf):
    leaf.tick_once()
    return leaf.status


def test_the_blackboard_shows_the_newest_report(feed, clock, report):
    leaf = ToBlackboard('to blackboard', feed)
    assert ticked(leaf) is Result.SUCCESS
    assert Blackboard.get('/activity/situation') is Situation.WAITING
    evidence = (ModalityEvidence(modality=Modality.AUDIO, present=True, age_s=0.1),)
    clock.set(1.0)
    feed.push(report(0.8, 'greeting', since_s=0.3, evidence=evidence))
    assert ticked(leaf) is Result.SUCCESS
    shown = {key: Blackboard.get(f'/activity/{key}') for key in ToBlackboard.KEYS}
    assert shown == {
        'situation': Situation.ACTIVITY,
        'status': Status.OK,
        'label': 'greeting',
        'confidence': 0.9,
        'stable_s': pytest.approx(0.5),
        'age_s': pytest.approx(0.2),
        'evidence': evidence,
    }


def test_silence_wipes_the_blackboard(feed, clock, report):
    leaf = ToBlackboard('to blackboard', feed, namespace='upstairs')
    feed.push(report(0.0, 'greeting'))
    ticked(leaf)
    clock.set(5.0)
    assert ticked(leaf) is Result.SUCCESS
    shown = {key: Blackboard.get(f'/upstairs/{key}') for key in ToBlackboard.KEYS}
    assert shown == {
        'situation': Situation.SILENT,
        'status': None,
        'label': '',
        'confidence': 0.0,
        'stable_s': 0.0,
        'age_s': 5.0,
        'evidence': (),
    }


def test_held_long_enough_and_fresh(feed, clock, report):
    leaf = ActivityHeld('greeted', feed, 'greeting', for_s=1.0, min_confidence=0.6, max_age_s=0.5)
    assert ticked(leaf) is Result.FAILURE
    for time_s, result in [(0.0, Result.FAILURE), (0.9, Result.FAILURE), (1.0, Result.SUCCESS)]:
        clock.set(time_s)
        feed.push(report(time_s, 'greeting', since_s=0.0))
        assert ticked(leaf) is result, time_s
    clock.set(1.5)
    assert ticked(leaf) is Result.SUCCESS
    clock.set(1.6)
    assert ticked(leaf) is Result.FAILURE
    assert 'too old, 0.5 s are allowed' in leaf.feedback_message


def test_why_it_does_not_count_as_held(feed, clock, report):
    leaf = ActivityHeld('greeted', feed, ['greeting'], for_s=1.0, min_confidence=0.6)
    known = {'greeting': 0.5, 'none': 0.5}

    def reason(*args, **fields):
        feed.push(report(*args, scores=known, **fields))
        assert ticked(leaf) is Result.FAILURE
        return leaf.feedback_message

    assert reason(0.0, 'none').startswith('none with')
    assert reason(0.1, status=Status.UNKNOWN).startswith('unknown')
    assert reason(0.2, status=Status.NO_DATA).startswith('no data')
    assert reason(0.3, 'greeting', confidence=0.5).startswith('not confident enough')
    assert reason(0.4, 'greeting').startswith('held for 0.0 of 1 s')
    clock.set(3.0)
    assert ticked(leaf) is Result.FAILURE
    assert leaf.feedback_message.startswith('silent')


def test_one_dip_in_confidence_begins_anew(feed, clock, report):
    leaf = ActivityHeld('greeted', feed, 'greeting', for_s=1.0, min_confidence=0.6)
    results = []
    for step in range(40):
        clock.set(step / 10)
        confidence = 0.5 if step == 15 else 0.9
        feed.push(report(step / 10, 'greeting', since_s=0.0, confidence=confidence))
        results.append(ticked(leaf) is Result.SUCCESS)
    assert results == [10 <= step < 15 or step >= 26 for step in range(40)]


def test_one_of_several_may_change_into_another(feed, clock, report):
    both = ActivityHeld('help', feed, ['fallen', 'calling_for_help'], for_s=1.0)
    one = ActivityHeld('fallen', feed, 'fallen', for_s=1.0)
    for time_s, label, since_s in [
        (0.0, 'fallen', 0.0),
        (0.6, 'calling_for_help', 0.6),
        (1.1, 'fallen', 1.1),
    ]:
        clock.set(time_s)
        feed.push(report(time_s, label, since_s=since_s))
    assert (ticked(both), ticked(one)) == (Result.SUCCESS, Result.FAILURE)


def test_a_label_that_the_recognizer_lacks_is_told(feed, report):
    leaf = ActivityHeld('greeted', feed, ['greting'])
    feed.push(report(0.0, 'greeting', scores={'greeting': 0.9, 'none': 0.1}))
    assert ticked(leaf) is Result.FAILURE
    assert "'greting'; did you mean 'greeting'?" in leaf.feedback_message


def test_waiting_ends_with_the_activity(feed, clock, report):
    leaf = WaitForActivity('wait', feed, 'greeting', for_s=0.5, timeout_s=10.0)
    assert ticked(leaf) is Result.RUNNING
    clock.set(5.0)  # silent by now, and still worth waiting
    assert ticked(leaf) is Result.RUNNING
    feed.push(report(5.0, 'greeting', since_s=4.8))
    assert ticked(leaf) is Result.RUNNING
    feed.push(report(5.3, 'greeting', since_s=4.8))
    assert ticked(leaf) is Result.SUCCESS


def test_waiting_gives_up_and_begins_again(feed, clock):
    leaf = WaitForActivity('wait', feed, 'greeting', timeout_s=3.0)
    assert ticked(leaf) is Result.RUNNING
    clock.set(2.9)
    assert ticked(leaf) is Result.RUNNING
    clock.set(3.0)
    assert ticked(leaf) is Result.FAILURE
    assert leaf.feedback_message.startswith('gave up after 3.0 s: silent')
    assert ticked(leaf) is Result.RUNNING


def test_without_timeout_it_waits_for_ever(feed, clock):
    leaf = WaitForActivity('wait', feed, 'greeting')
    ticked(leaf)
    clock.set(1e6)
    assert ticked(leaf) is Result.RUNNING


def test_a_timeout_survives_a_clock_that_goes_back_or_is_set_late(feed, clock):
    leaf = WaitForActivity('wait', feed, 'greeting', timeout_s=3.0)
    clock.now_ns = 0
    assert ticked(leaf) is Result.RUNNING
    for time_s, result in [
        (50.0, Result.RUNNING),
        (10.0, Result.RUNNING),
        (12.9, Result.RUNNING),
        (13.0, Result.FAILURE),
    ]:
        clock.set(time_s)
        assert ticked(leaf) is result, time_s


def test_every_situation_has_its_own_branch(feed, clock, report):
    names = {
        IsNone('is none', feed): lambda: feed.push(report(0.0, 'none')),
        IsUnknown('is unknown', feed): lambda: feed.push(report(0.0, status=Status.UNKNOWN)),
        HasNoData('has no data', feed): lambda: feed.push(report(0.0, status=Status.NO_DATA)),
        IsSilent('is silent', feed): lambda: clock.set(3.0),
    }
    tree = BehaviourTree(
        Sequence(
            'root',
            memory=False,
            children=[
                ToBlackboard('to blackboard', feed),
                Selector('react', memory=False, children=list(names)),
            ],
        )
    )
    tree.tick()
    assert tree.root.status is Result.FAILURE  # waiting is none of them
    for leaf, happens in names.items():
        happens()
        tree.tick()
        assert tree.root.status is Result.SUCCESS
        assert [each for each in names if each.status is Result.SUCCESS] == [leaf]
        assert leaf.feedback_message == str(feed.observe())


def test_any_of_several_situations(feed, report):
    leaf = SituationIs('cannot tell', feed, Situation.UNKNOWN, Situation.NO_DATA)
    feed.push(report(0.0, status=Status.NO_DATA))
    assert ticked(leaf) is Result.SUCCESS
    feed.push(report(0.0, 'none'))
    assert ticked(leaf) is Result.FAILURE


@pytest.mark.parametrize(
    ('labels', 'fields'),
    [
        ([], {}),
        ('greeting', {'for_s': -0.1}),
        ('greeting', {'min_confidence': 1.1}),
        ('greeting', {'max_age_s': 0.0}),
        ('greeting', {'max_age_s': float('nan')}),
        ('greeting', {'timeout_s': 0.0}),
    ],
)
def test_what_cannot_be_meant_is_refused(feed, labels, fields):
    with pytest.raises(ConfigError, match=r'^greeted: '):
        WaitForActivity('greeted', feed, labels, **fields)


def test_the_leaves_need_no_ros():
    code = 'import sys; sys.modules["rclpy"] = None; import activity_recognition.behaviours'
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)
