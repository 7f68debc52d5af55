"""The resampler: the same bits however the input is cut, little lateness, and a clean band."""

import math

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.sensors.resampler import (
    MAX_BANK_VALUES,
    StreamingResampler,
    filter_bank,
)

USUAL_RATES = (
    *(8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 37_800, 44_100, 48_000, 64_000, 88_200),
    *(96_000, 176_400, 192_000, 384_000),
)
ANY_RATE = st.integers(1_000, 384_000)
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


def filter_of_every_phase(source_hz, target_hz):
    """Return the filter that checkpoints were trained with, written out again."""
    phases = target_hz // math.gcd(source_hz, target_hz)
    nyquist = min(source_hz, target_hz) / 2
    cutoff = 0.95 * nyquist / source_hz
    width = 2 * math.pi * 2 * 0.1 * nyquist / source_hz
    half = math.ceil((80 - 7.95) / (2.285 * width) / 2) + 1
    beta = 0.1102 * (80 - 8.7)
    offset = np.arange(-half + 1, half + 1)[:, None] - np.arange(phases)[None, :] / phases
    window = np.i0(beta * np.sqrt(np.clip(1 - (offset / half) ** 2, 0, None))) / np.i0(beta)
    bank = 2 * cutoff * np.sinc(2 * cutoff * offset) * window
    return (bank / bank.sum(axis=0)).astype(np.float32)


@pytest.mark.parametrize('rate_hz', USUAL_RATES)
def test_usual_rates_have_a_phase_for_every_output(rate_hz):
    bank = filter_bank(rate_hz, TARGET)
    np.testing.assert_array_equal(bank.coefficients, filter_of_every_phase(rate_hz, TARGET))
    samples = noise(3_000)
    padded = np.concatenate((np.zeros(bank.taps // 2 - 1, np.float32), samples))
    got = StreamingResampler(rate_hz, TARGET).push(samples)
    for index in (0, 1, len(got) // 2, len(got) - 1):
        place, phase = divmod(index * rate_hz, TARGET)
        column = phase * bank.coefficients.shape[1] // TARGET
        terms = padded[place : place + bank.taps] * bank.coefficients[:, column]
        assert got[index] == pytest.approx(terms.sum(dtype=np.float64), abs=1e-6)


@settings(max_examples=300)
@given(source_hz=ANY_RATE, target_hz=st.sampled_from([4_000, 8_000, 16_000, 22_050, 192_000]))
def test_no_pair_of_rates_needs_a_large_filter(source_hz, target_hz):
    if source_hz == target_hz:
        source_hz += 1
    bank = filter_bank.__wrapped__(source_hz, target_hz)
    assert bank.coefficients.size <= MAX_BANK_VALUES
    # A filter reaches over a fixed number of samples of the slower rate.
    assert bank.taps <= 55 * max(1.0, source_hz / target_hz)
    np.testing.assert_allclose(bank.coefficients.sum(axis=0), 1, atol=1e-5)


def test_rates_that_alternate_do_not_pile_up():
    for rate_hz in range(300_001, 300_401, 2):
        StreamingResampler(rate_hz, TARGET)
    before = filter_bank.cache_info()
    assert before.currsize * MAX_BANK_VALUES * 4 <= 16 * 1024 * 1024
    for rate_hz in (383_999, 16_000, 47_999) * 20:
        StreamingResampler(rate_hz, TARGET)
    assert filter_bank.cache_info().misses - before.misses <= 2


@settings(max_examples=40)
@given(
    rate_hz=ANY_RATE,
    cuts=st.lists(st.integers(0, 6_000), max_size=30),
    target_hz=st.sampled_from([8_000, 16_000, 22_050]),
)
def test_any_cutting_at_any_rate_gives_the_same_bits(rate_hz, cuts, target_hz):
    samples = noise(6_000)
    whole = StreamingResampler(rate_hz, target_hz).push(samples)
    stream = StreamingResampler(rate_hz, target_hz)
    pieces = [stream.push(piece) for piece in np.split(samples, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    # Outputs lie as close as the rates say, and wait for half the filter.
    waited = stream.consumed - round(stream.latency_s * rate_hz)
    assert stream.produced == max(0, -(-waited * target_hz // rate_hz))


@pytest.mark.parametrize('rate_hz', [1_001, 7_919, 15_999, 16_001, 44_056, 47_999, 383_999])
@pytest.mark.parametrize('share', [0.05, 0.4, 0.85])
def test_a_tone_keeps_height_and_time_at_an_unusual_rate(rate_hz, share):
    frequency_hz = share * min(rate_hz, TARGET) / 2
    got = StreamingResampler(rate_hz, TARGET).push(tone(frequency_hz, rate_hz, 0.25))
    inner = slice(len(got) // 4, -len(got) // 4)
    np.testing.assert_allclose(got[inner], tone(frequency_hz, TARGET)[: len(got)][inner], atol=2e-3)


@pytest.mark.parametrize('rate_hz', [44_056, 47_999, 95_999, 383_999])
@pytest.mark.parametrize('frequency_hz', [8_450, 9_000, 10_500])
def test_a_tone_above_the_band_does_not_fold_back_at_an_unusual_rate(rate_hz, frequency_hz):
    got = StreamingResampler(rate_hz, TARGET).push(tone(frequency_hz, rate_hz, 0.25))
    assert np.abs(got[200:-200]).max() < 10 ** (-75 / 20)


@pytest.mark.parametrize('rate_hz', [44_099, 47_999])
def test_phases_that_are_interpolated_are_near_those_of_every_output(rate_hz):
    samples = noise(rate_hz // 4)
    got = StreamingResampler(rate_hz, TARGET).push(samples)
    every = filter_of_every_phase(rate_hz, TARGET)
    padded = np.concatenate((np.zeros(len(every) // 2 - 1, np.float32), samples))
    place, phase = np.divmod(np.arange(len(got)) * rate_hz, TARGET)
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(every))[place]
    expected = np.einsum('nt,tn->n', windows.astype(np.float64), every[:, phase])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_rate_with_two_thousand_phases():
    got = StreamingResampler(44_056, TARGET).push(tone(500, 44_056))
    inner = slice(200, len(got) - 200)
    np.testing.assert_allclose(got[inner], tone(500, TARGET)[inner], atol=2e-3)
