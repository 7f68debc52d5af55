"""The presets that ship: streaming equals the dense forward in them, too."""

import dataclasses

import pytest
import torch

from activity_recognition.checkpoint_folder import shipped_checkpoint
from activity_recognition.config_io import MODEL_PRESETS, load_model_config
from activity_recognition.model_config import FUSIONS
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from factories.answers import assert_equal, dense, streamed
from factories.matrix import LABELS, NEED_WEIGHTS, PRESETS, preset_config, scene_of
from factories.networks import make_checkpoint, make_system
from factories.scenes import trace_of


@pytest.mark.parametrize('fusion', FUSIONS)
@pytest.mark.parametrize('preset', [preset for preset in PRESETS if preset != 'base_dinov2'])
def test_streaming_equals_dense(preset, fusion, request):
    """And that of DINOv2, which takes longer, where backends are compared."""
    if preset in NEED_WEIGHTS:
        request.getfixturevalue('weights_folder')
    config = dataclasses.replace(preset_config(preset), fusion=fusion)
    checkpoint = make_checkpoint(config)
    scene = dataclasses.replace(scene_of(preset, config), duration_s=1.0)
    trace = trace_of(scene, 4.0)
    found, decisions = streamed(checkpoint, trace)
    assert_equal(found, dense(checkpoint, trace), 1e-5)
    assert len(decisions) >= 6
    assert found.present.any(axis=0).all()


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
    checkpoint = load_checkpoint(shipped_checkpoint('nano'))
    trace = trace_of(scene_of('nano', checkpoint.config), 4.0)
    found, _ = streamed(checkpoint, trace)
    assert_equal(found, dense(checkpoint, trace), 1e-5)


def test_the_shipped_checkpoint_is_small_and_knows_ten_activities():
    folder = shipped_checkpoint('nano')
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 12e6
    labels = load_checkpoint(folder).config.labels
    assert 'none' in labels
    assert len(labels) >= 10
