"""Encoders that are trained alone: each keeps its best, stops by itself, and joins the others."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from activity_recognition.config import EngineConfig
from activity_recognition.inference.precision import choose_precision
from activity_recognition.training.config import StageConfig, TrainConfig
from activity_recognition.training.data.crops import plan_epoch
from activity_recognition.training.run import trainer as trainer_module
from activity_recognition.training.run.batches import load_batch
from activity_recognition.training.run.joining import own_weights
from activity_recognition.training.run.logbook import LOG
from activity_recognition.training.run.objective import TrainingLoss, TrainingModel
from activity_recognition.training.run.trainer import Sources, Trainer
from activity_recognition.training.run.validation import Validation, validate
from activity_recognition.types import MODALITIES, Modality
from factories.networks import TINY, make_system
from factories.segments import make_segment

PRECISION = choose_precision(EngineConfig(device='cpu', precision='fp32'))
ALONE = StageConfig(
    name='alone', epochs=6, patience=2, fused_weight=0.0, unimodal_weight=1.0, modality_dropout=0.0
)
TOGETHER = StageConfig(name='together', epochs=1, unimodal_weight=0.0, fused_gradient=0.0)
VIDEO, AUDIO, TEXT = MODALITIES


@pytest.fixture
def config(tiny_train: TrainConfig) -> TrainConfig:
    return dataclasses.replace(tiny_train, validate_every=1, stages=(ALONE, TOGETHER))


def make_trainer(config: TrainConfig, run: Path, **changes: Any) -> Trainer:
    torch.manual_seed(0)
    system = make_system(dataclasses.replace(TINY, **changes))
    model = TrainingModel(system.train(), TrainingLoss(torch.ones(4), config, width=16))
    sources = Sources(
        training=[make_segment(seed=seed) for seed in range(2)], validation=[make_segment(seed=9)]
    )
    return Trainer(model, sources, config, PRECISION, run=run, fingerprint='same')


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = (run / LOG).read_text(encoding='utf-8').splitlines()
    return [event for event in map(json.loads, lines) if event['event'] == kind]


class Script:
    """Lets validations find what they are told of each head, and keeps the averaged weights."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, found: Sequence[dict[Modality, float | None]]
    ):
        self._real = trainer_module.validate
        self._found = list(found)
        self._calls = 0
        self.weights: list[dict[Modality, dict[str, Tensor]]] = []
        monkeypatch.setattr(trainer_module, 'validate', self)

    def __call__(self, system: Any, *arguments: Any) -> Validation:
        result = self._real(system, *arguments)
        number, of_training = divmod(self._calls, 2)
        self._calls += 1
        if of_training or number >= len(self._found):
            return result
        self.weights.append(
            {
                m: {name: t.clone() for name, t in own_weights(system, m).items()}
                for m in system.modalities
            }
        )
        heads = {m.value: accuracy for m, accuracy in self._found[number].items()}
        # The loss goes with the accuracy.
        losses = {name: None if one is None else 1 - one for name, one in heads.items()}
        said = {'own_heads': heads, 'own_calibrated_losses': losses}
        return dataclasses.replace(result, measures={**result.measures, **said})


SCRIPTED = [
    {VIDEO: 0.5, AUDIO: 0.3, TEXT: 0.2},
    {VIDEO: 0.4, AUDIO: 0.4, TEXT: 0.3},
    {VIDEO: 0.4, AUDIO: 0.2, TEXT: 0.4},
    {VIDEO: 0.4, AUDIO: 0.2, TEXT: 0.3},
    {VIDEO: 0.4, AUDIO: 0.2, TEXT: 0.3},
]
"""What each head reaches in one validation after the other."""


