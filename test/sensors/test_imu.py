"""Messages of an inertial sensor become samples at a fixed rate."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import DecodeError, OutOfOrderError
from activity_recognition.sensors.imu import ImuDecoder
from activity_recognition.types import NANOSECONDS, to_ns
from factories.inertial import message
from factories.streams import START_NS

STILL = (0.5, -1.0, 9.81, 0.01, -0.02, 0.03)


def decoder() -> ImuDecoder:
    return ImuDecoder(sample_rate_hz=50, max_gap_s=0.2, reset_after_s=1.0)


def fed(times_s, values, found=None):
    """Return the chunks of messages at some times."""
    found = found or decoder()
    stamps = [START_NS + to_ns(time_s) for time_s in times_s]
    made = [
        found.decode(message(row, stamp_ns), stamp_ns + 2_000_000)
        for row, stamp_ns in zip(values, stamps, strict=True)
    ]
    return [chunk for chunk in made if chunk is not None]


def samples_of(chunks):
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize('rate_hz', [10.0, 31.7, 50.0, 100.0, 200.0, 999.0])
def test_a_constant_stays_constant_at_any_rate(rate_hz):
    times_s = np.arange(int(3 * rate_hz)) / rate_hz
    chunks = fed(times_s, [STILL] * len(times_s))
    found = samples_of(chunks)
    np.testing.assert_allclose(found, np.tile(STILL, (len(found), 1)), rtol=1e-5)
    assert len(found) >= 50 * times_s[-1] - 5
    assert {chunk.sample_rate_hz for chunk in chunks} == {50}
    assert found.dtype == np.float32
    assert chunks[0].stamp_ns == START_NS
    assert chunks[0].frame_id == 'wrist'
    for one, next_one in pairwise(chunks):
        assert next_one.stamp_ns == one.end_ns


@pytest.mark.parametrize('rate_hz', [31.7, 100.0, 200.0])
def test_jitter_of_a_sensor_does_not_move_the_grid(rate_hz):
    rng = np.random.default_rng(0)
    count = int(4 * rate_hz)
    times_s = (np.arange(count) + rng.uniform(0, 0.6, count)) / rate_hz
    times_s -= times_s[0]
    slope = np.outer(times_s, np.arange(1, 7))
    chunks = fed(times_s, slope)
    found = samples_of(chunks)
    # Of a straight line the mean over a period is the value in its middle.
    middles_s = (np.arange(len(found)) + 0.5) / 50
    np.testing.assert_allclose(found, np.outer(middles_s, np.arange(1, 7)), rtol=1e-4, atol=1e-5)


def test_what_the_rate_cannot_hold_is_averaged_away():
    """A vibration of 100 Hz would be a standing value in every other of 200 measurements."""
    times_s = np.arange(800) / 200
    swing = np.where(np.arange(800) % 2, 5.0, -5.0)
    values = np.zeros((800, 6))
    values[:, 0] = swing
    assert np.abs(samples_of(fed(times_s, values))).max() < 1e-6


def test_the_mean_is_kept():
    rng = np.random.default_rng(1)
    times_s = np.arange(2001) / 200
    values = rng.normal(3.0, 5.0, (2001, 6))
    found = samples_of(fed(times_s, values)).astype(np.float64)
    assert len(found) == 500
    wanted = (values[:-1] + values[1:]).mean(axis=0) / 2
    np.testing.assert_allclose(found.mean(axis=0), wanted, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.floats(0.001, 0.19), min_size=5, max_size=60),
    more=st.lists(st.integers(0, 58), max_size=8),
    seed=st.integers(0, 99),
)
def test_messages_on_the_line_between_others_change_nothing(steps, more, seed):
    """However often a signal is measured, its samples are the same."""
    times_s = np.concatenate([[0.0], np.cumsum(steps)])
    values = np.random.default_rng(seed).normal(0, 9, (len(times_s), 6))
    stamps = np.array([to_ns(t) for t in times_s])
    extra = np.unique([(stamps[i] + stamps[i + 1]) // 2 for i in more if i + 1 < len(stamps)])
    all_stamps = np.union1d(stamps, extra.astype(np.int64)).astype(np.int64)
    finer = np.stack([np.interp(all_stamps, stamps, column) for column in values.T], axis=1)
    one = fed(times_s, values)
    other = fed(all_stamps / NANOSECONDS, finer)
    if one or other:
        both = [np.zeros((0, 6)) if not c else samples_of(c) for c in (one, other)]
        count = min(map(len, both))
        assert abs(len(both[0]) - len(both[1])) < 12  # what waits for a whole chunk
        np.testing.assert_allclose(both[0][:count], both[1][:count], atol=2e-3)


def test_after_a_gap_the_grid_begins_anew():
    times_s = [*np.arange(0, 1.001, 0.01), *np.arange(1.507, 2.5, 0.01)]
    chunks = fed(times_s, [STILL] * len(times_s))
    behind = [chunk for chunk in chunks if chunk.stamp_ns >= START_NS + to_ns(1.2)]
    assert behind[0].stamp_ns == START_NS + to_ns(1.507)
    assert max(c.end_ns for c in chunks if c not in behind) <= START_NS + to_ns(1.0)
    assert samples_of(chunks).shape[0] >= 48 + 44


def test_a_distance_of_just_the_longest_gap_is_bridged():
    chunks = fed(np.arange(20) * 0.2, [STILL] * 20)
    assert len(samples_of(chunks)) == 190


@pytest.mark.parametrize(('back_s', 'duplicate'), [(0.0, True), (0.005, False), (0.9, False)])
def test_duplicates_and_late_messages_are_refused_and_leave_no_trace(back_s, duplicate):
    found, other = decoder(), decoder()
    times_s = np.arange(0, 1, 0.01)
    wanted = fed(times_s, np.outer(times_s, np.ones(6)), other)
    chunks = fed(times_s[:50], np.outer(times_s[:50], np.ones(6)), found)
    late = message([1e3] * 6, START_NS + to_ns(times_s[49] - back_s))
    with pytest.raises(OutOfOrderError, match=r'imu order: .*second publisher') as caught:
        found.decode(late, START_NS)
    assert caught.value.duplicate is duplicate
    chunks += fed(times_s[50:], np.outer(times_s[50:], np.ones(6)), found)
    np.testing.assert_array_equal(samples_of(chunks), samples_of(wanted))


def test_a_clock_that_is_set_back_begins_anew():
    found = decoder()
    fed(np.arange(10.0, 11.0, 0.01), [STILL] * 100, found)
    chunks = fed(np.arange(0.0, 1.0, 0.01), [(1.0,) * 6] * 100, found)
    assert chunks[0].stamp_ns == START_NS
    np.testing.assert_allclose(samples_of(chunks), 1.0, rtol=1e-5)


@pytest.mark.parametrize('wrong', [float('nan'), float('inf'), -float('inf'), 1e9])
@pytest.mark.parametrize('place', [0, 5])
def test_what_is_no_measurement_is_a_drop_and_leaves_no_trace(wrong, place):
    found = decoder()
    values = list(STILL)
    values[place] = wrong
    chunks = fed(np.arange(0, 0.5, 0.01), [STILL] * 50, found)
    with pytest.raises(DecodeError, match='imu values: expected finite numbers up to 10000'):
        found.decode(message(values, START_NS + to_ns(0.5)), START_NS)
    chunks += fed(np.arange(0.51, 1, 0.01), [STILL] * 49, found)
    np.testing.assert_allclose(samples_of(chunks), np.tile(STILL, (48, 1)), rtol=1e-5)


def test_a_covariance_of_minus_one_says_that_nothing_was_measured():
    with pytest.raises(DecodeError, match=r'imu linear_acceleration: .*-1'):
        decoder().decode(message(STILL, START_NS, covariance=-1.0), START_NS)


def test_without_a_stamp_the_arrival_counts():
    found, chunks = decoder(), []
    for index in range(100):
        chunk = found.decode(message(STILL, 0), START_NS + index * 10_000_000)
        chunks += [chunk] * (chunk is not None)
    assert chunks[0].stamp_ns == START_NS
    assert len(samples_of(chunks)) == 48


def test_after_a_reset_nothing_is_remembered():
    found = decoder()
    fed([0.0, 0.05], [STILL] * 2, found)
    found.reset()
    chunks = fed(np.arange(0.01, 0.2, 0.01), [(2.0,) * 6] * 19, found)
    assert chunks[0].stamp_ns == START_NS + to_ns(0.01)
    np.testing.assert_allclose(samples_of(chunks), 2.0, rtol=1e-6)
