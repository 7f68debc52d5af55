"""Settings of a backbone that knows sounds: refused where they make no sense, absent by default."""

import dataclasses

import pytest

from activity_recognition.config import AudioConfig, ModelConfig
from activity_recognition.config_io import build_stored_config, load_model_config, to_stored_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.modalities import SPEC
from activity_recognition.models.system import batch_keys
from activity_recognition.types import Modality


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        ({'backbone': 'vggish'}, r"audio\.backbone must be one of yamnet, .* got 'vggish'"),
        ({'backbone': 'yamnet', 'sample_rate_hz': 8000}, r'sample_rate_hz must be 16000 .* 8000'),
        (
            {'backbone': 'yamnet', 'backbone_hop_s': 0.5},
            r'backbone_hop_s must be a multiple of 0\.04 s, .* got 0\.5',
        ),
        (
            {'backbone': 'yamnet', 'channels': (), 'window_s': 0.3},
            r'window_s: expected no less than audio\.backbone_hop_s, .* got 0\.3 and 0\.48',
        ),
        ({'backbone': 'yamnet', 'channels': (8,)}, r'needs two entries, or none with .*\(8,\)'),
        ({'channels': ()}, r'channels needs two entries, or none with audio\.backbone, got \(\)'),
    ],
)
def test_what_makes_no_sense_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        AudioConfig(**settings)


def test_a_network_without_one_is_stored_as_before():
    assert not {name for name in to_stored_mapping(AudioConfig()) if 'backbone' in name}


def test_one_is_stored_and_read():
    audio = AudioConfig(backbone='yamnet', channels=(), backbone_sha256=('ab',))
    config = ModelConfig(audio=audio)
    assert build_stored_config(ModelConfig, to_stored_mapping(config), where='model') == config


def test_tokens_come_as_often_as_patches_where_these_are_all():
    beside = AudioConfig(backbone='yamnet')
    alone = dataclasses.replace(beside, channels=())
    assert beside.token_rate_hz == 25
    assert alone.token_rate_hz == pytest.approx(1 / 0.48)
    assert not beside.tokens_are_patches
    assert alone.tokens_are_patches


def test_the_arrays_of_a_network():
    def names(audio):
        config = ModelConfig(audio=audio)
        found = [array.name for array in SPEC[Modality.AUDIO].arrays_for(config)]
        assert set(found) == {
            name
            for name in batch_keys([Modality.AUDIO], config)
            if name in ('spectrograms', 'sound_embeddings')
        }
        return found

    assert names(AudioConfig()) == ['spectrograms']
    assert names(AudioConfig(backbone='yamnet')) == ['spectrograms', 'sound_embeddings']
    assert names(AudioConfig(backbone='yamnet', channels=())) == ['sound_embeddings']


def test_the_preset_is_small_and_hears_alone():
    model = load_model_config('sound_yamnet')
    assert model.modalities == ('audio',)
    assert model.audio.tokens_are_patches
