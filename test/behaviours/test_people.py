"""Leaves that are about one person, or anybody, and say about whom."""

from __future__ import annotations

import pytest
from py_trees.blackboard import Blackboard
from py_trees.common import Status as Result

from activity_recognition.behaviours import (
    ANYBODY,
    ActivityFeed,
    ActivityHeld,
    HasNoData,
    IsNone,
    IsSilent,
    PeopleFeed,
    Situation,
    SituationIs,
    ToBlackboard,
    WaitForActivity,
)
from activity_recognition.behaviours.people import MOST_PEOPLE, NEAREST
from activity_recognition.errors import ConfigError
from activity_recognition.types import Status


@pytest.fixture
def people(clock):
    return PeopleFeed(clock, silent_after_s=2.0)


@pytest.fixture
def say(people, clock, report):
    """Have the recogniser say what somebody does."""

    def push(time_s, subject, label='', **fields):
        clock.set(time_s)
        frame_id = f'body_{subject}' if subject else 'camera'
        people.push(report(time_s, label, subject_id=subject, frame_id=frame_id, **fields))

    return push


def ticked(leaf):
    leaf.tick_once()
    return leaf.status


def test_words_about_somebody_who_left_or_never_came(people, say, clock):
    leaf = ActivityHeld('waves', people, 'waving', subject='ann')
    clock.set(3.0)
    ticked(leaf)
    assert leaf.feedback_message.endswith('is this person there, and the recognizer active?')
    say(4.0, 'ann', status=Status.NO_DATA)
    ticked(leaf)
    assert leaf.feedback_message.startswith('ann: no data: this person has left, or nothing')


class TestAnybody:
    def test_of_many_a_few_are_named_who_were_heard_of_last(self, people, say):
        leaf = ActivityHeld('waves', people, 'waving', subject=ANYBODY)
        for number in range(200):
            say(number / 1000, f'p{number}', 'walking')
        assert ticked(leaf) is Result.FAILURE
        assert leaf.feedback_message.startswith('p199: walking')
        assert leaf.feedback_message.endswith('; and 196 more')
        assert len(leaf.feedback_message) < 500

    def test_who_waves_is_told_and_not_who_walks_by(self, people, say):
        leaf = ActivityHeld('waves', people, 'waving', subject=ANYBODY)
        say(0.0, 'bob', 'walking')
        assert ticked(leaf) is Result.FAILURE
        assert 'bob: walking' in leaf.feedback_message
        say(0.1, 'ann', 'waving')
        assert ticked(leaf) is Result.SUCCESS
        assert leaf.subject == 'ann'
        assert Blackboard.get('/activity/subject') == 'ann'
        assert Blackboard.get('/activity/frame_id') == 'body_ann'
        assert leaf.feedback_message.startswith('ann: waving')

    def test_nobody_yet(self, people):
        leaf = ActivityHeld('waves', people, 'waving', subject=ANYBODY)
        assert ticked(leaf) is Result.FAILURE
        assert leaf.feedback_message == 'nobody was reported on yet'

    def test_a_hold_is_of_one_person(self, people, say):
        """Two who wave by turns have not waved for a second."""
        leaf = ActivityHeld('waves', people, 'waving', for_s=1.0, subject=ANYBODY)
        for step in range(12):
            waves, rests = ('ann', 'bob') if step % 2 else ('bob', 'ann')
            say(step / 10, waves, 'waving')
            say(step / 10, rests, 'none')
            assert ticked(leaf) is Result.FAILURE
        for step in range(12, 24):
            say(step / 10, 'bob', 'waving', since_s=1.2)
        assert ticked(leaf) is Result.SUCCESS
        assert leaf.subject == 'bob'

    def test_the_longest_is_told_and_stays_it(self, people, say):
        leaf = ActivityHeld('waves', people, 'waving', namespace='greeting', subject=ANYBODY)
        say(1.0, 'ann', 'waving', since_s=0.9)
        say(1.0, 'bob', 'waving', since_s=0.2)
        ticked(leaf)
        assert leaf.subject == 'bob'
        say(1.1, 'ann', 'waving', since_s=0.0)
        ticked(leaf)
        assert leaf.subject == Blackboard.get('/greeting/subject') == 'bob'
        say(1.2, 'bob', status=Status.NO_DATA)
        ticked(leaf)
        assert leaf.subject == 'ann'

    def test_what_was_said_before_the_leaf_counts(self, people, say):
        say(0.0, 'ann', 'waving')
        assert ticked(ActivityHeld('waves', people, 'waving', subject=ANYBODY)) is Result.SUCCESS

    def test_it_can_be_waited_for(self, people, say, clock):
        leaf = WaitForActivity('waves', people, 'waving', timeout_s=1.0, subject=ANYBODY)
        assert ticked(leaf) is Result.RUNNING
        say(0.5, 'ann', 'waving')
        assert ticked(leaf) is Result.SUCCESS
        say(0.6, 'ann', 'none')
        assert ticked(leaf) is Result.RUNNING
        clock.set(1.7)
        assert ticked(leaf) is Result.FAILURE

    def test_who_left_and_came_back_begins_again(self, people, say):
        leaf = ActivityHeld('waves', people, 'waving', for_s=0.5, subject=ANYBODY)
        say(0.0, 'ann', 'waving')
        say(0.6, 'ann', status=Status.NO_DATA)
        say(0.8, 'ann', 'waving')
        assert ticked(leaf) is Result.FAILURE
        say(1.4, 'ann', 'waving', since_s=0.8)
        assert ticked(leaf) is Result.SUCCESS


