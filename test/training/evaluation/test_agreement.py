"""Kappas by hand, and accuracy where heads agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from activity_recognition.training.evaluation.agreement import (
    cohen_kappa,
    fleiss,
    measure_agreement,
)

from .conftest import make_result


def array(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_cohens_kappa_by_hand():
    """Of 50, both say 0 of 20 and 1 of 15; they differ 5 and 10 times: (0.7 - 0.5) / 0.5."""
    first = array([0] * 20 + [0] * 5 + [1] * 10 + [1] * 15)
    second = array([0] * 20 + [1] * 5 + [0] * 10 + [1] * 15)
    assert cohen_kappa(first, second, 3) == pytest.approx(0.4, abs=1e-6)


def test_cohens_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 4, 300)
    second = np.where(rng.random(300) < 0.6, first, rng.integers(0, 4, 300))
    expected = cohen_kappa_score(first, second)
    assert cohen_kappa(first, second, 4) == pytest.approx(expected, abs=1e-6)


def test_fleiss_kappa_by_hand():
    """Three raters, three items: 000, 001, 111. P is (1 + 1/3 + 1) / 3, Pe (5² + 4²) / 9²."""
    ratings = array([[0, 0, 1], [0, 0, 1], [0, 1, 1]])
    mean, chance = 7 / 9, 41 / 81
    assert fleiss(ratings, 2) == pytest.approx((mean - chance) / (1 - chance), abs=1e-4)


def test_where_nothing_can_be_said_it_is_none():
    assert cohen_kappa(array([]), array([]), 3) is None
    assert cohen_kappa(array([1, 1]), array([1, 1]), 3) is None
    assert fleiss(np.zeros((3, 0), dtype=np.int64), 3) is None
    assert fleiss(array([[1, 1], [1, 1], [1, 1]]), 3) is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=20))
def test_kappa_is_symmetric_and_at_most_one(pairs: list[tuple[int, int]]):
    first, second = (array(list(column)) for column in zip(*pairs, strict=True))
    there, back = cohen_kappa(first, second, 3), cohen_kappa(second, first, 3)
    assert there == pytest.approx(back, abs=1e-6) if there is not None else back is None
    assert there is None or there <= 1 + 1e-6


def test_only_decisions_with_both_modalities_count():
    segment = make_result(
        [0, 0, 1, 1, -100],
        [0, 0, 1, 0, 1],
        smoothed=[0, 0, 1, 1, 1],
        own={'video': [0, 1, 1, 0, 1], 'audio': [0, 0, 1, 1, 1], 'text': [2, 2, 2, 2, 2]},
        absent={'text': [0, 1, 2, 3, 4], 'audio': [2]},
    )
    found = measure_agreement([segment], 3)
    pair = found['pairs']['video+audio']
    assert pair['decisions'] == 4
    assert pair['agreement'] == 0.5
    # The last decision has no label: it counts for the agreement and not for the accuracy.
    assert pair['where_they_agree'] == {'decisions': 1, 'accuracy': 1.0, 'accuracy_smoothed': 1.0}
    assert pair['where_they_differ'] == {'decisions': 2, 'accuracy': 0.5, 'accuracy_smoothed': 1.0}
    assert found['all']['decisions'] == 0
    assert found['all']['kappa'] is None
    assert found['own_heads']['video'] == {'decisions': 4, 'accuracy': 0.5}
    assert found['own_heads']['text'] == {'decisions': 0, 'accuracy': None}


def test_all_three_agree_where_all_say_the_same():
    segment = make_result([0, 1, 2], [0, 1, 2], own={'text': [0, 1, 1]})
    found = measure_agreement([segment], 3)['all']
    assert found['where_they_agree']['decisions'] == 2
    assert found['where_they_differ']['decisions'] == 1
    assert found['agreement'] == pytest.approx(2 / 3)
