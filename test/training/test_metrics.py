"""Confusion and balanced accuracy."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import ShapeError
from activity_recognition.training.metrics import confusion_matrix, summarise

LABELS = ('none', 'waving', 'typing')


def confusion(truth: list[int], decided: list[int]) -> np.ndarray:
    return confusion_matrix(
        np.array(truth, dtype=np.int64), np.array(decided, dtype=np.int64), len(LABELS)
    )


def test_balanced_accuracy_is_the_mean_recall_of_what_occurs():
    summary = summarise(confusion([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]), LABELS)
    assert summary['balanced_accuracy'] == pytest.approx((0.75 + 0.5) / 2)
    assert summary['accuracy'] == pytest.approx(4 / 6)
    assert summary['recall'] == {'none': 0.75, 'waving': 0.5, 'typing': None}
    assert summary['decisions'] == 6


def test_the_undecided_are_misses_and_the_unlabelled_do_not_count():
    matrix = confusion([0, 0, -100, -100], [0, -1, 0, -1])
    assert matrix[0].tolist() == [1, 0, 0, 1]
    assert matrix.sum() == 2


def test_nothing_counted_gives_none_and_is_json():
    summary = summarise(confusion([], []), LABELS)
    assert summary['accuracy'] is None
    assert summary['balanced_accuracy'] is None
    json.dumps(summary, allow_nan=False)


def test_wrong_shapes_and_classes_are_refused():
    with pytest.raises(ShapeError, match='as many decisions'):
        confusion([0, 1], [0])
    with pytest.raises(ShapeError, match='below 3'):
        confusion([0], [3])


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), max_size=30))
def test_every_labelled_decision_is_counted_once(pairs: list[tuple[int, int]]):
    matrix = confusion([t for t, _ in pairs], [d for _, d in pairs])
    for truth in range(3):
        for decided in range(-1, 3):
            assert matrix[truth, decided] == pairs.count((truth, decided))
