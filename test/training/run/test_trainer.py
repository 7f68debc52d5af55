"""The loop learns, stops, resumes, and ends where an uninterrupted one ends."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.errors import ConfigError, DeviceError
from activity_recognition.inference.precision import choose_precision
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import plan_epoch
from activity_recognition.training.run import trainer as trainer_module
from activity_recognition.training.run.batches import load_batch, step_seed
from activity_recognition.training.run.interruption import Interruption
from activity_recognition.training.run.logbook import LOG
from activity_recognition.training.run.objective import TrainingLoss, TrainingModel
from activity_recognition.training.run.trainer import Sources, Trainer
from activity_recognition.training.run.validation import validate
from factories.networks import TINY, make_system

from ..conftest import make_segment

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


def scripted(monkeypatch: pytest.MonkeyPatch, reached: list[float]) -> None:
    """Let validations find what they are told, in order."""
    real, values = trainer_module.validate, iter(reached)

    calls = itertools.count()

    def found(*arguments: object) -> object:
        result = real(*arguments)
        if next(calls) % 2:  # on what is trained on
            return result
        value = next(values)
        measures = {**result.measures, 'balanced_accuracy': value}
        return dataclasses.replace(result, measures=measures)

    monkeypatch.setattr(trainer_module, 'validate', found)


def test_it_stops_early_and_keeps_the_best(
    tiny_train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scripted(monkeypatch, [0.3, 0.6, 0.5, 0.6])
    config = dataclasses.replace(tiny_train, epochs=40, validate_every=1, patience=2)
    trainer = make_trainer(config, tmp_path)
    trainer.fit()
    assert trainer.progress.epoch == 4
    assert trainer.progress.best == 0.6
    events = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [e['event'] for e in events].count('validated') == 4
    assert events[-1]['event'] == 'stage_ended'


def test_patience_without_recordings_to_validate_with_is_refused(
    tiny_train: TrainConfig, tmp_path: Path
):
    config = dataclasses.replace(tiny_train, patience=1)
    sources = Sources(training=[make_segment()], validation=[])
    with pytest.raises(ConfigError, match='expected recordings to validate with, got none'):
        Trainer(make_model(config), sources, config, PRECISION, run=tmp_path, fingerprint='same')


@pytest.mark.parametrize(
    ('changes', 'advice'),
    [
        ({'batch_size': 6}, 'with 6 crops of 4 s at a time; try accumulation 2 .* batch_size 3'),
        (
            {'batch_size': 6, 'accumulation': 2},
            'with 3 crops of 4 s at a time; try accumulation 6 .* batch_size 2',
        ),
        ({'batch_size': 1}, 'with 1 crop of 4 s at a time; try crop_s 2, or a lower frame_rate'),
    ],
)
@pytest.mark.parametrize(
    'error',
    [
        RuntimeError(
            '[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: '
            "can't allocate memory: you tried to allocate 99 bytes."
        ),
        torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.'),
        MemoryError(),
    ],
    ids=['cpu', 'cuda', 'numpy'],
)
def test_out_of_memory_is_a_sentence_and_the_run_goes_on(
    tiny_train: TrainConfig,
    tmp_path: Path,
    changes: dict[str, int],
    advice: str,
    error: Exception,
):
    config = dataclasses.replace(tiny_train, **changes)
    trainer = make_trainer(config, tmp_path)
    steps = trainer.steps()
    next(steps)

    def allocate(*_: object) -> None:
        raise error

    trainer._model.system.audio_encoder.register_forward_pre_hook(allocate)
    with pytest.raises(DeviceError, match=advice):
        list(steps)
    resumed = make_trainer(config, tmp_path)
    resumed.resume()
    assert resumed.progress.step == trainer.progress.step >= 1


def test_another_error_is_told_as_it_is(tiny_train: TrainConfig, tmp_path: Path):
    trainer = make_trainer(tiny_train, tmp_path)

    def fail(*_: object) -> None:
        raise RuntimeError('something else')

    trainer._model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match='something else'):
        trainer.fit()


def test_the_first_part_of_a_step_has_the_seed_of_the_step():
    assert step_seed(3, 5, 0) == step_seed(3, 5)
    seeds = {step_seed(3, step, place) for step in range(20) for place in range(4)}
    assert len(seeds) == 80
