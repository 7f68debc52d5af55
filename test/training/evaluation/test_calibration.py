"""Calibration error, Brier score and likelihood by hand, and in sums."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from activity_recognition.training.evaluation.calibration import (
    BINS,
    Predictions,
    calibration_statistics,
    calibration_sums,
    expected_calibration_error,
    measure_calibration,
    predictions_of,
)

from .conftest import make_result


def predicted(probabilities: list[list[float]], truth: list[int]) -> Predictions:
    return Predictions(
        log_probabilities=np.log(np.array(probabilities, dtype=np.float64)),
        truth=np.array(truth, dtype=np.int64),
    )


def test_a_case_by_hand():
    """Two decisions at 0.8, one right; two at 0.6, both right."""
    found = predicted([[0.8, 0.2], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]], [0, 0, 0, 1])
    statistics = calibration_statistics(calibration_sums(found))
    assert statistics['ece'] == pytest.approx((2 * abs(0.5 - 0.8) + 2 * abs(1 - 0.6)) / 4)
    brier = (2 * 0.2**2 + 2 * 0.8**2 + 2 * 2 * 0.4**2) / 4
    assert statistics['brier'] == pytest.approx(brier)
    nll = -(math.log(0.8) + math.log(0.2) + 2 * math.log(0.6)) / 4
    assert statistics['nll'] == pytest.approx(nll)


def test_likelihood_and_brier_score_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities, truth = rng.dirichlet((1.0, 2.0, 3.0), 200), rng.integers(0, 3, 200)
    statistics = calibration_statistics(
        calibration_sums(predicted(probabilities.tolist(), truth.tolist()))
    )
    assert statistics['nll'] == pytest.approx(log_loss(truth, probabilities))
    each = [brier_score_loss(truth == label, probabilities[:, label]) for label in range(3)]
    assert statistics['brier'] == pytest.approx(sum(each))


def test_full_confidence_falls_into_the_last_bin():
    sums = calibration_sums(
        Predictions(log_probabilities=np.array([[0.0, -800.0]]), truth=np.array([0]))
    )
    assert sums[2 + BINS - 1] == 1
    assert calibration_statistics(sums)['ece'] == 0.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 2)),
        min_size=1,
        max_size=40,
    )
)
def test_the_sums_give_the_error_of_torchmetrics(rows: list[tuple[float, float, float, int]]):
    logits = np.array([row[:3] for row in rows])
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    found = Predictions(
        log_probabilities=log_probabilities, truth=np.array([row[3] for row in rows])
    )
    edges = found.probabilities.max(axis=1) * BINS
    if np.abs(edges - edges.round()).min() < 1e-4:  # on an edge float32 and float64 may differ
        return
    statistics = calibration_statistics(calibration_sums(found))
    assert statistics['ece'] == pytest.approx(expected_calibration_error(found), abs=1e-5)


def test_temperature_makes_overconfidence_honest():
    """Half of what is claimed with 98 % is right: a high temperature claims less."""
    probabilities = np.array([[0.98, 0.01, 0.01]] * 20, dtype=np.float32)
    segment = make_result([0, 1] * 10, [0] * 20, probabilities=probabilities)
    found = predictions_of([segment], 6.0)
    sums = {kind: calibration_sums(value)[None] for kind, value in found.items()}
    measures = measure_calibration(found, sums, 6.0)
    assert measures['before']['ece'] == pytest.approx(0.48, abs=1e-3)
    assert measures['after']['ece'] < 0.1
    assert measures['after']['nll'] < measures['before']['nll']
    reliability = measures['before']['reliability']
    assert [bin_['count'] for bin_ in reliability] == [0] * (BINS - 1) + [20]
    assert reliability[-1]['accuracy'] == 0.5
    assert reliability[0]['accuracy'] is None


def test_only_what_is_visible_and_known_counts():
    segment = make_result([0, -100, 3, 1], [0, 0, 0, 1])
    segment.anything[3] = False
    assert predictions_of([segment], 1.0)['after'].truth.tolist() == [0]


def test_without_decisions_there_is_nothing():
    found = predictions_of([make_result([-100], [0])], 1.0)
    sums = {kind: calibration_sums(value)[None] for kind, value in found.items()}
    measures = measure_calibration(found, sums, 1.0)
    assert measures['after']['ece'] is None
    assert measures['after']['nll'] is None