def test_each_goes_on_from_its_own_best(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = Script(monkeypatch, SCRIPTED)
    trainer = make_trainer(config, tmp_path)
    steps = trainer.steps()
    for step in steps:
        if step.stage == 'together':
            break
    # Encoders do not move any more in the second stage.
    best = {VIDEO: 0, AUDIO: 1, TEXT: 2}
    for modality, number in best.items():
        kept = script.weights[number][modality]
        for name, tensor in own_weights(trainer._model.system, modality).items():
            if name.startswith((f'{modality}_encoder', 'unimodal_heads')):
                assert torch.equal(tensor, kept[name]), name
        for name, tensor in own_weights(trainer.average, modality).items():
            if name.startswith((f'{modality}_encoder', 'unimodal_heads')):
                torch.testing.assert_close(tensor, kept[name])
    steps.close()


def test_who_gains_nothing_stops_while_the_others_go_on(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Video after two validations without gain, audio one later; the stage ends with text."""
    Script(monkeypatch, SCRIPTED)
    trainer = make_trainer(config, tmp_path)
    system = trainer._model.system

    def now() -> dict[Modality, dict[str, Tensor]]:
        return {
            m: {name: tensor.clone() for name, tensor in own_weights(system, m).items()}
            for m in MODALITIES
        }

    at_epoch: dict[int, dict[Modality, dict[str, Tensor]]] = {}
    for step in trainer.steps():
        if step.stage == 'together':
            break
        at_epoch[trainer.progress.epoch] = now()

    def moved(modality: Modality, epoch: int) -> bool:
        before, after = at_epoch[epoch - 1][modality], at_epoch[epoch][modality]
        return any(not torch.equal(tensor, before[name]) for name, tensor in after.items())

    assert [[moved(m, epoch) for m in MODALITIES] for epoch in (2, 3, 4)] == [
        [True, True, True],
        [False, True, True],
        [False, False, True],
    ]
    assert max(at_epoch) == 4, 'text has gained nothing for two validations either'
    found = events(tmp_path, 'loss_factors')[0]
    assert [found[m] for m in MODALITIES] == [0.0, 1.0, 1.0]


def test_one_that_validation_never_has_is_trained_to_the_end_of_the_stage(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nobody knows what text gains: that the others gain nothing more does not end its training."""
    stopped = [{VIDEO: 0.5, AUDIO: 0.4, TEXT: None}] * 6
    Script(monkeypatch, stopped)
    trainer = make_trainer(config, tmp_path)
    for step in trainer.steps():
        if step.stage == 'together':
            break
    assert trainer.progress.epoch == ALONE.epochs
    factors = events(tmp_path, 'loss_factors')[-1]
    assert [factors[m] for m in MODALITIES] == [0.0, 0.0, 1.0]
    own = [one.validation.own for one in trainer.progress.history if not one.joined]
    assert own == [(0.5, 0.4, None)] * ALONE.epochs


def test_what_is_frozen_is_not_kept_again(config: TrainConfig, tmp_path: Path):
    trainer = make_trainer(dataclasses.replace(config, text_encoder_rate=0.0), tmp_path)
    trainer.fit()
    names = set(load_file(tmp_path / 'best_text.safetensors'))
    assert names
    assert not any(name.startswith('text_encoder.encoder.') for name in names)
    assert any('.encoder.' in name for name in own_weights(trainer.average, TEXT))


def test_a_head_whose_loss_weighs_nothing_neither_moves_nor_decays(config: TrainConfig):
    torch.manual_seed(0)
    system = make_system(TINY)
    alone = config.of_stage(ALONE)
    model = TrainingModel(system.train(), TrainingLoss(torch.ones(4), alone, width=16))
    model.loss.modality_weights = {AUDIO: 0.0}
    segments = [make_segment(seed=seed) for seed in range(2)]
    plans = plan_epoch(segments, alone, 0)[0]
    model(load_batch(segments, plans, alone, TINY, PRECISION))['total'].backward()
    of_audio = own_weights(system, AUDIO)
    for name, parameter in system.named_parameters():
        if name in of_audio:
            assert parameter.grad is None, name
    assert any(p.grad is not None for n, p in system.named_parameters() if n.startswith('video'))


def test_the_stage_ends_with_a_fitted_product_that_is_kept_as_the_best(
    config: TrainConfig, tmp_path: Path
):
    trainer = make_trainer(config, tmp_path)
    trainer.fit()
    [fitted] = events(tmp_path, 'fusion_fitted')
    [joined] = events(tmp_path, 'joined')
    assert fitted['nll_after'] <= fitted['nll_before']
    assert trainer.progress.best >= joined['balanced_accuracy'] - 1e-9  # which is written rounded
    together = [e for e in events(tmp_path, 'validated') if e['stage'] == 'together']
    best = max(e['balanced_accuracy'] for e in (joined, *together))
    trainer.load_best()
    again = validate(trainer.average, [make_segment(seed=9)], PRECISION)
    assert again.balanced_accuracy == pytest.approx(best, abs=1e-6)


def test_each_validation_shows_training_beside_it(config: TrainConfig, tmp_path: Path):
    make_trainer(config, tmp_path).fit()
    for event in events(tmp_path, 'validated'):
        for part in (event, event['training']):
            assert set(part['own_heads']) == set(part['own_losses']) == set(MODALITIES)
            assert all(0 <= value <= 1 for value in part['own_heads'].values())
            assert all(value > 0 for value in part['own_losses'].values())


@pytest.mark.parametrize('fusion', ['experts', 'attention'])
@pytest.mark.parametrize('after', [1, 2, 6, 7])
def test_an_interrupted_run_of_stages_ends_like_an_uninterrupted_one(
    config: TrainConfig, tmp_path: Path, fusion: str, after: int
):
    """Interrupted within the first stage, at its end, and in the second."""
    config = dataclasses.replace(
        config,
        modality_weights='auto',
        stages=(dataclasses.replace(ALONE, epochs=3, patience=0), TOGETHER),
    )
    whole = make_trainer(config, tmp_path / 'whole', fusion=fusion)
    whole.fit()
    part = make_trainer(config, tmp_path / 'part', fusion=fusion)
    steps = part.steps()
    for _ in range(after):
        next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt)
    resumed = make_trainer(config, tmp_path / 'part', fusion=fusion)
    resumed.resume()
    resumed.fit()
    assert resumed.progress == whole.progress
    for trainer in (whole, resumed):
        trainer.load_best()
    expected = whole.average.state_dict()
    for name, tensor in resumed.average.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize('where', ['validate', 'fit_fusion'])
def test_ctrl_c_at_the_end_of_an_epoch_changes_nothing(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
):
    """While a validation runs, it is done again; while the best are joined, that is done first."""
    whole = make_trainer(config, tmp_path / 'whole')
    whole.fit()
    interrupted = make_trainer(config, tmp_path / 'parts')
    owner = trainer_module if where == 'validate' else interrupted._joining
    real, calls = getattr(owner, where), []

    def interrupt_once(*arguments: Any) -> Any:
        calls.append(where)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(owner, where, interrupt_once)
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit()
    monkeypatch.setattr(owner, where, real)
    resumed = make_trainer(config, tmp_path / 'parts')
    resumed.resume()
    assert resumed.progress.step > 0
    resumed.fit()
    assert resumed.progress == whole.progress
    expected = whole.average.state_dict()
    for name, tensor in resumed.average.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_weights_by_generalisation_are_applied(config: TrainConfig, tmp_path: Path):
    weighing = dataclasses.replace(config, stages=(), epochs=3, modality_weights='auto')
    trainer = make_trainer(weighing, tmp_path)
    trainer.fit()
    weights = [one.weight for one in trainer.progress.modalities]
    assert any(weight != 1.0 for weight in weights)
    assert events(tmp_path, 'loss_factors')


def test_without_validation_training_alone_decides(config: TrainConfig, tmp_path: Path):
    config = dataclasses.replace(config, stages=(dataclasses.replace(ALONE, patience=0), TOGETHER))
    torch.manual_seed(0)
    model = TrainingModel(make_system(TINY).train(), TrainingLoss(torch.ones(4), config, width=16))
    sources = Sources(training=[make_segment(seed=0)], validation=[])
    trainer = Trainer(model, sources, config, PRECISION, run=tmp_path, fingerprint='same')
    before = trainer.average.experts.temperatures.clone()
    trainer.fit()
    torch.testing.assert_close(trainer.average.experts.temperatures, before)
    assert not events(tmp_path, 'fusion_fitted')
