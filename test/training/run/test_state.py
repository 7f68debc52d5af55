"""A run's state survives a round trip, and nothing else passes for one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.amp.grad_scaler import GradScaler

from activity_recognition.errors import CheckpointError, OutputError
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.run import state
from activity_recognition.training.run.state import (
    FrozenWeights,
    Progress,
    load_state,
    read_progress,
    save_state,
)
from factories.networks import TINY

PROGRESS = Progress(fingerprint='abc', epoch=3, batch=2, step=17, best=0.5)


def make_run(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    return module, torch.optim.AdamW(module.parameters(), lr=0.1)


def step(module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    module(torch.ones(2, 3)).pow(3).sum().backward()
    optimiser.step()


def test_training_goes_on_where_it_was(tmp_path: Path):
    module, optimiser = make_run(0)
    step(module, optimiser)
    save_state(tmp_path / 'state', PROGRESS, {'model': module}, optimiser)
    other, other_optimiser = make_run(1)
    assert load_state(tmp_path / 'state', {'model': other}, other_optimiser) == PROGRESS
    for _ in range(3):
        step(module, optimiser)
        step(other, other_optimiser)
    for mine, loaded in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, loaded)


def test_progress_is_read_without_the_weights(tmp_path: Path):
    module, optimiser = make_run(0)
    save_state(tmp_path / 'state', PROGRESS, {'model': module}, optimiser)
    assert read_progress(tmp_path / 'state') == PROGRESS


def test_an_interrupted_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module, optimiser = make_run(0)
    save_state(tmp_path / 'state', PROGRESS, {'model': module}, optimiser)

    def interrupted(tensors: object, path: Path, **_: object) -> None:
        path.write_bytes(b'half of it')
        raise KeyboardInterrupt

    monkeypatch.setattr(state, 'save_file', interrupted)
    later = dataclasses.replace(PROGRESS, step=18)
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path / 'state', later, {'model': module}, optimiser)
    assert read_progress(tmp_path / 'state') == PROGRESS


@pytest.mark.parametrize('content', [b'', b'nonsense' * 10])
def test_a_damaged_state_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / 'state').write_bytes(content)
    with pytest.raises(CheckpointError, match='remove it to start over'):
        read_progress(tmp_path / 'state')


def test_weights_of_something_else_are_refused(tmp_path: Path):
    save_file({'a': torch.ones(1)}, tmp_path / 'state')
    with pytest.raises(CheckpointError, match='expected the state of a training run'):
        read_progress(tmp_path / 'state')


def test_the_state_of_another_network_is_refused(tmp_path: Path):
    module, optimiser = make_run(0)
    save_state(tmp_path / 'state', PROGRESS, {'model': module}, optimiser)
    with pytest.raises(CheckpointError, match='another network'):
        load_state(tmp_path / 'state', {'model': nn.Linear(3, 5)}, optimiser)


def test_the_scale_of_gradients_goes_on_where_it_was(tmp_path: Path):
    module, optimiser = make_run(0)
    scaler = GradScaler('cpu', init_scale=2.0**7, enabled=True)
    save_state(tmp_path / 'state', PROGRESS, {'model': module}, optimiser, scaler)
    other = GradScaler('cpu', enabled=True)
    load_state(tmp_path / 'state', {'model': module}, optimiser, other)
    assert other.state_dict() == scaler.state_dict()


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        (b'optimiser/0/exp_avg"', b'optimiser/q/exp_avg"'),
        (b'optimiser/0/exp_avg"', b'optimiser/9/exp_avg"'),
        (b'optimiser/0/exp_avg"', b'optimiser/0/exp_avh"'),
        (b'optimiser/0/exp_avg"', b'optimiser/1/exp_avg"'),
        (b'\\"epoch\\": 3', b'\\"epocH\\": 3'),
        (b'\\"epoch\\": 3', b'\\"epoch\\":-3'),
        (b'\\"epoch\\": 3', b'\\"epoch\\": {'),
        (b'\\"schema\\": 2', b'\\"schemA\\": 2'),
        (b'\\"scaler\\": {}', b'\\"scaler\\": 12'),
        (b'"run":', b'"ruN":'),
    ],
)
def test_a_flipped_key_is_refused(tmp_path: Path, before: bytes, after: bytes):
    module, optimiser = make_run(0)
    step(module, optimiser)
    path = tmp_path / 'state'
    save_state(path, PROGRESS, {'model': module}, optimiser)
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))
    with pytest.raises(CheckpointError, match=r'cannot read it .*; remove it to start over'):
        load_state(path, {'model': module}, optimiser)


def test_what_a_killed_run_was_writing_is_removed(tmp_path: Path):
    module, optimiser = make_run(0)
    (tmp_path / 'state.12345.part').write_bytes(b'half of it')
    save_state(tmp_path / 'state', PROGRESS, {'model': module}, optimiser)
    assert [path.name for path in tmp_path.iterdir()] == ['state']


def test_a_full_disk_leaves_the_old_state(tmp_path: Path, small_files):
    module, optimiser = make_run(0)
    save_state(tmp_path / 'state', PROGRESS, {'model': module}, optimiser)
    large = nn.Linear(400, 400)
    with small_files, pytest.raises(OutputError, match=r'state: cannot write the state of the run'):
        save_state(tmp_path / 'state', PROGRESS, {'model': large}, optimiser)
    assert read_progress(tmp_path / 'state') == PROGRESS
    assert [path.name for path in tmp_path.iterdir()] == ['state']


def test_a_run_goes_on_with_the_word_vectors_that_it_began_with(tmp_path: Path):
    # Another number of threads computes others in their last bits.
    words = dataclasses.replace(TINY, text=dataclasses.replace(TINY.text, word_vectors='some'))
    began, again = (ActivityRecognitionSystem(words) for _ in range(2))
    again.load_state_dict(began.state_dict())
    vectors, others = (system.text_encoder.encoder.table.weight for system in (began, again))
    others.mul_(1 + 1e-6)
    assert not torch.equal(others, vectors)
    saved, loaded = {'network': began}, {'network': again}
    optimisers = [torch.optim.AdamW(system.parameters()) for system in (began, again)]
    path, frozen = tmp_path / 'state', FrozenWeights.of(saved)
    save_state(path, PROGRESS, saved, optimisers[0], frozen=frozen)
    load_state(path, loaded, optimisers[1], frozen=FrozenWeights.of(loaded))
    assert torch.equal(others, vectors)
