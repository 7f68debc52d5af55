"""The presets that ship: streaming equals the dense forward in them, too."""

import dataclasses

import pytest
import torch

from activity_recognition.config import SyncConfig
from activity_recognition.config_io import MODEL_PRESETS, load_model_config
from activity_recognition.models.checkpoint import default_checkpoint, load_checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.streams import windows
from activity_recognition.types import AudioChunk, Modality
from factories.answers import assert_equal, dense, streamed
from factories.networks import make_checkpoint, make_system
from factories.streams import Scene, samples

SCENE = Scene(
    seed=3,
    duration_s=1.5,
    frame_rate_hz=6.0,
    chunks=(1000, 317),
    silences=((Modality.AUDIO, 0.6, 0.9),),
)
LABELS = ('none', 'waving', 'knocking', 'typing')


def short_trace(rate_hz):
    found = [
        dataclasses.replace(s, sample_rate_hz=rate_hz) if isinstance(s, AudioChunk) else s
        for s in samples(SCENE)
    ]
    return list(windows(found, SyncConfig(decision_rate_hz=4.0)))


@pytest.mark.parametrize('preset', ['nano', 'small'])
def test_streaming_equals_dense(preset):
    config = load_model_config(preset, labels=LABELS)
    checkpoint = make_checkpoint(config)
    trace = short_trace(config.audio.sample_rate_hz)
    found, decisions = streamed(checkpoint, trace)
    assert_equal(found, dense(checkpoint, trace), 1e-5)
    assert len(decisions) >= 6
    assert found.present.all(axis=0).any() or found.present.any(axis=0).all()


@pytest.mark.parametrize('preset', MODEL_PRESETS)
def test_presets_build(preset):
    config = load_model_config(preset, labels=LABELS)
    with torch.device('meta'):
        system = ActivityRecognitionSystem(config)
    assert system.classifier.out_features == len(LABELS)
    assert system.classifier.in_features == 3 * config.hidden_dim


def test_a_nano_checkpoint_is_small_enough_to_ship():
    system = make_system(load_model_config('nano'))
    assert 4 * sum(parameter.numel() for parameter in system.parameters()) <= 11e6


def test_streaming_equals_dense_with_trained_weights():
    """Trained weights are larger and sharper than drawn ones."""
    checkpoint = load_checkpoint(default_checkpoint())
    trace = short_trace(checkpoint.config.audio.sample_rate_hz)
    found, _ = streamed(checkpoint, trace)
    assert_equal(found, dense(checkpoint, trace), 1e-5)


def test_the_shipped_checkpoint_is_small_and_knows_ten_activities():
    folder = default_checkpoint()
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 12e6
    labels = load_checkpoint(folder).config.labels
    assert 'none' in labels
    assert len(labels) >= 10
