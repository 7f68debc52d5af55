"""YAMNet: its spectrogram is its authors', and an embedding follows from one patch alone."""

import numpy as np
import pytest

from activity_recognition.errors import ShapeError, WeightsError
from activity_recognition.front_ends.litert import ArrayForm, InnerArray, LiteRtNetwork
from activity_recognition.front_ends.yamnet import (
    CLASSES,
    COLUMNS,
    EMBEDDING,
    FLOOR,
    MELS,
    PATCH_SAMPLES,
    Yamnet,
    log_mel,
)
from activity_recognition.weights import find_weights

STEP = 0.047789
"""Of the network's input, which has 8 bits."""


@pytest.fixture
def authors_sound(weights_folder):
    """The sound of the network's authors, int16 at 16 kHz, and their spectrum of it."""
    sound = np.fromfile(weights_folder / 'yamnet_test_audio.bin', '<i2')
    spectrum = np.fromfile(weights_folder / 'yamnet_test_spectra.bin', '<f4')
    return sound, spectrum.reshape(COLUMNS, MELS)


@pytest.mark.real
def test_the_spectrogram_is_its_authors(authors_sound):
    sound, expected = authors_sound
    assert len(sound) == PATCH_SAMPLES
    # This spectrum is of the sound with its peak at 1, and of a floor of 0.01.
    loud = sound.astype(np.float32) / np.abs(sound.astype(np.float32)).max()
    found = log_mel(loud, floor=0.01)
    assert found.dtype == np.float32
    # A ten-thousandth of a step of the network's input.
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.real
def test_the_network_takes_the_floor_that_it_was_trained_with(weights_folder):
    pytest.importorskip('ai_edge_litert')
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(find_weights('yamnet')))
    scale, zero = next(
        item['quantization']
        for item in interpreter.get_tensor_details()
        if tuple(item['shape']) == (1, COLUMNS, MELS) and item['dtype'] is np.int8
    )
    assert scale == pytest.approx(STEP, rel=1e-4)
    # The least value of 8 bits is what silence has, to half a step.
    assert (-128 - zero) * scale == pytest.approx(np.log(FLOOR), abs=scale / 2)


@pytest.mark.real
def test_it_hears_that_somebody_speaks(authors_sound):
    sound, _ = authors_sound
    heard = Yamnet().hear(sound.astype(np.float32) / 32768)
    assert heard.embedding.shape == (EMBEDDING,)
    assert heard.embedding.dtype == np.float16
    assert (heard.embedding >= 0).all()
    assert heard.scores.shape == (CLASSES,)
    assert heard.scores.argmax() == 0  # speech
    assert heard.scores[0] > 0.5
    assert np.sort(heard.scores)[-2] < 0.3


@pytest.mark.real
def test_a_patch_follows_from_nothing_but_itself(authors_sound):
    sound, _ = authors_sound
    patch, other = sound.astype(np.float32) / 32768, np.zeros(PATCH_SAMPLES, np.float32)
    network = Yamnet()
    first = network.hear(patch)
    between = network.hear(other)
    again = network.hear(patch.copy())
    np.testing.assert_array_equal(first.embedding, again.embedding)
    np.testing.assert_array_equal(first.scores, again.scores)
    assert not np.array_equal(first.embedding, between.embedding)


@pytest.mark.real
def test_a_patch_of_another_length_is_refused(weights_folder):
    with pytest.raises(ShapeError, match=r'expected float32 \(1, 96, 64\), got .* \(1, 97, 64\)'):
        Yamnet().hear(np.zeros(PATCH_SAMPLES + 160, np.float32))


def test_silence_is_the_floor_and_a_tone_lies_in_its_band():
    silent = log_mel(np.zeros(PATCH_SAMPLES, np.float32))
    np.testing.assert_allclose(silent, np.full((COLUMNS, MELS), np.log(FLOOR)), rtol=1e-6)
    time_s = np.arange(PATCH_SAMPLES) / 16_000
    peaks = []
    for tone_hz in (200, 1000, 4000, 7000):
        tone = np.sin(2 * np.pi * tone_hz * time_s).astype(np.float32)
        peaks.append(int(log_mel(tone).mean(0).argmax()))
    # Centres of the bands by HTK's mels from 125 to 7500 Hz.
    edges = np.linspace(*(1127 * np.log1p(np.array([125, 7500]) / 700)), MELS + 2)[1:-1]
    centres_hz = 700 * np.expm1(edges / 1127)
    assert peaks == [
        int(np.abs(centres_hz - tone_hz).argmin()) for tone_hz in (200, 1000, 4000, 7000)
    ]


def test_columns_follow_from_their_own_samples():
    rng = np.random.default_rng(0)
    sound = rng.normal(size=PATCH_SAMPLES).astype(np.float32)
    later = sound.copy()
    later[400 + 10 * 160 :] = 0  # behind the eleventh column
    np.testing.assert_allclose(log_mel(sound)[:11], log_mel(later)[:11], atol=1e-5)
    assert not np.allclose(log_mel(sound)[11], log_mel(later)[11])


@pytest.mark.real
def test_another_network_is_refused(weights_folder):
    path = find_weights('yamnet')
    forms = {
        'inputs': [ArrayForm((1, COLUMNS, MELS), 'float32')],
        'outputs': [ArrayForm((1, CLASSES), 'float32')],
    }
    with pytest.raises(WeightsError, match=r'expected a tensor nothing .* got none of that name'):
        LiteRtNetwork(path, **forms, inner=[InnerArray('nothing', (1, 2))])
    with pytest.raises(WeightsError, match=r'of shape \(1, 2\) inside, got \(1, 1, 1, 1024\)'):
        LiteRtNetwork(
            path, **forms, inner=[InnerArray('tower0/network/layer28/reduce_mean', (1, 2))]
        )
