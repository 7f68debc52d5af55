"""One batch is overfitted, or the verdict says that it is not and what to look at."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml

from activity_recognition.cli import main
from activity_recognition.config import EngineConfig
from activity_recognition.config_io import to_mapping
from activity_recognition.errors import RecordingError
from activity_recognition.inference.precision import choose_precision
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.run import overfit as module
from activity_recognition.training.run.objective import TrainingLoss, TrainingModel
from activity_recognition.training.run.overfit import Verdict, overfit, plain_settings
from factories.networks import TINY, make_system
from factories.segments import LABELS, START_NS, make_segment

PRECISION = choose_precision(EngineConfig(device='cpu', precision='fp32'))


def check(config: TrainConfig) -> Verdict:
    config = plain_settings(config)
    system = make_system(dataclasses.replace(TINY, dropout=0.0))
    model = TrainingModel(system, TrainingLoss(torch.ones(4), config, width=TINY.hidden_dim))
    return overfit(model, [make_segment(seed=seed) for seed in range(2)], config, PRECISION)


def test_a_network_that_learns_passes(tiny_train: TrainConfig):
    verdict = check(dataclasses.replace(tiny_train, learning_rate=5e-3))
    assert verdict.passed
    assert verdict.steps < module.STEPS
    assert verdict.last_loss < verdict.first_loss / 2
    assert verdict.sentence.startswith('passed: the network overfits one batch')


def test_a_network_that_does_not_fails(tiny_train: TrainConfig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, 'STEPS', 10)
    verdict = check(dataclasses.replace(tiny_train, learning_rate=1e-8))
    assert not verdict.passed
    assert 'expected 95 %, got' in verdict.sentence
    assert 'try another learning_rate' in verdict.sentence


def test_a_batch_with_one_label_would_prove_nothing(tiny_train: TrainConfig):
    alike = dataclasses.replace(make_segment(), labels=LabelTrack.from_spans([], LABELS, START_NS))
    config = plain_settings(tiny_train)
    model = TrainingModel(make_system(), TrainingLoss(torch.ones(4), config, width=TINY.hidden_dim))
    with pytest.raises(RecordingError, match='two different labels, found none'):
        overfit(model, [alike], config, PRECISION)


@pytest.mark.parametrize(('rate', 'status', 'word'), [(5e-3, 0, 'passed'), (1e-8, 1, 'failed')])
def test_the_command_says_so(
    recordings: Path,
    tiny_preset: str,
    tiny_train: TrainConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rate: float,
    status: int,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
):
    if status:
        monkeypatch.setattr(module, 'STEPS', 5)
    config = dataclasses.replace(tiny_train, preset=tiny_preset, learning_rate=rate)
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(yaml.safe_dump(to_mapping(config)), encoding='utf-8')
    arguments = ['train', str(recipe), '--data', str(recordings), '--out', str(tmp_path / 'run')]
    assert main([*arguments, '--overfit-one-batch', '--quiet']) == status
    assert capsys.readouterr().out.startswith(word)
