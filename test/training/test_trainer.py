"""The loop learns, stops, resumes, and ends where an uninterrupted one ends."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from activity_recognition.config import AugmentationConfig, EngineConfig, TrainConfig
from activity_recognition.errors import ConfigError
from activity_recognition.inference.precision import choose_precision
from activity_recognition.training import trainer as trainer_module
from activity_recognition.training.batches import load_batch
from activity_recognition.training.crops import plan_epoch
from activity_recognition.training.interruption import Interruption
from activity_recognition.training.objective import TrainingLoss, TrainingModel
from activity_recognition.training.trainer import Sources, Trainer
from activity_recognition.training.validation import validate
from factories.networks import TINY, make_system

from .conftest import make_segment

PRECISION = choose_precision(EngineConfig(device='cpu', precision='fp32'))


def make_model(config: TrainConfig, *, dropout: float = 0.1) -> TrainingModel:
    torch.manual_seed(0)
    system = make_system(dataclasses.replace(TINY, dropout=dropout))
    loss = TrainingLoss(torch.ones(4), config, width=TINY.hidden_dim)
    return TrainingModel(system.train(), loss)


def make_trainer(config: TrainConfig, run: Path) -> Trainer:
    sources = Sources(
        training=[make_segment(seed=seed) for seed in range(2)],
        validation=[make_segment(seed=9)],
    )
    return Trainer(
        make_model(config),
        sources,
        config,
        PRECISION,
        run=run,
        fingerprint='same',
    )


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in trainer.average.state_dict().items()}


def test_one_batch_is_learnt_by_heart():
    config = TrainConfig(
        crop_s=6.0,
        frame_rate_hz=5.0,
        label_smoothing=0.0,
        modality_dropout=0.0,
        augmentation=AugmentationConfig(strength=0.0),
    )
    segments = [make_segment(seed=seed) for seed in range(2)]
    batch = load_batch(segments, plan_epoch(segments, config, 0)[0], config, TINY, PRECISION)
    model = make_model(config, dropout=0.0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    first = None
    for _ in range(150):
        optimiser.zero_grad()
        losses = model(batch)
        losses['total'].backward()
        optimiser.step()
        first = losses['fused'].item() if first is None else first
    assert losses['fused'].item() < 0.15 < first


def test_every_weight_gets_a_gradient(tiny_train: TrainConfig):
    segments = [make_segment(seed=seed) for seed in range(4)]
    config = dataclasses.replace(tiny_train, modality_dropout=0.3, batch_size=12)
    model = make_model(config)
    for plans in plan_epoch(segments, config, 0):
        model(load_batch(segments, plans, config, TINY, PRECISION))['total'].backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


def test_it_logs_validates_and_keeps_the_best(tiny_train: TrainConfig, tmp_path: Path):
    trainer = make_trainer(dataclasses.replace(tiny_train, validate_every=1), tmp_path)
    trainer.fit()
    events = [json.loads(line) for line in (tmp_path / 'log.jsonl').read_text().splitlines()]
    kinds = [event['event'] for event in events]
    assert kinds.count('validated') == 2
    trained = next(event for event in events if event['event'] == 'trained')
    assert trained['frames_per_s'] > 0
    assert np.isfinite(trained['loss_total'])
    assert trainer.progress.epoch == 2
    best = max(e['balanced_accuracy'] for e in events if e['event'] == 'validated')
    trainer.load_best()
    assert validate(trainer.average, [make_segment(seed=9)], PRECISION).balanced_accuracy == best


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    tiny_train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = make_trainer(tiny_train, tmp_path / 'whole')
    whole.fit()
    assert whole.progress.step >= 4

    real, calls = trainer_module.load_batch, []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(trainer_module, 'load_batch', interrupted)
    part = make_trainer(tiny_train, tmp_path / 'part')
    with pytest.raises(KeyboardInterrupt):
        part.fit()
    assert part.progress.step == 1
    resumed = make_trainer(tiny_train, tmp_path / 'part')
    resumed.resume()
    assert resumed.progress == part.progress
    resumed.fit()
    assert resumed.progress == whole.progress
    for key, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[key]), key


def test_ctrl_c_in_a_step_waits_for_its_end():
    reached = []
    before = signal.getsignal(signal.SIGINT)

    def step(interruption: Interruption) -> None:
        with interruption.handled():
            with interruption.held():
                os.kill(os.getpid(), signal.SIGINT)
                reached.append('end of the step')
            reached.append('after it')

    with pytest.raises(KeyboardInterrupt):
        step(Interruption())
    assert reached == ['end of the step']
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_explodes_is_an_error(tiny_train: TrainConfig, tmp_path: Path):
    trainer = make_trainer(tiny_train, tmp_path)
    with torch.no_grad():
        trainer._model.system.classifier.weight.fill_(float('nan'))
    with pytest.raises(ConfigError, match='lower learning_rate'):
        trainer.fit()
