"""A network of key points learns two movements from recordings of a tracker, and is measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml

from activity_recognition.bags import import_key_points, labels_path
from activity_recognition.bags.labels import write_labels
from activity_recognition.config_io import to_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.training.config import PretrainConfig, TrainConfig
from activity_recognition.training.evaluation.measuring import (
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.pretraining.pretrain import pretrain
from activity_recognition.training.run.train import main_train
from activity_recognition.types import LabelSpan
from factories.bodies import SIZE_PX, STANDING
from factories.networks import KEYED

RATE_HZ, HALF_S = 10, 6.0
LABELS = ('still', 'walking')


def write_tracked(folder: Path, number: int) -> None:
    """Somebody stands, then walks through the image without moving the limbs."""
    rng = np.random.default_rng(number)
    count = int(2 * HALF_S * RATE_HZ)
    times = np.arange(count) / RATE_HZ
    way = np.maximum(times - HALF_S, 0)[:, None, None] * np.array([12.0, 0.0])
    joints = np.array(list(STANDING.values()))[None] * 0.6 + rng.uniform(0, 40, 2) + way
    arrays = folder / f'{number}.npz'
    joints += rng.normal(0, 0.3, joints.shape)
    np.savez(arrays, joints=joints, names='coco17', t_s=times, image_size=SIZE_PX)
    out = import_key_points(arrays, folder / 'data' / f'tracked_{number}').path
    spans = [
        LabelSpan(start_s=place * HALF_S, end_s=(place + 1) * HALF_S, label=label)
        for place, label in enumerate(LABELS)
    ]
    write_labels(labels_path(out), spans)


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('tracked')
    for number in range(4):
        write_tracked(folder, number)
    return folder / 'data'


@pytest.fixture(scope='module')
def checkpoint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    out = tmp_path_factory.mktemp('run')
    model = dataclasses.replace(KEYED, modalities=('video',))
    (out / 'keyed.yaml').write_text(yaml.safe_dump(to_mapping(model)), encoding='utf-8')
    config = TrainConfig(
        preset=str(out / 'keyed.yaml'),
        epochs=30,
        batch_size=4,
        crop_s=4.0,
        frame_rate_hz=8.0,
        learning_rate=3e-3,
        average_decay=0.9,
        validation_fraction=0.25,
        validate_every=10,
        device='cpu',
        num_threads=1,
        num_workers=1,
    )
    return load_checkpoint(main_train(config, data, out / 'run').checkpoint)


def test_the_checkpoint_says_which_joints_it_takes(checkpoint: Checkpoint):
    assert checkpoint.config.video.joints == KEYED.video.joints
    assert checkpoint.system.video_encoder.motion is not None


def test_the_model_card_says_so(checkpoint: Checkpoint):
    card = (checkpoint.path / 'README.md').read_text(encoding='utf-8')
    assert 'million weights, 17 key points of a body in place of images.' in card


def test_there_is_nothing_to_pretrain_on_images(tmp_path: Path):
    with pytest.raises(ConfigError, match=r'images, got one with video\.key_points'):
        pretrain(PretrainConfig(preset='joints'), tmp_path)


def test_walking_is_told_from_standing(checkpoint: Checkpoint, data: Path, tmp_path: Path):
    """Centred joints are the same in both."""
    config = EvaluationConfig(cost_decisions=0, resamples=10, num_workers=1)
    found = evaluate_checkpoint(checkpoint, data, cache=tmp_path / 'cache', config=config)
    assert found.metrics['combinations']['video']['balanced_accuracy'] > 0.85
