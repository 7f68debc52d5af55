"""Edit score and segmental F1, by hand after the papers' definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.training.evaluation.runs import (
    edit_score,
    levenshtein,
    match_runs,
    runs_of,
)

SEQUENCES = st.lists(st.integers(-1, 3), max_size=24)


def array(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def spelt(text: str) -> np.ndarray:
    return array([ord(letter) for letter in text])


def test_runs_are_maximal():
    runs = runs_of(array([2, 2, 0, 0, 0, 2]))
    assert [part.tolist() for part in runs] == [[2, 0, 2], [0, 2, 5], [2, 5, 6]]
    assert [len(part) for part in runs_of(array([]))] == [0, 0, 0]


@pytest.mark.parametrize(
    ('first', 'second', 'distance'),
    [
        ('kitten', 'sitting', 3),
        ('', 'abc', 3),
        ('abc', '', 3),
        ('flaw', 'lawn', 2),
        ('a', 'a', 0),
        ('saturday', 'sunday', 3),
    ],
)
def test_known_distances(first: str, second: str, distance: int):
    assert levenshtein(spelt(first), spelt(second)) == distance


@settings(max_examples=50)
@given(SEQUENCES, SEQUENCES)
def test_a_distance_is_symmetric_and_bounded(first: list[int], second: list[int]):
    distance = levenshtein(array(first), array(second))
    assert distance == levenshtein(array(second), array(first))
    assert abs(len(first) - len(second)) <= distance <= max(len(first), len(second))
    assert (distance == 0) == (first == second)


def test_the_edit_score_does_not_see_when():
    """A B A decided as A C B A: one insertion in four."""
    truth = runs_of(array([0] * 5 + [1] * 5 + [0] * 5))
    assert edit_score(runs_of(array([0, 2, 1, 0])), truth) == pytest.approx(75.0)
    assert edit_score(runs_of(array([0, 0, 0, 0, 0, 0, 0, 1, 0])), truth) == 100.0


def test_f1_of_a_case_counted_by_hand():
    """The truth is A for 10, B for 10. Decided are A for 6, B for 2, A for 2, B for 10.

    A meets A in 6 of 10. The first B meets nothing of B, the second all of it; the second A meets
    A in 2 of 10.
    """
    truth = runs_of(array([0] * 10 + [1] * 10))
    decided = runs_of(array([0] * 6 + [1] * 2 + [0] * 2 + [1] * 10))
    assert match_runs(decided, truth, 0.5) == (2, 2, 0)
    assert match_runs(decided, truth, 0.7) == (1, 3, 1)


def test_a_true_run_is_found_once():
    truth = runs_of(array([0] * 10))
    decided = runs_of(array([0] * 4 + [1] * 2 + [0] * 4))
    assert match_runs(decided, truth, 0.1) == (1, 2, 0)


def test_overlap_counts_at_the_threshold():
    truth = runs_of(array([0] * 4 + [1] * 4))
    decided = runs_of(array([0] * 2 + [2] * 2 + [1] * 4))
    assert match_runs(decided, truth, 0.5).true_positives == 2


def test_without_anything_nothing_is_found():
    nothing = runs_of(array([]))
    assert match_runs(nothing, runs_of(array([0, 1])), 0.5) == (0, 0, 2)
    assert match_runs(runs_of(array([0, 1])), nothing, 0.5) == (0, 2, 0)
    assert edit_score(nothing, nothing) == 100.0


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=24))
def test_the_truth_itself_is_perfect(values: list[int]):
    runs = runs_of(array(values))
    assert edit_score(runs, runs) == 100.0
    assert match_runs(runs, runs, 1.0) == (len(runs.values), 0, 0)
