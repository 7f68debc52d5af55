"""A frame encoder learns where people are, stops, resumes, and hands its weights on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.errors import CheckpointError
from activity_recognition.models.frame_encoders import FrameEncoder
from activity_recognition.simulation.body import Joint
from activity_recognition.training.config import PretrainConfig, TrainConfig
from activity_recognition.training.pretraining import pretrain as pretraining
from activity_recognition.training.pretraining.pose import PoseModel
from activity_recognition.training.pretraining.pretrain import LOG, WEIGHTS, pretrain
from activity_recognition.training.pretraining.stills import MOTION_NAMES, StillBatches
from activity_recognition.training.run.train import main_train
from activity_recognition.training.shipped import PRETRAINING_RECIPE
from factories.networks import TINY


@pytest.fixture
def tiny_pretrain(tiny_preset: str, monkeypatch: pytest.MonkeyPatch) -> PretrainConfig:
    monkeypatch.setattr(pretraining, 'MEASURED_BATCHES', 2)
    return PretrainConfig(
        preset=tiny_preset,
        scenes=12,
        stills_per_scene=2,
        scenes_per_batch=2,
        device='cpu',
        num_threads=1,
        num_workers=1,
    )


def test_batches_follow_from_their_number_and_show_other_rooms(tiny_pretrain: PretrainConfig):
    batches = StillBatches(tiny_pretrain, 32, 7, 3)
    assert len(batches) == 3
    one, again, other = batches[0], batches[0], batches[1]
    assert one['frames'].shape == (4, 32, 32, 3)
    assert one['frames'].dtype == torch.uint8
    assert one['keypoints'].shape == (4, len(Joint), 2)
    assert one['motions'].max() < len(MOTION_NAMES)
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, again[name], rtol=0, atol=0)
    assert not torch.equal(one['frames'], other['frames'])


def test_joints_outside_the_picture_have_no_patch():
    model = PoseModel(TINY, 3, 2)
    places = torch.tensor([[[0.1, 0.9], [1.2, 0.5], [-0.01, 0.5]]])
    cells = model._cells(places)
    assert cells.tolist() == [[3 * 4 + 0, -100, -100]]


def test_one_batch_is_learnt_by_heart(tiny_pretrain: PretrainConfig):
    batch = StillBatches(tiny_pretrain, 32, 7, 1)[0]
    torch.manual_seed(0)
    model = PoseModel(dataclasses.replace(TINY, dropout=0.0), len(Joint), len(MOTION_NAMES))
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    totals = []
    for _ in range(120):
        losses = model.losses(model(batch['frames']), batch)
        optimiser.zero_grad()
        losses['total'].backward()
        optimiser.step()
        totals.append(losses['total'].item())
    assert totals[-1] < 0.4 * totals[0]
    assert losses['motions'].item() < 0.2


def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
    tmp_path: Path, tiny_pretrain: PretrainConfig, monkeypatch: pytest.MonkeyPatch
):
    whole = pretrain(tiny_pretrain, tmp_path / 'whole')

    calls = []
    real = pretraining.Optimisation.step

    def interrupted(self: pretraining.Optimisation, done: float) -> float:
        calls.append(done)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, done)

    monkeypatch.setattr(pretraining.Optimisation, 'step', interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny_pretrain, tmp_path / 'parts')
    assert not (tmp_path / 'parts' / WEIGHTS).exists()
    monkeypatch.setattr(pretraining.Optimisation, 'step', real)
    resumed = pretrain(tiny_pretrain, tmp_path / 'parts')

    events = [json.loads(line) for line in (tmp_path / 'parts' / LOG).read_text().splitlines()]
    assert [e['step'] for e in events if e['event'] == 'resumed'] == [2]
    assert resumed.measures == whole.measures
    a, b = load_file(whole.path), load_file(resumed.path)
    assert a.keys() == b.keys() == FrameEncoder(TINY).state_dict().keys()
    for name, tensor in a.items():
        torch.testing.assert_close(tensor, b[name], rtol=0, atol=0)


def test_the_run_of_other_settings_is_refused(tmp_path: Path, tiny_pretrain: PretrainConfig):
    pretrain(tiny_pretrain, tmp_path)
    other = dataclasses.replace(tiny_pretrain, learning_rate=0.5)
    with pytest.raises(CheckpointError, match='other settings; choose another folder'):
        pretrain(other, tmp_path)


def test_training_begins_with_the_pretrained_weights(
    tmp_path: Path, tiny_pretrain: PretrainConfig, tiny_train: TrainConfig, recordings: Path
):
    pretrained = pretrain(tiny_pretrain, tmp_path / 'pretraining')
    config = dataclasses.replace(
        tiny_train, preset=tiny_pretrain.preset, epochs=1, frame_encoder_rate=0.0
    )
    run = main_train(config, recordings, tmp_path / 'run', frame_encoder=pretrained.path)
    trained = load_file(run.checkpoint / 'model.safetensors')
    for name, tensor in load_file(pretrained.path).items():
        kept = trained[f'video_encoder.frame_encoder.{name}']
        torch.testing.assert_close(kept, tensor, rtol=1e-5, atol=1e-6)


def test_weights_of_another_preset_are_refused(
    tmp_path: Path, tiny_train: TrainConfig, tiny_preset: str, recordings: Path
):
    wrong = tmp_path / 'wrong.safetensors'
    wrong.write_bytes(b'no weights')
    config = dataclasses.replace(tiny_train, preset=tiny_preset)
    with pytest.raises(CheckpointError, match='pretrain again with the same preset'):
        main_train(config, recordings, tmp_path / 'run', frame_encoder=wrong)


def test_the_shipped_recipe_is_valid_and_fits_the_training_recipe():
    recipe = load_config(PretrainConfig, shipped_file(PRETRAINING_RECIPE))
    assert recipe.preset == 'nano'
