"""Learning rate, weight decay and averaged weights."""

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from activity_recognition.errors import ConfigError
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.optimisation import (
    Optimisation,
    learning_rate_at,
    make_average,
    make_optimiser,
)
from factories.networks import make_system

CONFIG = TrainConfig(learning_rate=1.0, warmup_fraction=0.1)


def test_the_learning_rate_rises_then_falls():
    rates = [learning_rate_at(step / 100, CONFIG) for step in range(1, 101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_every_weight_is_optimised_once_and_only_matrices_decay():
    system = make_system()
    optimiser = make_optimiser(system, TrainConfig(weight_decay=0.1))
    decayed, free = (group['params'] for group in optimiser.param_groups)
    assert [group['weight_decay'] for group in optimiser.param_groups] == [0.1, 0.0]
    assert {id(p) for p in (*decayed, *free)} == {id(p) for p in system.parameters()}
    assert len(decayed) + len(free) == len(list(system.parameters()))
    assert all(p.ndim >= 2 for p in decayed)
    tables = [m.weight for m in system.modules() if isinstance(m, nn.Embedding)]
    assert tables
    assert not {id(t) for t in tables} & {id(p) for p in decayed}


def test_the_average_forgets_its_beginning():
    module = nn.Linear(2, 2)
    average = make_average(module, 0.999)
    average.update_parameters(module)
    with torch.no_grad():
        module.weight.fill_(3.0)
    for _ in range(200):
        average.update_parameters(module)
    torch.testing.assert_close(average.module.weight, module.weight, atol=1e-3, rtol=0)


def test_the_average_is_exponential_in_the_long_run():
    module = nn.Linear(1, 1, bias=False)
    average = make_average(module, 0.5)
    for _ in range(20):
        average.update_parameters(module)
    before = average.module.weight.item()
    with torch.no_grad():
        module.weight.add_(1.0)
    average.update_parameters(module)
    assert average.module.weight.item() == pytest.approx(before + 0.5)


def test_each_pretrained_part_has_a_learning_rate_of_its_own():
    system = make_system()
    frames, words = system.video_encoder.pretrained, system.text_encoder.encoder
    config = TrainConfig(learning_rate=0.1, warmup_fraction=0.0)
    moved = Optimisation(system, system, config, rates=((frames, 0.25), (words, 0.5)))
    rate = moved.step(0.5)
    factors = {id(p): 0.25 for p in frames.parameters()}
    factors |= {id(p): 0.5 for p in words.parameters()}
    for group in moved.optimiser.param_groups:
        inside = {factors.get(id(p), 1.0) for p in group['params']}
        assert len(inside) == 1
        assert group['lr'] == pytest.approx(rate * inside.pop())
    grouped = [id(p) for group in moved.optimiser.param_groups for p in group['params']]
    assert sorted(grouped) == sorted(id(p) for p in system.parameters())


def test_a_frozen_part_stays_as_it_is():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = [p.clone() for p in module.parameters()]
    config = TrainConfig(learning_rate=0.1, warmup_fraction=0.0)
    moved = Optimisation(module, module, config, rates=((module[0], 0.0),))
    moved.backward(module(torch.ones(1, 2)).square().sum())
    moved.step(0.5)
    changed = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert changed == [False, False, True, True]


def test_a_gradient_that_is_not_finite_is_refused():
    module = nn.Linear(1, 1)
    moved = Optimisation(module, module, CONFIG)
    with pytest.raises(ConfigError, match='finite gradient, got nan; lower learning_rate'):
        moved.backward(module(torch.full((1, 1), torch.nan)).sum())


def test_fp16_leaves_out_a_step_that_is_too_wide_and_tries_a_smaller_scale():
    module = nn.Linear(1, 1)
    scaler = GradScaler('cpu', init_scale=2.0**20, enabled=True)
    moved = Optimisation(module, module, CONFIG, scaler=scaler)
    before = [p.clone() for p in module.parameters()]
    moved.backward(module(torch.full((1, 1), 1e35)).sum())
    moved.step(0.5)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert scaler.get_scale() < 2.0**20
    norm = moved.backward(module(torch.ones(1, 1)).sum())
    assert norm == pytest.approx(2**0.5)
    moved.step(0.5)
    assert not torch.equal(before[0], module.weight)


def test_fp16_that_no_scale_helps_is_refused():
    module = nn.Linear(1, 1)
    scaler = GradScaler('cpu', init_scale=1.0, enabled=True)
    moved = Optimisation(module, module, CONFIG, scaler=scaler)
    with pytest.raises(ConfigError, match='finite gradient'):
        moved.backward(module(torch.full((1, 1), torch.nan)).sum())


def test_the_average_has_no_copy_of_what_is_frozen():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    average = make_average(module, 0.5)
    of = average.module
    assert of[0].weight.data_ptr() == module[0].weight.data_ptr()
    assert of[2].weight.data_ptr() != module[2].weight.data_ptr()
    for _ in range(20):
        average.update_parameters(module)
    frozen, before = module[0].weight.clone(), of[2].weight.clone()
    with torch.no_grad():
        module[2].weight.add_(1.0)
        module[1].running_mean.add_(2.0)
        module[1].num_batches_tracked.add_(3)
    average.update_parameters(module)
    assert torch.equal(of[0].weight, frozen)
    torch.testing.assert_close(of[2].weight, before + 0.5)
    torch.testing.assert_close(of[1].running_mean, torch.ones(2))
    assert of[1].num_batches_tracked == 3
