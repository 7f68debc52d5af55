"""Rejection of what the network does not know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from activity_recognition.training.evaluation.unknown import (
    auroc,
    false_positive_rate,
    measure_unknown,
)

from .conftest import make_result

SCORES = st.lists(st.integers(1, 99), min_size=1, max_size=20).map(lambda v: np.array(v) / 100)


def test_by_hand():
    """Of 3 × 2 pairs, the known one is higher in four and equal in one."""
    known, unknown = np.array([0.9, 0.6, 0.5]), np.array([0.6, 0.2])
    assert auroc(known, unknown) == pytest.approx((4 + 0.5) / 6)


def test_false_positives_where_95_percent_of_the_known_pass():
    """With 20 known ones, 19 pass at 0.3, and so do three of four unknown ones."""
    known = np.array([0.9] * 18 + [0.3, 0.1])
    assert false_positive_rate(known, np.array([0.95, 0.5, 0.3, 0.2])) == pytest.approx(0.75)


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES)
def test_it_is_how_often_a_known_one_scores_higher(known: np.ndarray, unknown: np.ndarray):
    difference = known[:, None] - unknown[None]
    expected = ((difference > 0) + 0.5 * (difference == 0)).mean()
    assert auroc(known, unknown) == pytest.approx(expected, abs=1e-5)
    rate = false_positive_rate(known, unknown)
    threshold = np.sort(known)[::-1][int(np.ceil(0.95 * len(known) - 1e-9)) - 1]
    assert rate == pytest.approx((unknown >= threshold).mean(), abs=1e-6)


def test_it_is_the_area_and_the_curve_of_scikit_learn():
    rng = np.random.default_rng(0)
    known, unknown = rng.beta(5, 2, 300), rng.beta(2, 2, 200)
    is_known = np.repeat([1, 0], [300, 200])
    scores = np.concatenate([known, unknown])
    assert auroc(known, unknown) == pytest.approx(roc_auc_score(is_known, scores), abs=1e-6)
    false, true, _ = roc_curve(is_known, scores, drop_intermediate=False)
    expected = false[true >= 0.95 - 1e-9].min()
    assert false_positive_rate(known, unknown) == pytest.approx(expected, abs=1e-6)


def test_without_unknown_ones_there_is_nothing():
    found = measure_unknown([make_result([0, 1], [0, 1])], [])
    assert found['auroc'] is None
    assert found['fpr_at_95_tpr'] is None
    assert found['decisions'] == 0
    assert found['smoothed']['answered_unknown_when_unknown'] is None


def test_labels_beyond_those_known_are_unknown():
    probabilities = np.array([[0.9, 0.05, 0.05]] * 3 + [[0.4, 0.3, 0.3]] * 2, dtype=np.float32)
    segment = make_result(
        [0, 0, -100, 3, 4], [0] * 5, smoothed=[0, -1, 0, -1, 0], probabilities=probabilities
    )
    found = measure_unknown([segment], ['running', 'singing'])
    assert found['labels'] == ['running', 'singing']
    assert found['decisions'] == 2
    assert found['auroc'] == 1.0
    assert found['fpr_at_95_tpr'] == 0.0
    assert found['smoothed']['answered_unknown_when_known'] == 0.5
    assert found['smoothed']['answered_unknown_when_unknown'] == 0.5
