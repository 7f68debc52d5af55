"""Confusion, precision, recall, F1, and what they come to."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from activity_recognition.errors import ShapeError
from activity_recognition.training.evaluation.classification import (
    class_scores,
    confusion_matrix,
    known,
    overall_scores,
    summarise,
)

LABELS = ('none', 'waving', 'typing')

PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


def confusion(truth: list[int], decided: list[int]) -> np.ndarray:
    return confusion_matrix(
        np.array(truth, dtype=np.int64), np.array(decided, dtype=np.int64), len(LABELS)
    )


def test_scores_of_a_case_counted_by_hand():
    """Four none, one taken for waving; two waving, one taken for none; no typing."""
    summary = summarise(confusion([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]), LABELS)
    assert summary['accuracy'] == pytest.approx(4 / 6)
    assert summary['balanced_accuracy'] == pytest.approx((0.75 + 0.5) / 2)
    assert summary['macro_f1'] == pytest.approx((6 / 8 + 2 / 4) / 2)
    assert summary['decisions'] == 6
    assert summary['per_class'] == {
        'none': {'support': 4, 'precision': 0.75, 'recall': 0.75, 'f1': 0.75},
        'waving': {'support': 2, 'precision': 0.5, 'recall': 0.5, 'f1': 0.5},
        'typing': {'support': 0, 'precision': None, 'recall': None, 'f1': None},
    }


def test_a_class_that_never_occurs_and_was_decided_has_an_f1_of_nothing():
    summary = summarise(confusion([0, 0], [0, 2]), LABELS)
    assert summary['per_class']['typing'] == {
        'support': 0,
        'precision': 0.0,
        'recall': None,
        'f1': 0.0,
    }
    assert summary['macro_f1'] == pytest.approx((2 * 1 / 3 + 0) / 2)
    assert summary['balanced_accuracy'] == 0.5


def test_the_undecided_are_misses_and_the_unlabelled_do_not_count():
    matrix = confusion([0, 0, -100, -100], [0, -1, 0, -1])
    assert matrix[0].tolist() == [1, 0, 0, 1]
    assert matrix.sum() == 2
    scores = overall_scores(matrix)
    assert scores['accuracy'] == 0.5
    assert scores['macro_f1'] == pytest.approx(2 / 3)


def test_nothing_counted_gives_none_and_is_json():
    summary = summarise(confusion([], []), LABELS)
    assert summary['accuracy'] is None
    assert summary['balanced_accuracy'] is None
    assert summary['macro_f1'] is None
    json.dumps(summary, allow_nan=False)


def test_wrong_shapes_and_classes_are_refused():
    with pytest.raises(ShapeError, match='as many decisions'):
        confusion([0, 1], [0])
    with pytest.raises(ShapeError, match='below 3'):
        confusion([0], [3])


def test_what_is_not_finite_becomes_none():
    assert known(np.array([1.0, math.nan, math.inf])) == [1.0, None, None]
    assert known(np.float64(0.5)) == 0.5


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), max_size=30))
def test_every_labelled_decision_is_counted_once(pairs: list[tuple[int, int]]):
    matrix = confusion([t for t, _ in pairs], [d for _, d in pairs])
    for truth in range(3):
        for decided in range(-1, 3):
            assert matrix[truth, decided] == pairs.count((truth, decided))


@settings(max_examples=40, deadline=None)
@given(PAIRS)
def test_they_are_those_of_torchmetrics(pairs: list[tuple[int, int]]):
    truth, decided = (torch.tensor(column) for column in zip(*pairs, strict=True))
    matrix = confusion(truth.tolist(), decided.tolist())
    expected = multiclass_confusion_matrix(decided, truth, num_classes=3)
    np.testing.assert_array_equal(matrix[:, :3], expected.numpy())
    scores = overall_scores(matrix)
    macro = multiclass_f1_score(decided, truth, num_classes=3, average='macro').item()
    assert scores['macro_f1'] == pytest.approx(macro, abs=1e-6)
    micro = multiclass_accuracy(decided, truth, num_classes=3, average='micro').item()
    assert scores['accuracy'] == pytest.approx(micro, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_they_are_those_of_scikit_learn(pairs: list[tuple[int, int]]):
    truth, decided = (list(column) for column in zip(*pairs, strict=True))
    matrix = confusion(truth, decided)
    found = overall_scores(matrix)
    macro = metrics.f1_score(truth, decided, average='macro', zero_division=0)
    assert found['macro_f1'] == pytest.approx(macro)
    assert found['accuracy'] == pytest.approx(metrics.accuracy_score(truth, decided))
    recalls = metrics.recall_score(
        truth, decided, labels=sorted(set(truth)), average='macro', zero_division=0
    )
    assert found['balanced_accuracy'] == pytest.approx(recalls)
    for name in ('precision', 'recall'):
        score = getattr(metrics, f'{name}_score')
        expected = score(truth, decided, labels=[0, 1, 2], average=None, zero_division=0)
        np.testing.assert_allclose(np.nan_to_num(class_scores(matrix)[name]), expected)
    np.testing.assert_array_equal(
        matrix[:, :3], metrics.confusion_matrix(truth, decided, labels=[0, 1, 2])
    )


@settings(max_examples=30)
@given(PAIRS, st.permutations([0, 1, 2]))
def test_names_of_classes_do_not_matter(pairs: list[tuple[int, int]], order: list[int]):
    plain = overall_scores(confusion([t for t, _ in pairs], [d for _, d in pairs]))
    renamed = overall_scores(confusion([order[t] for t, _ in pairs], [order[d] for _, d in pairs]))
    for name, value in plain.items():
        assert renamed[name] == pytest.approx(value)


def test_many_matrices_at_once_are_each_by_itself():
    many = np.stack([confusion([0, 1, 2], [0, 1, 1]), confusion([0, 0, 2], [2, -1, 2])])
    together, classes = overall_scores(many), class_scores(many)
    for place, matrix in enumerate(many):
        for name, value in overall_scores(matrix).items():
            assert together[name][place] == pytest.approx(value)
        for name, values in class_scores(matrix).items():
            np.testing.assert_allclose(classes[name][place], values)
