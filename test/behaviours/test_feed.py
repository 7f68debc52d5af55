"""What a feed makes of reports, silence and clocks."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.behaviours import ActivityFeed, Report, Situation
from activity_recognition.errors import ConfigError
from activity_recognition.types import Status


@pytest.mark.parametrize(
    ('fields', 'situation', 'words'),
    [
        ({'label': 'greeting'}, Situation.ACTIVITY, 'greeting with 0.90'),
        ({'label': 'none'}, Situation.NONE, 'none with 0.90'),
        (
            {'status': Status.UNKNOWN, 'scores': {'eating': 0.2, 'typing': 0.1}},
            Situation.UNKNOWN,
            'unknown: eating with 0.20',
        ),
        ({'status': Status.NO_DATA}, Situation.NO_DATA, 'no data'),
    ],
)
def test_reports_are_told_apart(feed, report, fields, situation, words):
    feed.push(report(0.0, **fields))
    assert feed.observe().situation is situation
    assert words in str(feed.observe())


def test_silence_is_not_any_of_them(feed, clock, report):
    assert feed.observe().situation is Situation.WAITING
    assert str(feed.observe()) == 'waiting for the first message'
    clock.set(2.1)
    assert feed.observe().situation is Situation.SILENT
    assert 'nothing received for 2.1 s' in str(feed.observe())
    feed.push(report(2.0, 'greeting'))
    clock.set(4.1)
    assert feed.observe().situation is Situation.ACTIVITY
    clock.set(4.2)
    silent = feed.observe()
    assert silent.situation is Situation.SILENT
    assert (silent.report, silent.label, silent.status) == (None, '', None)
    assert silent.age_s == pytest.approx(2.2)


def test_age_is_that_of_the_sensor_unless_its_clock_is_ahead(feed, clock, report):
    assert math.isinf(feed.observe().age_s)
    clock.set(1.0)
    feed.push(report(0.4, 'greeting'))
    clock.set(1.5)
    assert feed.observe().age_s == pytest.approx(1.1)
    feed.push(report(9.0, 'greeting'))
    clock.set(2.5)
    assert feed.observe().age_s == pytest.approx(1.0)


def test_a_clock_that_goes_back_makes_everything_worthless(feed, clock, report):
    hold = feed.track(['greeting'], 0.5)
    clock.set(100.0)
    feed.push(report(100.0, 'greeting'))
    clock.set(3.0)
    assert feed.observe().situation is Situation.WAITING
    assert hold.held_ns == -1
    clock.set(5.5)
    assert feed.observe().situation is Situation.SILENT
    feed.push(report(5.5, 'greeting', since_s=4.0))
    assert feed.observe().situation is Situation.ACTIVITY
    assert hold.held_ns == 1_500_000_000


def test_a_report_after_the_clock_went_back_is_the_first_one(feed, clock, report):
    hold = feed.track(['greeting'], 0.5)
    clock.set(100.0)
    feed.push(report(100.0, 'greeting'))
    clock.set(3.0)
    feed.push(report(3.0, 'greeting', since_s=1.0))
    assert feed.observe().situation is Situation.ACTIVITY
    assert hold.held_ns == 2_000_000_000


def test_a_clock_that_is_being_set_changes_nothing(feed, clock, report):
    clock.set(10.0)
    feed.push(report(10.0, 'greeting'))
    clock.set(9.0)
    observation = feed.observe()
    assert observation.situation is Situation.ACTIVITY
    assert (observation.age_s, observation.silence_s) == (0.0, 0.0)


def test_waiting_begins_when_a_simulated_clock_does(clock):
    clock.now_ns = 0
    feed = ActivityFeed(clock, silent_after_s=2.0)
    assert feed.observe().situation is Situation.WAITING
    clock.set(0.0)
    assert feed.observe().situation is Situation.WAITING
    clock.set(2.1)
    assert feed.observe().situation is Situation.SILENT


steps = st.lists(
    st.tuples(st.floats(-5.0, 5.0), st.sampled_from(['look', 'hear', 'hear late'])), max_size=30
)


@settings(max_examples=50)
@given(steps)
def test_whatever_the_clock_does_old_news_is_not_told(steps):
    now_ns = 10**18
    feed = ActivityFeed(lambda: now_ns, silent_after_s=2.0)
    for step_s, what in steps:
        now_ns += round(step_s * 1e9)
        if what != 'look':
            late_ns = 10**9 if what == 'hear late' else 0
            feed.push(Report(stamp_ns=now_ns - late_ns, status=Status.OK, label='eating'))
        observation = feed.observe()
        assert observation.silence_s >= 0.0
        assert observation.age_s >= observation.silence_s
        assert (observation.situation is Situation.SILENT) == (observation.silence_s > 2.0)
        if observation.report is not None:
            assert abs(now_ns - observation.report.stamp_ns) <= 3 * 10**9


def test_a_hold_begins_with_what_has_been_heard(feed, report):
    feed.push(report(5.0, 'greeting', since_s=2.0))
    assert feed.track(['greeting'], 0.5).held_ns == 3_000_000_000


def test_a_hold_that_nobody_refers_to_is_let_go(feed, report):
    feed.track(['greeting'], 0.5)
    kept = feed.track(['greeting'], 0.5)
    feed.push(report(0.0, 'greeting'))
    assert list(feed._holds) == [kept]


def test_callbacks_and_ticks_may_meet(feed, report):
    hold = feed.track(['greeting'], 0.5)
    reports = [report(i / 10, 'greeting', since_s=0.0) for i in range(500)]
    writer = threading.Thread(target=lambda: [feed.push(item) for item in reports])
    writer.start()
    seen = [-1]
    while writer.is_alive():
        feed.track(['typing'], 0.5)
        seen.append(hold.held_ns)
        assert feed.observe().situation in (Situation.ACTIVITY, Situation.WAITING)
    writer.join()
    assert seen == sorted(seen)
    assert hold.held_ns == 49_900_000_000


@pytest.mark.parametrize('silent_after_s', [0.0, -1.0, math.nan])
def test_silence_needs_a_length(clock, silent_after_s):
    with pytest.raises(ConfigError, match='silent_after_s must be above 0'):
        ActivityFeed(clock, silent_after_s=silent_after_s)
