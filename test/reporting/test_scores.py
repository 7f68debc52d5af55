"""Scores against brute force and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.reporting.scores import (
    NO_DATA,
    UNKNOWN,
    Truth,
    account_frames,
    answer_of,
    distribution,
    score,
)
from activity_recognition.types import LabelSpan, Status

SPANS = (
    LabelSpan(start_s=0.0, end_s=2.0, label='walking'),
    LabelSpan(start_s=2.0, end_s=3.0, label='none'),
    LabelSpan(start_s=4.0, end_s=5.0, label='walking'),
)


@pytest.mark.parametrize(
    ('t_s', 'label'),
    [
        (-0.1, None),
        (0.0, 'walking'),
        (1.999, 'walking'),
        (2.0, 'none'),
        (3.0, None),
        (3.5, None),
        (4.0, 'walking'),
        (5.0, None),
    ],
)
def test_truth_is_half_open_and_knows_its_holes(t_s, label):
    assert Truth(reversed(SPANS)).at(t_s) == label


def test_no_spans_know_nothing():
    assert Truth(()).at(1.0) is None


def test_answers_of_every_status():
    assert answer_of(Status.OK, 'walking') == 'walking'
    assert answer_of(Status.UNKNOWN, '') == UNKNOWN
    assert answer_of(Status.NO_DATA, '') == NO_DATA


def test_unknown_counts_as_wrong_and_holes_are_not_scored():
    answers = [(0.5, 'walking'), (1.0, UNKNOWN), (1.5, 'none'), (2.5, 'none'), (3.5, 'none')]
    scores = score(Truth(SPANS), answers)
    assert scores['decisions'] == 4
    assert scores['unscored'] == 1
    assert scores['accuracy'] == pytest.approx(2 / 4)
    assert scores['balanced_accuracy'] == pytest.approx((1 / 3 + 1) / 2)
    assert scores['labels'] == ['none', 'walking']
    assert scores['answers'] == ['none', 'walking', UNKNOWN]
    assert scores['confusion'] == [[1, 0, 0], [1, 1, 1]]
    assert [entry['label'] for entry in scores['per_label']] == ['none', 'walking']


def test_nothing_to_score_has_no_accuracy():
    scores = score(Truth(SPANS), [])
    assert scores['accuracy'] is None
    assert scores['balanced_accuracy'] is None
    assert scores['confusion'] == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1, 6), st.sampled_from(['walking', 'none', 'eating', UNKNOWN])),
        max_size=60,
    )
)
def test_scores_equal_brute_force(answers):
    truth = Truth(SPANS)
    scores = score(truth, answers)
    labelled = [(truth.at(t), answer) for t, answer in answers if truth.at(t) is not None]
    assert sum(map(sum, scores['confusion'])) == len(labelled) == scores['decisions']
    assert scores['decisions'] + scores['unscored'] == len(answers)
    recalls = []
    for label in sorted({label for label, _ in labelled}):
        own = [answer for truth_label, answer in labelled if truth_label == label]
        recalls.append(own.count(label) / len(own))
    expected = sum(recalls) / len(recalls) if recalls else None
    assert scores['balanced_accuracy'] == (None if expected is None else pytest.approx(expected))
    for entry in scores['per_label']:
        named = [label for label, answer in labelled if answer == entry['label']]
        right = named.count(entry['label'])
        assert entry['precision'] == (pytest.approx(right / len(named)) if named else None)


def test_percentiles_are_numpys_and_the_histogram_holds_every_value():
    values = [*np.random.default_rng(0).gamma(4.0, 0.01, 1000).tolist(), 2.0, math.nan]
    summary = distribution(values)
    finite = values[:-1]
    assert summary['count'] == len(finite) == sum(summary['counts'])
    assert summary['p50_s'] == pytest.approx(np.percentile(finite, 50))
    assert summary['p95_s'] == pytest.approx(np.percentile(finite, 95))
    assert summary['max_s'] == pytest.approx(2.0)
    assert summary['edges_s'][-1] < 1.0, 'one outlier must not flatten the picture'
    assert len(summary['edges_s']) == len(summary['counts']) + 1


@pytest.mark.parametrize('values', [[], [math.nan], [0.0], [-0.01, -0.02], [0.5] * 7])
def test_odd_distributions_are_summarised(values):
    summary = distribution(values)
    finite = [value for value in values if math.isfinite(value)]
    assert summary['count'] == sum(summary['counts']) == len(finite)
    assert (summary['p50_s'] is None) == (not finite)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(0, 50),
    st.dictionaries(st.sampled_from(['overload', 'rate', 'duplicate']), st.integers(0, 20)),
)
def test_published_is_used_plus_dropped_plus_lost_plus_unaccounted(used, lost, dropped):
    received = used + sum(dropped.values())
    account = account_frames(
        published=received + lost, received=received, used=used, dropped=dropped
    )
    assert account['lost'] == lost
    assert account['unaccounted'] == 0
    assert account['published'] == (
        account['used'] + sum(account['dropped'].values()) + account['lost']
    )


def test_a_frame_that_vanishes_inside_is_unaccounted():
    account = account_frames(published=10, received=9, used=6, dropped={'overload': 2, 'rate': 0})
    assert (account['lost'], account['unaccounted']) == (1, 1)
    assert account['dropped'] == {'overload': 2}
    assert account['lost_fraction'] == pytest.approx(0.1)
    nothing = account_frames(published=0, received=0, used=0, dropped={})
    assert nothing['lost_fraction'] is None