class TestOnePerson:
    def test_others_do_not_count(self, people, say):
        leaf = ActivityHeld('waves', people, 'waving', subject='ann')
        say(0.0, 'bob', 'waving')
        assert ticked(leaf) is Result.FAILURE
        say(0.1, 'ann', 'waving')
        assert ticked(leaf) is Result.SUCCESS
        assert Blackboard.get('/activity/subject') == 'ann'

    def test_each_leaf_can_be_about_somebody(self, people, say, clock):
        say(0.0, 'ann', 'none')
        say(0.0, 'bob', status=Status.NO_DATA)
        assert ticked(IsNone('rests', people, subject='ann')) is Result.SUCCESS
        assert ticked(HasNoData('gone', people, subject='bob')) is Result.SUCCESS
        waits = SituationIs('waits', people, Situation.WAITING, subject='eve')
        assert ticked(waits) is Result.SUCCESS
        clock.set(2.5)
        assert ticked(IsSilent('silent', people, subject='ann')) is Result.SUCCESS
        ticked(ToBlackboard('ann', people, subject='ann', namespace='ann'))
        assert Blackboard.get('/ann/situation') is Situation.SILENT

    def test_messages_about_the_scene_are_about_nobody(self, people, say):
        say(0.0, '', 'waving')
        assert people.subjects == ()


@pytest.mark.parametrize(
    ('of_people', 'subject', 'words'),
    [
        (True, '', 'expected a subject'),
        (False, 'ann', 'expected a feed of people'),
        (True, NEAREST, "expected the id of a person or 'anybody', got 'the nearest'"),
    ],
)
def test_feeds_and_subjects_go_together(people, feed, of_people, subject, words):
    given = people if of_people else feed
    for make in (
        lambda: ActivityHeld('leaf', given, 'waving', subject=subject),
        lambda: WaitForActivity('leaf', given, 'waving', subject=subject),
        lambda: IsNone('leaf', given, subject=subject),
        lambda: ToBlackboard('leaf', given, subject=subject),
    ):
        with pytest.raises(ConfigError, match=words):
            make()


def test_a_situation_is_of_somebody(people):
    with pytest.raises(ConfigError, match="expected the id of a person, got 'anybody'"):
        IsNone('leaf', people, subject=ANYBODY)


def test_a_crowd_that_comes_and_goes_is_forgotten_but_for_whom_somebody_asked(people, say):
    leaf = ActivityHeld('waves', people, 'waving', subject=ANYBODY)
    asked = people.of('ann')
    say(0.0, 'ann', 'waving')
    for number in range(2 * MOST_PEOPLE):
        say(0.001 * number, f'p{number}', 'none')
    assert len(people.subjects) == MOST_PEOPLE
    assert people.of('ann') is asked
    assert 'p0' not in people.subjects
    assert isinstance(asked, ActivityFeed)
    assert ticked(leaf) is Result.SUCCESS
