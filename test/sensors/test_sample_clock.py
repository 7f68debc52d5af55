"""The sample clock: jitter, drift, holes, stalls and jumps."""

import numpy as np
import pytest

from activity_recognition.sensors.sample_clock import SampleClock

RATE = 16_000
CHUNK = 320
CHUNK_NS = 20_000_000
START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def clock():
    return SampleClock(RATE, max_gap_s=0.2)


def run(clock, stamps_ns, *, from_arrival=False):
    return [clock.advance(int(stamp), CHUNK, from_arrival=from_arrival) for stamp in stamps_ns]


def test_even_stamps_are_kept(clock):
    stamps = [START_NS + index * CHUNK_NS for index in range(200)]
    placed = run(clock, stamps)
    assert [start for start, _ in placed] == stamps
    assert [anew for _, anew in placed] == [True] + [False] * 199


def test_jitter_is_smoothed(clock):
    jitter = np.random.default_rng(0).normal(0, 10_000_000, 2_000)
    true = START_NS + np.arange(2_000) * CHUNK_NS
    placed = run(clock, true + jitter.astype(int))
    error_ns = np.array([start for start, _ in placed]) - true
    assert np.abs(np.diff(error_ns)).max() < 150_000
    assert np.abs(error_ns[1_500:]).max() < 2_000_000


@pytest.mark.parametrize('drift', [-300e-6, 300e-6])
def test_drift_is_followed_without_a_break(clock, drift):
    true = START_NS + (np.arange(30_000) * CHUNK_NS * (1 + drift)).astype(int)
    placed = run(clock, true)
    assert sum(anew for _, anew in placed) == 1
    assert abs(placed[-1][0] - true[-1]) < 4_000_000


@pytest.mark.parametrize('gap_ms', [201, 1_000, 60_000, -201, -5_000])
def test_a_hole_or_a_jump_starts_the_clock_anew(clock, gap_ms):
    run(clock, [START_NS, START_NS + CHUNK_NS])
    after = START_NS + 2 * CHUNK_NS + gap_ms * 1_000_000
    assert run(clock, [after, after + CHUNK_NS]) == [(after, True), (after + CHUNK_NS, False)]


def test_a_residual_within_the_gap_moves_the_clock_slowly(clock):
    run(clock, [START_NS])
    (start, anew), *_ = run(clock, [START_NS + CHUNK_NS + 150_000_000])
    assert not anew
    assert 0 < start - (START_NS + CHUNK_NS) < 1_000_000


def test_held_back_audio_that_comes_at_once_is_no_hole(clock):
    even = [START_NS + index * CHUNK_NS for index in range(100)]
    stalled = even[:40] + [even[70]] * 30 + even[70:]
    placed = run(clock, stalled, from_arrival=True)
    assert [anew for _, anew in placed] == [True] + [False] * 99
    errors = [abs(start - stamp) for (start, _), stamp in zip(placed, even, strict=True)]
    assert max(errors) < 20_000_000


def test_audio_that_stays_late_is_a_hole_even_without_stamps(clock):
    run(clock, [START_NS + index * CHUNK_NS for index in range(10)], from_arrival=True)
    late = [START_NS + index * CHUNK_NS + 500_000_000 for index in range(10, 40)]
    placed = run(clock, late, from_arrival=True)
    breaks = [index for index, (_, anew) in enumerate(placed) if anew]
    assert breaks == [11]
    assert placed[11][0] == late[11]


@pytest.mark.parametrize('jump_ms', [1_100, 3_600_000, -300, -3_600_000])
def test_arrivals_that_no_queue_explains_start_the_clock_anew(clock, jump_ms):
    run(clock, [START_NS], from_arrival=True)
    after = START_NS + CHUNK_NS + jump_ms * 1_000_000
    assert run(clock, [after], from_arrival=True) == [(after, True)]


def test_hours_of_samples_stay_exact():
    clock = SampleClock(44_100, max_gap_s=0.2)
    stamp = START_NS
    for index in range(1, 4):
        start, _ = clock.advance(stamp, 44_100 * 3_600, from_arrival=False)
        assert start == stamp
        stamp = START_NS + index * 3_600 * 10**9


def feed(clock, stamps_ns, count=CHUNK):
    for stamp_ns in stamps_ns:
        clock.advance(int(stamp_ns), count, from_arrival=False)
    return clock.measured_rate_hz


def test_the_measured_rate_needs_two_seconds(clock):
    even = START_NS + np.arange(105) * CHUNK_NS
    assert feed(clock, even[:100]) is None
    assert feed(clock, even[100:]) == pytest.approx(RATE)


@pytest.mark.parametrize(
    ('true_hz', 'count'),
    [(48_000, 960), (44_100, 882), (8_000, 160), (15_500, 310), (5_000, 5_000)],
)
def test_the_measured_rate_is_that_of_the_stamps(clock, true_hz, count):
    stamps = START_NS + np.arange(3_000) * count * 10**9 // true_hz
    assert feed(clock, stamps, count) == pytest.approx(true_hz, rel=1e-6)


def test_the_measured_rate_takes_no_account_of_jitter_holes_and_jumps(clock):
    rng = np.random.default_rng(2)
    even = START_NS + np.arange(2_000) * CHUNK_NS
    shaken = even + rng.normal(0, 5_000_000, 2_000).astype(int)
    shaken[1_000:] += 3_600 * 10**9
    shaken[1_500:] -= 7_200 * 10**9
    kept = np.delete(shaken, rng.integers(0, 2_000, 15))
    assert feed(clock, kept) == pytest.approx(RATE, rel=0.02)


def test_the_measured_rate_follows_a_change(clock):
    feed(clock, START_NS + np.arange(1_000) * CHUNK_NS)
    slower = START_NS + 10**12 + np.arange(700) * 2 * CHUNK_NS
    assert feed(clock, slower) == pytest.approx(RATE / 2, rel=1e-6)


def test_samples_that_come_in_bursts_have_a_rate(clock):
    # As arrivals do behind a stalled executor: five at once, then nothing for 100 ms.
    stamps = START_NS + np.arange(1_000) // 5 * 5 * CHUNK_NS
    assert feed(clock, stamps) == pytest.approx(RATE, rel=1e-6)
