"""Embeddings of a frozen network: kept as the node computes them, and never computed again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import CheckpointError, WeightsError
from activity_recognition.front_ends.yamnet import Yamnet
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.trace import dense_recording
from activity_recognition.models.pretrained import with_backbones
from activity_recognition.simulation import ACTIVITIES
from activity_recognition.streams import windows
from activity_recognition.training.augmentation import augment
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.cache import (
    Preparation,
    cache_recording,
    for_modalities,
    preprocessing,
    recording_key,
)
from activity_recognition.training.data.crops import collate, cut_crop, plan_regularly
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.sharding.samples import from_samples, to_samples
from factories.networks import HEARING, HEARING_ALONE, TINY, make_checkpoint, tokenizer_for

BESIDE, ALONE = (
    dataclasses.replace(config, labels=ACTIVITIES, modalities=('audio',))
    for config in (HEARING, HEARING_ALONE)
)
NETWORKS = pytest.mark.parametrize('model', [BESIDE, ALONE], ids=['beside', 'alone'])


def preparation(recordings: Path, cache: Path, model: ModelConfig) -> Preparation:
    return Preparation(
        recording=recordings / 'recording_0', cache=cache, model=model, sync=SyncConfig()
    )


@pytest.mark.real
@pytest.mark.usefixtures('weights_folder')
@NETWORKS
def test_what_is_kept_is_what_the_node_computes(recordings: Path, tmp_path: Path, model):
    prepared = cache_recording(preparation(recordings, tmp_path, model))
    assert not isinstance(prepared, str), prepared
    (segment,) = prepared.segments(ACTIVITIES)
    kept = segment.batch()['sound_embeddings'][0]
    assert kept.dtype == np.float16
    with RecordingReader.for_model(recordings / 'recording_0', model, SyncConfig()) as reader:
        trace = list(windows(reader.samples(), SyncConfig(), until_ns=reader.until_ns))
    (arrays,) = dense_recording(trace, model, tokenizer_for(TINY))
    np.testing.assert_array_equal(kept, arrays['sound_embeddings'])
    assert kept[-1, -1] == 1
    assert ('spectrograms' in arrays) == (model is BESIDE)


@pytest.mark.real
@NETWORKS
def test_what_is_kept_is_taken_without_the_backbone(
    recordings: Path, tmp_path: Path, model, weights_folder, monkeypatch
):
    first = cache_recording(preparation(recordings, tmp_path, model))
    assert not isinstance(first, str), first

    def refuse(*_):
        raise AssertionError('the backbone was asked for')

    monkeypatch.setattr(Yamnet, '__init__', refuse)
    monkeypatch.setattr(Yamnet, 'hear', refuse)
    # Also with the network that training makes of the recipe's.
    again = cache_recording(preparation(recordings, tmp_path, with_backbones(model)))
    assert again == first
    segments = first.segments(ACTIVITIES)
    config = TrainConfig(crop_s=5.0)
    crops = [
        augment(cut_crop(segments[plan.segment], plan, config, model), (1,), CHANGES, model)
        for plan in plan_regularly(segments, config)
    ]
    batch = collate(crops)
    assert batch['sound_embeddings'].dtype == np.float16
    assert batch['sound_embeddings'].shape[:2] == batch['spectrogram_mask'].shape
    assert not batch['sound_embeddings'][~batch['spectrogram_mask']].any()


CHANGES = AugmentationConfig(tempo=0.3, noise_db=20.0, time_masks=1)


@pytest.mark.real
@pytest.mark.usefixtures('weights_folder')
@NETWORKS
def test_shards_hold_them(recordings: Path, model):
    arrays = preprocess_recording(recordings / 'recording_0', model, SyncConfig())
    samples = list(to_samples('recording_0', 'ab', arrays, []))
    (found,), (expected,) = from_samples(samples, wide=False).segments, arrays.segments
    assert set(found.arrays) == set(expected.arrays)
    assert ('spectrograms' in found.arrays) == (model is BESIDE)
    for name, value in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], value)
        assert found.arrays[name].dtype == value.dtype


def test_a_recording_is_known_by_the_backbone_too(recordings: Path):
    def key(model: ModelConfig) -> str:
        return recording_key(recordings / 'recording_0', model, SyncConfig())

    faster = dataclasses.replace(BESIDE.audio, backbone_hop_s=0.24)
    models = [
        dataclasses.replace(BESIDE, audio=dataclasses.replace(BESIDE.audio, backbone='')),
        BESIDE,
        ALONE,
        dataclasses.replace(BESIDE, audio=faster),
        dataclasses.replace(
            BESIDE, audio=dataclasses.replace(BESIDE.audio, backbone_sha256=('0' * 64,))
        ),
    ]
    assert len({key(model) for model in models}) == len(models)
    # That of the register is what stands for none.
    assert key(with_backbones(BESIDE)) == key(BESIDE)
    without = preprocessing(models[0], SyncConfig())
    assert 'backbone' not in str(without)


def test_without_sound_nothing_depends_on_it():
    both = dataclasses.replace(BESIDE, modalities=('audio', 'text'))
    made = preprocessing(both, SyncConfig())
    assert 'sound_backbone' in made
    assert 'sound_backbone' not in for_modalities(made, ['text'])


def test_without_the_weights_it_says_what_to_do(recordings: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv('ACTIVITY_RECOGNITION_WEIGHTS', str(tmp_path))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(WeightsError, match='run `activity-recognition weights fetch yamnet`'):
        cache_recording(preparation(recordings, tmp_path / 'cache', ALONE))
    with pytest.raises(WeightsError, match='run `activity-recognition weights fetch yamnet`'):
        MultiStreamEngine(make_checkpoint(ALONE))


def test_a_network_trained_with_other_weights_is_refused():
    audio = dataclasses.replace(ALONE.audio, backbone_sha256=('0' * 64,))
    with pytest.raises(CheckpointError, match=r'audio\.backbone: expected yamnet of SHA-256 .*000'):
        MultiStreamEngine(make_checkpoint(dataclasses.replace(ALONE, audio=audio)))
