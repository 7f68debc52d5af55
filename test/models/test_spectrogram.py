import dataclasses

import numpy as np
import pytest
import torch
import torchaudio

from activity_recognition.config import AudioConfig
from activity_recognition.config_io import MODEL_PRESETS, load_model_config
from activity_recognition.models.spectrogram import FLOOR, LOWEST_HZ, MEAN, SCALE, LogMelBlocks
from factories.networks import TINY

AUDIO = TINY.audio
SILENCE = (np.log(FLOOR) - MEAN) / SCALE


def tone(frequency_hz, seconds, rate_hz=8000):
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def noise(count, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(count).astype(dtype)


@pytest.mark.parametrize('length', [0, 1, 495, 496, 815, 816, 8000])
def test_blocks_are_those_whose_samples_are_all_there(length):
    """A block of 4 columns, 80 apart, under a transform of 256 spans 496 samples; the next 320."""
    transform = LogMelBlocks(AUDIO)
    count = max(0, (length - 496) // 320 + 1)
    assert transform.num_blocks(length) == count
    assert transform(np.zeros(length, np.float32)).shape == (count, 4, AUDIO.num_mels)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('length', [0, 1000])
def test_the_dtype_is_what_was_asked_for(dtype, length):
    assert LogMelBlocks(AUDIO, dtype=dtype)(noise(length, np.float32)).dtype == dtype


def test_the_grid_is_anchored_at_the_first_sample():
    samples = noise(4000)
    transform = LogMelBlocks(AUDIO, dtype=np.float64)
    whole = transform(samples)
    for index in range(len(whole)):
        start = index * transform.block_hop
        part = transform(samples[start : start + transform.block_span])
        np.testing.assert_allclose(part, whole[index : index + 1], atol=1e-12, rtol=0)


@pytest.mark.parametrize('preset', ['tiny', *MODEL_PRESETS])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(np.float64, 1e-12), (np.float32, 3e-7)])
def test_energies_are_those_of_torchaudio(preset, dtype, tolerance):
    """To rounding, of the loudest band: transforms of other libraries add up in other orders."""
    config = AUDIO if preset == 'tiny' else load_model_config(preset).audio
    reference = torchaudio.transforms.MelSpectrogram(
        sample_rate=config.sample_rate_hz,
        n_fft=config.fft_samples,
        win_length=config.frame_samples,
        hop_length=config.hop_samples,
        f_min=LOWEST_HZ,
        n_mels=config.num_mels,
        center=False,
        window_fn=lambda length: torch.hann_window(length, dtype=torch.float64),
    ).to(torch.float64 if dtype is np.float64 else torch.float32)
    reference.mel_scale.fb = reference.mel_scale.fb.to(reference.spectrogram.window.dtype)
    columns = 23
    samples = noise((columns - 1) * config.hop_samples + config.fft_samples, dtype)
    expected = reference(torch.from_numpy(samples)).T.numpy()
    found = LogMelBlocks(config, dtype=dtype).energies(samples, columns)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * expected.max()


def test_silence_is_the_floor_and_finite():
    values = LogMelBlocks(AUDIO)(np.zeros(1000, np.float32))
    np.testing.assert_allclose(values, SILENCE, rtol=1e-6)


def test_a_tone_lights_up_its_mel_band():
    transform = LogMelBlocks(dataclasses.replace(AUDIO, num_mels=16))
    low, high = (transform(tone(f, 0.5)).mean((0, 1)).argmax() for f in (200.0, 3000.0))
    assert low < 4
    assert high > 11


def test_loudness_is_kept():
    """Nothing is normalised over time: ten times the amplitude is log(100) more energy."""
    transform = LogMelBlocks(AUDIO)
    loud, soft = transform(tone(1000.0, 0.5)), transform(0.1 * tone(1000.0, 0.5))
    band = loud.mean((0, 1)).argmax()
    difference = (loud - soft)[..., band].mean()
    assert difference == pytest.approx(np.log(100) / SCALE, rel=1e-3)


@pytest.mark.parametrize('rate_hz', [8000, 16000, 48000])
def test_25_blocks_a_second_at_any_rate(rate_hz):
    config = AudioConfig(sample_rate_hz=rate_hz)
    assert config.token_rate_hz == pytest.approx(25.0)
    assert LogMelBlocks(config).block_hop == rate_hz // 25


@pytest.mark.parametrize('preset', MODEL_PRESETS)
def test_no_mel_band_of_a_preset_is_deaf(preset):
    bands = LogMelBlocks(load_model_config(preset).audio).bands
    assert bands.sum(0).min() > 0
