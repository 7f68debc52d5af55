"""Average precision per decision, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from activity_recognition.training.evaluation.detection import (
    average_precision,
    calibrated_average_precision,
    measure_detection,
)

from .conftest import LABELS, make_result


def flags(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.bool_)


def test_average_precision_by_hand():
    """Right at the first and third of four: (1 + 2/3) / 2."""
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(scores, flags([1, 0, 1, 0])) == pytest.approx((1 + 2 / 3) / 2)


def test_calibrated_precision_weighs_the_negatives():
    """One positive, four negatives, w = 4; two negatives before the positive: 1 / (1 + 2/4)."""
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert calibrated_average_precision(scores, flags([0, 0, 1, 0, 0])) == pytest.approx(1 / 1.5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=20))
def test_with_as_many_negatives_as_positives_both_are_the_same(pairs: list[tuple[int, bool]]):
    scores = np.array([s for s, _ in pairs] + [s for s, _ in pairs]) / 10
    positive = flags([p for _, p in pairs] + [not p for _, p in pairs])
    assert calibrated_average_precision(scores, positive) == pytest.approx(
        average_precision(scores, positive), abs=1e-6
    )


@settings(max_examples=30, deadline=None)
@given(st.permutations(list(range(12))))
def test_order_of_time_does_not_matter(order: list[int]):
    scores, positive = np.arange(12) // 2 / 6, flags([1, 0, 0, 1] * 3)
    for measure in (average_precision, calibrated_average_precision):
        expected = measure(scores, positive)
        assert measure(scores[order], positive[order]) == pytest.approx(expected, abs=1e-6)


def test_without_positives_there_is_nothing():
    assert average_precision(np.array([0.5]), flags([0])) is None
    assert calibrated_average_precision(np.array([0.5]), flags([1])) is None


def test_the_mean_leaves_none_and_what_does_not_occur_out():
    found = measure_detection([make_result([0, 0, 1, 1], [0, 0, 1, 1])], LABELS)
    assert set(found['per_class']) == {'greeting', 'typing'}
    assert found['per_class']['typing']['average_precision'] is None
    assert found['map'] == found['calibrated_map'] == 1.0


def test_it_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 30, 200) / 30, rng.random(200) < 0.2
    expected = average_precision_score(positive, scores)
    assert average_precision(scores, positive) == pytest.approx(expected, abs=1e-6)
