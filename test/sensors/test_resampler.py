"""The resampler: the same bits however the input is cut, little lateness, and a clean band."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.sensors.resampler import StreamingResampler

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)
TARGET = 16_000


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(0, 0.2, count).astype(np.float32)


def tone(frequency_hz, rate_hz, seconds=0.5):
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32)


@settings(max_examples=40)
@given(
    rate_hz=st.sampled_from(RATES),
    cuts=st.lists(st.integers(0, 6_000), max_size=30),
    seed=st.integers(0, 3),
)
def test_any_cutting_gives_the_same_bits(rate_hz, cuts, seed):
    samples = noise(6_000, seed)
    whole = StreamingResampler(rate_hz, TARGET).push(samples)
    stream = StreamingResampler(rate_hz, TARGET)
    pieces = [stream.push(piece) for piece in np.split(samples, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_single_samples_give_the_same_bits():
    samples = noise(700)
    stream = StreamingResampler(44_100, TARGET)
    pieces = [stream.push(samples[index : index + 1]) for index in range(len(samples))]
    whole = StreamingResampler(44_100, TARGET).push(samples)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_long_input_in_one_piece_equals_short_pieces():
    samples = noise(120_000)
    stream = StreamingResampler(48_000, TARGET)
    pieces = [stream.push(samples[start : start + 960]) for start in range(0, 120_000, 960)]
    whole = StreamingResampler(48_000, TARGET).push(samples)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize('rate_hz', RATES)
def test_outputs_wait_for_no_more_than_the_latency(rate_hz):
    stream = StreamingResampler(rate_hz, TARGET)
    assert stream.latency_s < 0.004
    for _ in range(50):
        stream.push(noise(rate_hz // 50))
        lateness_s = stream.consumed / rate_hz - stream.produced / TARGET
        assert 0 <= lateness_s <= stream.latency_s + 1 / TARGET


@pytest.mark.parametrize('rate_hz', RATES)
@pytest.mark.parametrize('share', [0.05, 0.4, 0.85])
def test_a_tone_in_the_band_keeps_height_and_time(rate_hz, share):
    frequency_hz = share * min(rate_hz, TARGET) / 2
    got = StreamingResampler(rate_hz, TARGET).push(tone(frequency_hz, rate_hz))
    inner = slice(200, len(got) - 200)
    np.testing.assert_allclose(got[inner], tone(frequency_hz, TARGET)[inner], atol=2e-3)


@pytest.mark.parametrize('rate_hz', [22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize('frequency_hz', [8_450, 9_000, 10_500])
def test_a_tone_above_the_band_does_not_fold_back(rate_hz, frequency_hz):
    got = StreamingResampler(rate_hz, TARGET).push(tone(frequency_hz, rate_hz))
    assert np.abs(got[200:-200]).max() < 10 ** (-75 / 20)


@pytest.mark.parametrize('rate_hz', [8_000, 22_050, 44_100, 48_000])
def test_agrees_with_a_resampler_of_reference(rate_hz):
    samples = noise(rate_hz)
    got = StreamingResampler(rate_hz, TARGET).push(samples)
    reference = soxr.resample(samples.astype(np.float64), rate_hz, TARGET, quality='VHQ')
    count = min(len(got), len(reference)) - 400
    window = np.hanning(count)
    band = slice(0, int(0.85 * count * min(rate_hz, TARGET) / TARGET / 2))
    ours = np.fft.rfft(got[200 : 200 + count] * window)[band]
    theirs = np.fft.rfft(reference[200 : 200 + count] * window)[band]
    assert np.linalg.norm(ours - theirs) < 2e-3 * np.linalg.norm(theirs)


def test_equal_rates_pass_samples_through():
    stream = StreamingResampler(TARGET, TARGET)
    samples = noise(100)
    np.testing.assert_array_equal(stream.push(samples), samples)
    assert (stream.latency_s, stream.produced) == (0.0, 100)


def test_reset_forgets_the_past():
    samples = noise(3_000)
    stream = StreamingResampler(48_000, TARGET)
    first = stream.push(samples)
    stream.push(noise(777, seed=5))
    stream.reset()
    np.testing.assert_array_equal(stream.push(samples), first)


def test_memory_stays_flat_over_a_long_stream():
    stream = StreamingResampler(44_100, TARGET)
    for _ in range(400):
        stream.push(noise(882))
    assert len(stream._history) < 400


def test_a_rate_with_two_thousand_phases():
    got = StreamingResampler(44_056, TARGET).push(tone(500, 44_056))
    inner = slice(200, len(got) - 200)
    np.testing.assert_allclose(got[inner], tone(500, TARGET)[inner], atol=2e-3)
