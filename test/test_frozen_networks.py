"""Which frozen networks a network needs, and what is said where they are not here."""

import dataclasses
from pathlib import Path

import pytest

from activity_recognition import frozen_networks
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import MissingExtraError, WeightsError
from activity_recognition.frozen_networks import (
    demand_checkpoint,
    demand_networks,
    networks_of,
    networks_to_begin_with,
)
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.training.data.source import holds_any
from factories.networks import TINY, make_system, tokenizer_for
from factories.pose import FINDING

PEOPLE = load_model_config('people')
BOTH = 'movenet_lightning and yamnet are not on this machine'


@pytest.fixture
def nothing_here(tmp_path, monkeypatch) -> Path:
    """Folder of weights in which nothing lies, and no other place that has any."""
    folder = tmp_path / 'weights'
    folder.mkdir()
    monkeypatch.setenv('ACTIVITY_RECOGNITION_WEIGHTS', str(folder))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr('activity_recognition.weights.finding._in_package', lambda *_: None)
    return folder


def test_all_that_are_missing_are_named_with_one_command(nothing_here):
    with pytest.raises(WeightsError) as caught:
        demand_networks(PEOPLE)
    assert BOTH in str(caught.value)
    assert '`activity-recognition weights fetch movenet_lightning yamnet`' in str(caught.value)
    assert f'or put them into {nothing_here}' in str(caught.value)


def test_a_wrong_file_is_named_and_the_command_brings_the_missing_ones_too(nothing_here):
    (nothing_here / 'yamnet_spectrogram_int8.tflite').write_bytes(b'no network')
    with pytest.raises(WeightsError) as caught:
        demand_networks(PEOPLE)
    assert 'yamnet_spectrogram_int8.tflite: expected 4047424 bytes, got 10' in str(caught.value)
    assert (
        'the registered ones by `activity-recognition weights fetch movenet_lightning yamnet`'
        in (str(caught.value))
    )


def test_modalities_that_a_network_lacks_need_no_network(nothing_here):
    heard = dataclasses.replace(PEOPLE, modalities=('audio', 'text'))
    assert networks_of(heard) == ('yamnet',)
    with pytest.raises(WeightsError, match=r'yamnet is not on this machine: .*fetch yamnet`'):
        demand_networks(heard)
    demand_networks(dataclasses.replace(PEOPLE, modalities=('text',)))
    demand_networks(TINY)


def test_what_a_network_begins_with_is_demanded_beside_what_stays_before_it(nothing_here):
    named = {'backbone': '', 'word_vectors': ''}
    for setting in named:
        text = dataclasses.replace(PEOPLE.text, **named | {setting: 'minilm'})
        model = dataclasses.replace(PEOPLE, text=text)
        assert networks_of(model) == networks_of(PEOPLE)
        assert networks_to_begin_with(model) == ('minilm',)
    with pytest.raises(WeightsError, match='fetch movenet_lightning yamnet minilm`'):
        demand_networks(model, others=networks_to_begin_with(model))


def test_what_runs_them_is_demanded_as_well(nothing_here, monkeypatch):
    monkeypatch.setattr(frozen_networks.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(WeightsError, match=rf'{BOTH}.*LiteRT.*not installed: pip install'):
        demand_networks(PEOPLE)
    monkeypatch.setattr(frozen_networks, 'find_weights', Path)
    with pytest.raises(
        MissingExtraError, match=r'^LiteRT, which runs movenet_lightning and yamnet'
    ):
        demand_networks(PEOPLE)
    demand_networks(TINY)


def test_a_checkpoint_is_looked_at_without_its_weights(nothing_here, tmp_path):
    folder = tmp_path / 'checkpoint'
    save_checkpoint(folder, make_system(FINDING), tokenizer_for(FINDING))
    (folder / 'model.safetensors').unlink()
    with pytest.raises(WeightsError, match='movenet_lightning is not on this machine'):
        demand_checkpoint(folder)
    # Whoever loads these says what is wrong with them.
    demand_checkpoint(tmp_path / 'nothing')
    (folder / 'config.json').write_text('{')
    demand_checkpoint(folder)


def test_a_cache_counts_where_a_recording_is_whole_in_it(tmp_path):
    assert not holds_any(tmp_path / 'nothing')
    (tmp_path / 'cache' / '.part-1').mkdir(parents=True)
    assert not holds_any(tmp_path / 'cache')
