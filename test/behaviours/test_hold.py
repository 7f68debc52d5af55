"""Holds against a plain reckoning over everything that was decided."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.behaviours import Report
from activity_recognition.behaviours.hold import Hold
from activity_recognition.types import Status

WANTED = ('greeting', 'asking_robot')
MIN_CONFIDENCE = 0.6
PERIOD_NS = 100_000_000

answers = st.one_of(
    st.tuples(
        st.just(Status.OK),
        st.sampled_from([*WANTED, 'none', 'walking']),
        st.floats(0.5, 0.75, width=32),
    ),
    st.tuples(st.sampled_from([Status.UNKNOWN, Status.NO_DATA]), st.just(''), st.just(0.65)),
)


def reports_of(decided: list[tuple[Status, str, float]], begin: int = 10) -> list[Report]:
    """What a recognizer publishes that decides so, period by period."""
    reports: list[Report] = []
    for step, (status, label, confidence) in enumerate(decided, begin):
        stamp_ns = step * PERIOD_NS
        goes_on = status is Status.OK and reports and reports[-1].label == label
        since_ns = reports[-1].stable_since_ns if goes_on else stamp_ns
        reports.append(
            Report(
                stamp_ns=stamp_ns,
                status=status,
                label=label,
                confidence=confidence,
                stable_since_ns=since_ns,
            )
        )
    return reports


def fits(report: Report) -> bool:
    return report.label in WANTED and report.confidence >= MIN_CONFIDENCE


def held_ns(reports: list[Report]) -> int:
    """From the first to the last report of the fitting ones at the end; -1 without any."""
    run = list(takewhile(fits, reversed(reports)))
    return run[0].stamp_ns - run[-1].stamp_ns if run else -1


def after(reports: list[Report], labels: tuple[str, ...] = WANTED) -> Hold:
    hold = Hold(labels, MIN_CONFIDENCE)
    for report in reports:
        hold.update(report)
    return hold


@settings(max_examples=50)
@given(st.lists(answers, min_size=1, max_size=30))
def test_who_hears_everything_knows_exactly(decided):
    reports = reports_of(decided)
    assert after(reports).held_ns == held_ns(reports)


@settings(max_examples=50)
@given(st.data(), st.lists(answers, min_size=1, max_size=30))
def test_who_misses_reports_counts_nothing_against_what_was_heard(data, decided):
    reports = reports_of(decided)
    kept = data.draw(st.lists(st.booleans(), min_size=len(reports), max_size=len(reports)))
    heard = [report for report, keep in zip(reports, kept, strict=True) if keep] or reports[-1:]
    held = after(heard).held_ns
    assert (held >= 0) == fits(heard[-1])
    if held < 0:
        return
    since_ns = heard[-1].stamp_ns - held
    assert all(fits(report) for report in heard if report.stamp_ns >= since_ns)
    # At least what was heard without a gap, and what the recognizer says of a single label.
    last_gap = max((i for i, keep in enumerate(kept) if not keep), default=-1)
    assert held >= held_ns(reports[last_gap + 1 :])
    assert after(heard, labels=(heard[-1].label,)).held_ns <= (
        heard[-1].stamp_ns - heard[-1].stable_since_ns
    )


@settings(max_examples=25)
@given(st.lists(answers, min_size=1, max_size=10), st.lists(answers, min_size=1, max_size=10))
def test_going_back_in_time_begins_anew(before, again):
    assert (
        after([*reports_of(before, begin=1000), *reports_of(again)]).held_ns
        == after(reports_of(again)).held_ns
    )


def test_a_late_subscriber_takes_the_recognizers_word(report):
    assert after([report(8.0, 'greeting', since_s=3.0)]).held_ns == 5_000_000_000


def test_a_rise_in_confidence_counts_from_there(report):
    low = report(1.0, 'greeting', since_s=0.0, confidence=0.5)
    high = [report(time_s, 'greeting', since_s=0.0) for time_s in (1.5, 2.0)]
    assert after([low, *high]).held_ns == 500_000_000


def test_an_interruption_that_nobody_heard_counts(report):
    heard = [report(1.0, 'greeting', since_s=0.0), report(4.0, 'greeting', since_s=3.0)]
    assert after(heard).held_ns == 1_000_000_000


@pytest.mark.parametrize('confidence', [0.1, 0.6, 0.7, 0.9])
def test_the_messages_precision_does_not_fail_an_equal_confidence(report, confidence):
    import numpy as np

    hold = Hold(['greeting'], confidence)
    hold.update(report(0.0, 'greeting', confidence=float(np.float32(confidence))))
    assert hold.held_ns == 0


def test_a_label_from_the_future_is_not_held_for_less_than_nothing(report):
    assert after([report(1.0, 'greeting', since_s=2.0)]).held_ns == 0
