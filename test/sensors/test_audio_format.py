"""PCM formats against numbers written by hand."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import DecodeError, UnsupportedEncodingError
from activity_recognition.sensors import AudioFormat, ChannelSelector
from activity_recognition.sensors.audio_format import pcm_to_channels

PACKED = {
    'U8': (b'\x80\xff\x00\xc0', [0.0, 127 / 128, -1.0, 0.5]),
    'S8': (b'\x00\x7f\x80\x40', [0.0, 127 / 128, -1.0, 0.5]),
    'S16LE': (struct.pack('<4h', 0, 32767, -32768, 16384), [0.0, 32767 / 32768, -1.0, 0.5]),
    'S16BE': (struct.pack('>4h', 0, 32767, -32768, 16384), [0.0, 32767 / 32768, -1.0, 0.5]),
    'S24LE': (
        b'\x00\x00\x00\xff\xff\x7f\x00\x00\x80\x00\x00\x40',
        [0.0, 8388607 / 8388608, -1.0, 0.5],
    ),
    'S32LE': (struct.pack('<4i', 0, 2**30, -(2**31), -(2**29)), [0.0, 0.5, -1.0, -0.25]),
    'S32BE': (struct.pack('>4i', 0, 2**30, -(2**31), -(2**29)), [0.0, 0.5, -1.0, -0.25]),
    'F32LE': (struct.pack('<4f', 0.0, 0.25, -1.0, 3.0), [0.0, 0.25, -1.0, 1.0]),
    'F32BE': (struct.pack('>4f', 0.0, 0.25, -1.0, -3.0), [0.0, 0.25, -1.0, -1.0]),
    'F64LE': (struct.pack('<4d', 0.0, 0.25, -1.0, 3.0), [0.0, 0.25, -1.0, 1.0]),
}


def raw(data):
    return np.frombuffer(data, np.uint8)


def pcm_to_mono(data, audio_format):
    """Return the mean of the channels, as an audio decoder takes it by default."""
    selector = ChannelSelector('mean', sample_rate_hz=audio_format.sample_rate_hz)
    return selector.push(pcm_to_channels(data, audio_format))


def test_channels_come_side_by_side():
    data = raw(struct.pack('<6h', 0, 16384, 8192, -16384, -32768, 4096))
    samples = pcm_to_channels(data, AudioFormat(channels=2))
    assert samples.dtype == np.float32
    assert samples.tolist() == [[0.0, 0.5], [0.25, -0.5], [-1.0, 0.125]]


def test_a_mean_of_floats_beyond_all_measure_is_full_scale():
    data = raw(struct.pack('<4f', 3e38, 3e38, -3e38, -3e38))
    mono = pcm_to_mono(data, AudioFormat(sample_format='F32LE', channels=2))
    assert mono.tolist() == [1.0, -1.0]


@pytest.mark.parametrize('name', PACKED)
def test_samples_of_every_format(name):
    data, expected = PACKED[name]
    mono = pcm_to_mono(raw(data), AudioFormat(sample_format=name))
    assert mono.dtype == np.float32
    np.testing.assert_allclose(mono, np.array(expected, np.float32), rtol=0, atol=1e-7)


@pytest.mark.parametrize('name', PACKED)
@pytest.mark.parametrize('channels', [2, 4])
def test_channels_are_mixed_by_their_mean(name, channels):
    data, expected = PACKED[name]
    mono = pcm_to_mono(raw(data), AudioFormat(sample_format=name, channels=channels))
    means = np.array(expected, np.float32).reshape(-1, channels).mean(axis=1)
    if name.startswith('F'):  # the mean is taken first, the limit applied afterwards
        means = (
            np.frombuffer(data, {'F32LE': '<f4', 'F32BE': '>f4', 'F64LE': '<f8'}[name])
            .reshape(-1, channels)
            .mean(axis=1)
            .clip(-1, 1)
        )
    np.testing.assert_allclose(mono, means, atol=1e-7)


@pytest.mark.parametrize(
    ('name', 'channels', 'size'), [('S16LE', 1, 3), ('S16LE', 2, 6), ('S24LE', 1, 4), ('U8', 3, 4)]
)
def test_part_of_a_sample_is_refused(name, channels, size):
    with pytest.raises(DecodeError, match=f'{size} bytes are no multiple'):
        pcm_to_mono(raw(bytes(size)), AudioFormat(sample_format=name, channels=channels))


@pytest.mark.parametrize('value', [float('nan'), float('inf'), float('-inf')])
@pytest.mark.parametrize('name', ['F32LE', 'F64LE'])
def test_samples_that_are_no_numbers_are_refused(name, value):
    data = struct.pack('<3f' if name == 'F32LE' else '<3d', 0.0, value, 0.5)
    with pytest.raises(DecodeError, match='1 of 3 are NaN'):
        pcm_to_mono(raw(data), AudioFormat(sample_format=name))


def test_doubles_too_large_for_floats_are_refused():
    with pytest.raises(DecodeError, match='infinite'):
        pcm_to_mono(raw(struct.pack('<d', 1e300)), AudioFormat(sample_format='F64LE'))


@pytest.mark.parametrize(
    'fields',
    [{'sample_rate_hz': 0}, {'sample_rate_hz': 10**6}, {'channels': 0}, {'channels': 65}],
)
def test_formats_that_no_sound_card_has(fields):
    with pytest.raises(DecodeError, match='must lie in'):
        AudioFormat(**fields)


def test_an_unknown_sample_format_names_the_known_ones():
    with pytest.raises(UnsupportedEncodingError, match='S16LE'):
        AudioFormat(sample_format='S18LE')


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(PACKED)),
    channels=st.integers(1, 5),
    cut=st.integers(0, 40),
    seed=st.integers(0, 100),
)
def test_cutting_the_bytes_elsewhere_changes_no_sample(name, channels, cut, seed):
    audio_format = AudioFormat(sample_format=name, channels=channels)
    size = audio_format.bytes_per_sample * channels
    if name.startswith('F'):
        values = np.random.default_rng(seed).normal(0, 0.4, 40 * channels)
        data = values.astype({'F32LE': '<f4', 'F32BE': '>f4', 'F64LE': '<f8'}[name]).tobytes()
    else:
        data = np.random.default_rng(seed).bytes(40 * size)
    whole = pcm_to_mono(raw(data), audio_format)
    parts = [
        pcm_to_mono(raw(data[: cut * size]), audio_format),
        pcm_to_mono(raw(data[cut * size :]), audio_format),
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
