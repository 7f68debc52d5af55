"""A modality stops when it gains nothing, and weighs by how it generalises and overfits."""

from __future__ import annotations

import dataclasses

import pytest

from activity_recognition.training.run.modality_progress import (
    LEAST_WEIGHT,
    MOST_WEIGHT,
    HeadScore,
    ModalityProgress,
    balanced_weights,
    loss_factor,
)

START = ModalityProgress()


def score(accuracy: float, loss: float = 1.0, calibrated: float = 0.9) -> HeadScore:
    return HeadScore(accuracy=accuracy, loss=loss, calibrated_loss=calibrated)


def after(*found: HeadScore | None, min_gain: float = 0.0) -> ModalityProgress:
    progress = START
    for one in found:
        progress = progress.after(one, min_gain=min_gain)
    return progress


def test_it_stops_after_as_many_validations_without_gain():
    progress = after(score(0.3), score(0.5), score(0.5), score(0.4))
    assert (progress.best, progress.stale) == (0.5, 2)
    assert progress.has_stopped(2)
    assert not progress.has_stopped(3)
    assert not progress.has_stopped(0)
    assert not after(score(0.3), score(0.2), score(0.4)).has_stopped(1)


def test_what_gains_too_little_is_kept_and_does_not_count():
    progress = after(score(0.50), score(0.51), min_gain=0.05)
    assert (progress.best, progress.stale) == (0.51, 1)


def test_what_has_the_lowest_loss_at_its_best_temperature_is_kept():
    """Of few recordings the most accurate of many validations is mostly luck."""
    progress = after(score(0.5, 3.0, 0.8))
    assert progress.improves(score(0.4, 9.0, 0.7))
    assert not progress.improves(score(0.6, 1.0, 0.8))
    assert not progress.improves(None)
    lucky = after(score(0.4, calibrated=0.8), score(0.6, calibrated=0.9))
    assert (lucky.best, lucky.kept, lucky.best_loss) == (0.6, 0.4, 0.8)


def test_what_an_older_version_kept_is_its_best():
    assert ModalityProgress(best=0.6, best_loss=0.4).reached == 0.6
    assert after(score(0.6), score(0.5, calibrated=0.4)).reached == 0.5


def test_a_lower_loss_is_a_gain_unless_the_accuracy_has_to_gain_something():
    found = score(0.5, calibrated=0.8), score(0.4, calibrated=0.7), score(0.4, calibrated=0.6)
    assert after(*found).stale == 0
    assert after(*found, min_gain=0.01).stale == 2
    assert after(*found, min_gain=0.01).kept == 0.4


def test_a_modality_that_no_validation_has_is_not_judged():
    progress = after(None, None)
    assert progress == START
    assert not progress.is_judged
    assert not progress.has_stopped(1)


def test_the_next_stage_begins_anew_with_the_weights_of_before():
    progress = dataclasses.replace(after(score(0.5), score(0.4)), weight=0.3)
    begun = progress.in_next_stage()
    assert (begun.best, begun.best_loss, begun.kept) == (-1.0, -1.0, -1.0)
    assert (begun.stale, begun.weight) == (0, 0.3)
    assert begun.improves(score(0.1, calibrated=5.0))


def test_the_loss_of_one_that_has_stopped_counts_for_nothing():
    stopped = dataclasses.replace(after(score(0.5), score(0.4)), weight=0.7)
    assert loss_factor(stopped, patience=1, is_weighted=True) == 0.0
    assert loss_factor(stopped, patience=0, is_weighted=True) == 0.7
    assert loss_factor(stopped, patience=2, is_weighted=False) == 1.0


def weights(training: list[float], validation: list[float], rounds: int = 1) -> list[float]:
    progress = [START] * len(training)
    for number in range(1, rounds + 1):
        done = number / rounds
        seen, new = (
            [score(0.5, 2.0 + (loss - 2.0) * done) for loss in losses]
            for losses in (training, validation)
        )
        progress = balanced_weights(progress, seen, new, num_classes=7)
    return [one.weight for one in progress]


def test_who_overfits_weighs_less():
    overfitting, sound = weights([0.1, 1.0], [1.8, 1.1])
    assert overfitting < 1 < sound


def test_weights_stay_within_their_bounds():
    found = weights([0.0, 1.0], [5.0, 1.0], rounds=20)
    assert all(LEAST_WEIGHT <= weight <= MOST_WEIGHT for weight in found)
    assert found[0] == pytest.approx(LEAST_WEIGHT, abs=0.01)


def test_equal_modalities_weigh_alike():
    assert weights([0.5, 0.5], [0.9, 0.9], rounds=3) == [1.0, 1.0]


def test_where_nobody_gains_weights_rest():
    worse = [dataclasses.replace(START, training_loss=1.0, validation_loss=1.0, weight=0.4)] * 2
    found = balanced_weights(worse, [score(0.5, 0.5)] * 2, [score(0.5, 2.0)] * 2, num_classes=4)
    assert [one.weight for one in found] == [0.4, 0.4]


def test_a_modality_without_a_score_keeps_its_weight():
    found = balanced_weights(
        [START] * 2, [None, score(0.9, 0.4)], [None, score(0.6, 1.0)], num_classes=4
    )
    assert found[0] == START
    assert found[1].validation_loss == 1.0
