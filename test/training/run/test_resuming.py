"""A run that is stopped anywhere, and resumed, ends with the weights of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from activity_recognition.config import EngineConfig
from activity_recognition.inference.precision import choose_precision
from activity_recognition.training.config import StageConfig, TrainConfig
from activity_recognition.training.run import trainer as trainer_module
from activity_recognition.training.run.objective import TrainingLoss, TrainingModel
from activity_recognition.training.run.trainer import STATE, Sources, Trainer
from factories.networks import TINY, make_system
from factories.segments import make_segment

PRECISION = choose_precision(EngineConfig(device='cpu', precision='fp32'))
CONFIG = TrainConfig(
    batch_size=3,
    accumulation=2,
    crop_s=4.0,
    frame_rate_hz=4.0,
    learning_rate=3e-3,
    contrast_temperature=0.2,
    validate_every=1,
    device='cpu',
    stages=(
        StageConfig(name='alone', epochs=1, fused_weight=0.0, unimodal_weight=1.0),
        StageConfig(name='pairs', epochs=3, modalities_at_once=2, patience=1, min_gain=0.9),
        StageConfig(name='all', epochs=1, contrast_weight=0.2, agreement_weight=0.2),
    ),
)
PARTS = 20
"""Parts of batches in the whole run: 10 steps in 1 + 2 + 1 epochs."""


def make_trainer(run: Path) -> Trainer:
    system = make_system().train()
    return Trainer(
        TrainingModel(system, TrainingLoss(torch.ones(4), CONFIG, width=TINY.hidden_dim)),
        Sources(
            training=[make_segment(seed=seed) for seed in range(2)],
            validation=[make_segment(seed=9)],
        ),
        CONFIG,
        PRECISION,
        run=run,
        fingerprint='same',
    )


class KilledError(Exception):
    """Nobody handles it."""


def fit_until(trainer: Trainer, part: int, error: type[BaseException]) -> None:
    """Train until the forward pass of a part of a batch raises."""
    seen = []

    def stop(module: object, inputs: object) -> None:
        seen.append(1)
        if len(seen) == part + 1:
            raise error

    handle = trainer._model.register_forward_pre_hook(stop)
    with pytest.raises(error):
        trainer.fit()
    handle.remove()


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, dict[str, torch.Tensor]]:
    """A run that nothing disturbed, and its state file."""
    trainer = make_trainer(tmp_path_factory.mktemp('whole'))
    losses = [step.losses['total'] for step in trainer.steps()]
    assert len(losses) == PARTS // CONFIG.accumulation
    assert trainer.progress.stage == 3
    assert trainer.progress.epoch == 4, 'the plateau ends the second stage after two epochs'
    return trainer, load_file(trainer.run / STATE)


def assert_same(found: Trainer, expected: tuple[Trainer, dict[str, torch.Tensor]]) -> None:
    assert found.progress == expected[0].progress
    tensors = load_file(found.run / STATE)
    assert tensors.keys() == expected[1].keys()
    for key, value in expected[1].items():
        assert torch.equal(tensors[key], value), key


@settings(
    max_examples=6, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(part=st.integers(0, PARTS - 1))
def test_interrupted_at_any_part_of_any_step(whole, part, tmp_path_factory):
    run = tmp_path_factory.mktemp('part')
    trainer = make_trainer(run)
    fit_until(trainer, part, KeyboardInterrupt)
    assert trainer.progress.step == part // CONFIG.accumulation
    resumed = make_trainer(run)
    resumed.resume()
    assert resumed.progress == trainer.progress
    resumed.fit()
    assert_same(resumed, whole)


@pytest.mark.parametrize('part', [3, 9, 14])
def test_killed_long_after_the_state_was_saved(whole, part, tmp_path, monkeypatch):
    """Nothing is saved when a process dies; steps since the last state are taken again."""
    monkeypatch.setattr(trainer_module, 'SAVE_EVERY_S', -1.0 if part == 3 else 1e9)
    trainer = make_trainer(tmp_path)
    fit_until(trainer, part, KilledError)
    resumed = make_trainer(tmp_path)
    resumed.resume()
    assert resumed.progress.step <= trainer.progress.step
    resumed.fit()
    assert_same(resumed, whole)


@pytest.mark.slow
def test_a_process_that_was_killed(whole, tmp_path):
    script = (
        'import sys; sys.path[:0] = sys.argv[3:]\n'
        'from pathlib import Path\n'
        'from training.run import test_resuming as t\n'
        't.torch.set_num_threads(1)\n'
        't.trainer_module.SAVE_EVERY_S = -1.0\n'
        'trainer = t.make_trainer(Path(sys.argv[1]))\n'
        'for number, _ in enumerate(trainer.steps(), start=1):\n'
        '    if number == int(sys.argv[2]):\n'
        '        import os, signal\n'
        '        os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    tests = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, '-W', 'ignore', '-c', script, str(tmp_path), '5', tests]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    resumed = make_trainer(tmp_path)
    resumed.resume()
    assert 0 < resumed.progress.step < 5
    resumed.fit()
    assert_same(resumed, whole)
