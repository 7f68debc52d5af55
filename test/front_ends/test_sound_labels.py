"""The written map from YAMNet's sounds to activities."""

import csv

import numpy as np
import pytest

from activity_recognition.errors import ConfigError
from activity_recognition.front_ends.sound_labels import (
    LEAST,
    label_log_scores,
    read_sound_map,
    sound_map,
)
from activity_recognition.front_ends.yamnet import CLASSES, PATCH_SAMPLES, Yamnet


@pytest.mark.real
def test_the_sounds_are_called_what_the_network_calls_them(weights_folder):
    with (weights_folder / 'yamnet_class_map.csv').open(encoding='utf-8', newline='') as file:
        names = {int(row['index']): row['display_name'] for row in csv.DictReader(file)}
    for sounds in sound_map().values():
        assert {index: names[index] for index in sounds} == dict(sounds)


def test_no_sound_speaks_for_two_labels():
    indices = [index for sounds in sound_map().values() for index in sounds]
    assert len(set(indices)) == len(indices)


def test_a_label_is_heard_where_any_of_its_sounds_is():
    scores = np.zeros((2, CLASSES), np.float32)
    scores[0, [378, 380]] = 0.5, 0.25  # typing, a computer keyboard
    found = label_log_scores(scores, ['typing', 'knocking', 'waving'])
    assert found[0, 0] == pytest.approx(np.log(1 - 0.5 * 0.75))
    assert found[1, 0] == found[0, 1] == pytest.approx(np.log(LEAST))
    assert np.isnan(found[:, 2]).all()


def test_scores_of_one_are_certain():
    assert label_log_scores(np.ones(CLASSES), ['talking']).tolist() == [0.0]


@pytest.mark.real
def test_the_authors_sound_is_somebody_talking(weights_folder):
    sound = np.fromfile(weights_folder / 'yamnet_test_audio.bin', '<i2').astype(np.float32) / 32768
    assert len(sound) == PATCH_SAMPLES
    labels = list(sound_map())
    found = label_log_scores(Yamnet().hear(sound).scores, labels)
    assert labels[int(found.argmax())] == 'talking'


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('typing: {}', r"map\.yaml: 'typing': expected sounds by their index, got \{\}"),
        ('typing: 378', r'expected sounds by their index, got 378'),
        ('typing: {521: Typing}', r'from 0 to 520 and a name, got 521'),
        ('typing: {yes: Typing}', r'from 0 to 520 and a name, got True'),
        ('typing: {378: 1}', r'and a name, got 378: 1'),
    ],
)
def test_another_map_is_refused_in_a_sentence(tmp_path, content, said):
    path = tmp_path / 'map.yaml'
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_sound_map(path)
