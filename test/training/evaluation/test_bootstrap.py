"""Intervals over recordings."""

import numpy as np
import pytest

from activity_recognition.training.evaluation.bootstrap import Bootstrap


def mean(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {'mean': sums[..., 0] / sums[..., 1]}


def sums_of(values: list[float]) -> np.ndarray:
    return np.array([[value, 1.0] for value in values])


def test_every_resample_has_as_many_recordings():
    bootstrap = Bootstrap.draw(7, resamples=50, seed=1)
    assert bootstrap.weights.shape == (50, 7)
    assert (bootstrap.weights.sum(axis=1) == 7).all()


def test_the_seed_decides():
    first, again, other = (Bootstrap.draw(5, resamples=20, seed=s).weights for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_equal_recordings_leave_no_doubt():
    bootstrap = Bootstrap.draw(4, resamples=100, seed=0)
    assert bootstrap.intervals(mean, sums_of([0.5] * 4)) == {'mean': (0.5, 0.5)}


def test_the_interval_of_a_mean_is_the_textbooks():
    """1.96 standard errors to either side, for many recordings."""
    values = np.random.default_rng(0).normal(size=400)
    low, high = Bootstrap.draw(400, resamples=4000, seed=0).intervals(mean, sums_of(values))['mean']
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_one_recording_gives_no_interval():
    assert Bootstrap.draw(1, resamples=10, seed=0).intervals(mean, sums_of([0.5])) == {'mean': None}


def test_what_is_undefined_everywhere_has_none():
    undefined = np.full((3, 2), np.nan)
    assert Bootstrap.draw(3, resamples=10, seed=0).intervals(mean, undefined) == {'mean': None}


def test_recordings_of_a_group_are_drawn_together():
    bootstrap = Bootstrap.draw(5, resamples=200, seed=0, groups=['a', 'a', '', 'b', ''])
    assert bootstrap.drawn == 4
    np.testing.assert_array_equal(bootstrap.weights[:, 0], bootstrap.weights[:, 1])
    assert (bootstrap.weights[:, 2] != bootstrap.weights[:, 4]).any()
    assert (bootstrap.weights[:, [0, 2, 3, 4]].sum(axis=1) == 4).all()


def test_groups_of_one_change_nothing():
    alone = Bootstrap.draw(5, resamples=20, seed=3).weights
    np.testing.assert_array_equal(
        alone, Bootstrap.draw(5, resamples=20, seed=3, groups=['', 'a', 'b', '', 'c']).weights
    )


def test_one_group_gives_no_interval():
    bootstrap = Bootstrap.draw(3, resamples=10, seed=0, groups=['a', 'a', 'a'])
    assert bootstrap.intervals(mean, sums_of([0.5, 0.1, 0.2])) == {'mean': None}


def test_groups_widen_the_interval():
    """Ten copies of each of ten values are ten values."""
    values = np.repeat(np.random.default_rng(0).normal(size=10), 10)
    groups = [str(place // 10) for place in range(100)]
    alone = Bootstrap.draw(100, resamples=2000, seed=0)
    together = Bootstrap.draw(100, resamples=2000, seed=0, groups=groups)
    narrow, wide = (
        np.diff(drawn.intervals(mean, sums_of(values))['mean']) for drawn in (alone, together)
    )
    assert wide > 2.5 * narrow
