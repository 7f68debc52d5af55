"""What makes YAMNet's scores of its embedding, taken out of its file."""

import numpy as np
import pytest

from activity_recognition.errors import WeightsError
from activity_recognition.front_ends.litert import ArrayForm, InnerArray, LiteRtNetwork
from activity_recognition.front_ends.yamnet import (
    CLASSES,
    EMBEDDING,
    PATCH_SAMPLES,
    Yamnet,
    class_names,
)
from factories.tflite import TfliteBuilder

STEP = 0.308128
"""Of what the file's sigmoid takes, which has 8 bits; its scores have 8 bits, too."""


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


@pytest.mark.real
def test_it_gives_the_scores_of_the_file(weights_folder):
    """To one step of what the file rounds, in all classes, over sounds of all kinds."""
    rng = np.random.default_rng(0)
    speech = np.fromfile(weights_folder / 'yamnet_test_audio.bin', '<i2').astype(np.float32)
    time_s = np.arange(PATCH_SAMPLES) / 16_000
    patches = [
        speech / 32768,
        rng.normal(0, 0.2, PATCH_SAMPLES).astype(np.float32),
        (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32),
        ((time_s * 8 % 1 < 0.02) * 0.8).astype(np.float32),
        np.zeros(PATCH_SAMPLES, np.float32),
    ]
    known = Yamnet()
    weights, biases = known.classifier()
    assert weights.shape == (CLASSES, EMBEDDING)
    for patch in patches:
        heard = known.hear(patch)
        logits = weights @ heard.embedding.astype(np.float32) + biases
        assert np.ptp(logits) > 5
        least, most = sigmoid(logits - STEP) - 1 / 256, sigmoid(logits + STEP) + 1 / 256
        assert ((least <= heard.scores) & (heard.scores <= most)).all()
        # And nearly always to half of one.
        half = np.abs(sigmoid(logits) - heard.scores)
        assert (half <= 0.25 * STEP / 2 + 1 / 256).mean() > 0.98


@pytest.mark.real
def test_names_stand_in_the_order_of_the_scores(weights_folder):
    sound = np.fromfile(weights_folder / 'yamnet_test_audio.bin', '<i2').astype(np.float32) / 32768
    class_names.cache_clear()
    names = class_names()
    assert len(names) == CLASSES
    assert names[int(Yamnet().hear(sound).scores.argmax())] == 'Speech'
    assert names[96] == 'Crowing, cock-a-doodle-doo'


def test_constants_of_a_network_that_has_none_of_the_name(tmp_path):
    pytest.importorskip('ai_edge_litert')
    net = TfliteBuilder()
    given = net.tensor('given', (1, 4))
    held = net.constant('held', np.arange(4, dtype=np.float32)[None])
    from ai_edge_litert import schema_py_generated as schema

    found = net.operator('ADD', (given, held), net.tensor('found', (1, 4)), schema.AddOptionsT())
    path = net.write(tmp_path / 'adding.tflite', [given], [found])
    form = (ArrayForm((1, 4), 'float32'),)
    network = LiteRtNetwork(path, inputs=form, outputs=form, inner=(InnerArray('given', (1, 4)),))
    np.testing.assert_array_equal(network.constant('held', (1, 4)), [[0, 1, 2, 3]])
    with pytest.raises(
        WeightsError, match=r'expected a tensor lost of shape \(1, 4\) inside, got n'
    ):
        network.constant('lost', (1, 4))
    with pytest.raises(
        WeightsError, match=r'expected a tensor held of shape \(2, 4\) inside, got \('
    ):
        network.constant('held', (2, 4))
