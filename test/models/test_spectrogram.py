import dataclasses

import numpy as np
import pytest
import torch

from activity_recognition.config import AudioConfig
from activity_recognition.config_io import MODEL_PRESETS, load_model_config
from activity_recognition.models.spectrogram import FLOOR, MEAN, SCALE, LogMelBlocks
from factories.networks import TINY

AUDIO = TINY.audio
SILENCE = (np.log(FLOOR) - MEAN) / SCALE


def tone(frequency_hz, seconds, rate_hz=8000):
    return torch.sin(2 * torch.pi * frequency_hz * torch.arange(int(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize('length', [0, 1, 495, 496, 815, 816, 8000])
def test_blocks_are_those_whose_samples_are_all_there(length):
    """A block of 4 columns, 80 apart, under a transform of 256 spans 496 samples; the next 320."""
    transform = LogMelBlocks(AUDIO)
    count = max(0, (length - 496) // 320 + 1)
    assert transform.num_blocks(length) == count
    assert transform(torch.zeros(length)).shape == (count, 4, AUDIO.num_mels)


def test_the_grid_is_anchored_at_the_first_sample():
    torch.manual_seed(0)
    samples = torch.randn(4000, dtype=torch.float64)
    transform = LogMelBlocks(AUDIO).double()
    whole = transform(samples)
    for index in range(len(whole)):
        start = index * transform.block_hop
        part = transform(samples[start : start + transform.block_span])
        torch.testing.assert_close(part, whole[index : index + 1], atol=1e-12, rtol=0)


def test_energies_are_those_of_torchaudio():
    """Bit for bit: a network that was trained with the one hears the other."""
    torch.manual_seed(0)
    transform = LogMelBlocks(AUDIO)
    samples = torch.randn(816)
    assert torch.equal(transform._energies(samples), transform.mel(samples).T)


def test_silence_is_the_floor_and_finite():
    values = LogMelBlocks(AUDIO)(torch.zeros(1000))
    torch.testing.assert_close(values, torch.full_like(values, SILENCE))


def test_a_tone_lights_up_its_mel_band():
    transform = LogMelBlocks(dataclasses.replace(AUDIO, num_mels=16))
    low, high = (transform(tone(f, 0.5)).mean((0, 1)).argmax().item() for f in (200.0, 3000.0))
    assert low < 4
    assert high > 11


def test_loudness_is_kept():
    """Nothing is normalised over time: ten times the amplitude is log(100) more energy."""
    transform = LogMelBlocks(AUDIO)
    loud, soft = transform(tone(1000.0, 0.5)), transform(0.1 * tone(1000.0, 0.5))
    band = loud.mean((0, 1)).argmax()
    difference = (loud - soft)[..., band].mean().item()
    assert difference == pytest.approx(np.log(100) / SCALE, rel=1e-3)


def test_autocast_does_not_touch_the_mel_filters():
    torch.manual_seed(0)
    samples = torch.randn(4000) * 0.01
    transform = LogMelBlocks(AUDIO)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        rough = transform(samples)
    assert torch.equal(rough, transform(samples))


@pytest.mark.parametrize('rate_hz', [8000, 16000, 48000])
def test_25_blocks_a_second_at_any_rate(rate_hz):
    config = AudioConfig(sample_rate_hz=rate_hz)
    assert config.token_rate_hz == pytest.approx(25.0)
    assert LogMelBlocks(config).block_hop == rate_hz // 25


@pytest.mark.parametrize('preset', MODEL_PRESETS)
def test_no_mel_band_of_a_preset_is_deaf(preset):
    bands = LogMelBlocks(load_model_config(preset).audio).mel.mel_scale.fb
    assert bands.sum(0).min() > 0
