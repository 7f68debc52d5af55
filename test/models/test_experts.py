"""The product of experts: its formula, what absence does, and how a fresh network begins."""

import dataclasses
import itertools
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.config_io import build_config, build_stored_config, to_stored_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.model_config import ModelConfig
from activity_recognition.models.attention import NUM_KNOTS
from activity_recognition.models.checkpoint import (
    load_checkpoint,
    save_checkpoint,
)
from activity_recognition.models.experts import ProductOfExperts, scaled_gradient
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import MODALITIES
from factories.batches import random_batch, remove
from factories.networks import ATTENDING, TINY, make_system, tokenizer_for

M, C, D, N = 3, 4, 6, 5
PARTS = [chosen for count in range(4) for chosen in itertools.combinations(range(M), count)]


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def lively(seed=0):
    experts = ProductOfExperts(M, D, C).double()
    with torch.no_grad():
        experts.bias.copy_(drawn(M, seed=seed))
        experts.weight.copy_(0.3 * drawn(M, D + NUM_KNOTS, seed=seed + 1))
        experts.temperatures.copy_(drawn(M, seed=seed + 2).exp())
        experts.set_prior(100 * drawn(C, seed=seed + 3).abs())
    return experts


def inputs(present=range(M), seed=10):
    there = [torch.full((N,), index in present) for index in range(M)]
    states = list(drawn(M, N, D, seed=seed + 1))
    knots = list(drawn(M, N, NUM_KNOTS, seed=seed + 2).softmax(-1))
    return drawn(M, N, C, seed=seed), states, knots, there, drawn(N, C, seed=seed + 3)


def log_p(logits):
    return logits.log_softmax(-1)


def reliabilities(experts, states, knots):
    return experts.scores(states, knots).exp().log1p()


@given(seed=st.integers(0, 1000), present=st.sampled_from(PARTS))
@settings(max_examples=30)
def test_the_formula(seed, present):
    """The sum of r log p, less what the prior was counted too often, and the residual."""
    experts = lively(seed)
    heads, states, knots, there, residual = inputs(present, seed)
    found = experts(heads, states, knots, there, residual)
    r = reliabilities(experts, states, knots)
    assert (r >= 0).all()
    expected = sum((r[i, :, None] * log_p(heads[i]) for i in present), torch.zeros(N, C))
    total = sum((r[i] for i in present), torch.zeros(N))
    expected = expected - (total - 1)[:, None] * experts.log_prior + residual
    torch.testing.assert_close(log_p(found), log_p(expected), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize('index', range(M))
def test_the_product_of_one_expert_is_its_head(index):
    experts = ProductOfExperts(M, D, C).double()
    experts.set_prior(torch.tensor([50.0, 3.0, 7.0, 1.0]))
    heads, states, knots, there, _ = inputs([index])
    found = experts(heads, states, knots, there, torch.zeros(N, C).double())
    torch.testing.assert_close(log_p(found), log_p(heads[index]), atol=1e-7, rtol=0)


def test_the_prior_is_counted_once():
    """Heads that know nothing but the prior, however many, leave the prior."""
    experts = lively()
    _, states, knots, _, _ = inputs()
    ignorant = experts.log_prior.expand(M, N, C)
    for present in PARTS:
        there = [torch.full((N,), index in present) for index in range(M)]
        found = experts(ignorant, states, knots, there, torch.zeros(N, C).double())
        torch.testing.assert_close(
            log_p(found), log_p(experts.log_prior).expand(N, C), atol=1e-12, rtol=0
        )


def test_independent_evidence_is_joined_as_bayes_does():
    """Two independent tests of one condition: the posterior is the product over the prior."""
    prior = torch.tensor([0.7, 0.2, 0.1]).double()
    likelihoods = drawn(2, 3, seed=4).exp()
    posteriors = (likelihoods * prior).log()
    experts = ProductOfExperts(2, D, 3).double()
    experts.log_prior.copy_(prior.log())
    found = experts(
        posteriors[:, None],
        list(drawn(2, 1, D)),
        list(drawn(2, 1, NUM_KNOTS)),
        [torch.ones(1).bool()] * 2,
        torch.zeros(1, 3).double(),
    )
    joint = likelihoods.prod(0) * prior
    torch.testing.assert_close(found.softmax(-1)[0], joint / joint.sum(), atol=1e-7, rtol=0)


@pytest.mark.parametrize('present', PARTS, ids=str)
def test_what_is_absent_has_no_influence(present):
    experts = lively()
    heads, states, knots, there, residual = inputs(present)
    before = experts(heads, states, knots, there, residual)
    for index in set(range(M)) - set(present):
        heads[index], states[index] = 1e30, 1e6 * drawn(N, D)
        knots[index] = torch.zeros(N, NUM_KNOTS).double()
    after = experts(heads, states, knots, there, residual)
    assert torch.equal(after, before)
    assert after.isfinite().all()


def test_reliability_depends_on_state_and_age_and_never_turns_evidence_round():
    experts = lively()
    _, states, knots, _, _ = inputs()
    base = reliabilities(experts, states, knots)
    assert (base[:, 0] != base[:, 1]).all()
    older = [knot.flip(-1) for knot in knots]
    assert (reliabilities(experts, states, older) != base).any(-1).all()
    # The scale of a state says nothing.
    torch.testing.assert_close(
        reliabilities(experts, [10 * state for state in states], knots), base, atol=1e-4, rtol=0
    )
    with torch.no_grad():
        experts.bias.fill_(-1e4)
    assert (reliabilities(experts, states, knots) == 0).all()


@pytest.mark.parametrize('chosen', PARTS[1:], ids=str)
def test_a_fresh_network_decides_as_the_product_of_its_heads(chosen):
    torch.manual_seed(0)
    system = ActivityRecognitionSystem(TINY).double().eval()
    batch = random_batch(TINY, decisions=6)
    for index, modality in enumerate(MODALITIES):
        if index not in chosen:
            batch = remove(batch, modality)
    output = system.forward_detailed(batch)
    product = sum(
        torch.where(output.present[m][..., None], log_p(output.unimodal[m]), 0.0)
        for m in MODALITIES
    )
    seen = torch.stack(list(output.present.values())).any(0)
    assert seen.any()
    torch.testing.assert_close(log_p(output.logits)[seen], log_p(product)[seen], atol=1e-6, rtol=0)


def test_a_network_of_another_fusion_has_no_experts():
    names = set(ActivityRecognitionSystem(ATTENDING).state_dict())
    more = set(ActivityRecognitionSystem(TINY).state_dict()) - names
    assert more == {f'experts.{n}' for n in ('bias', 'weight', 'temperatures', 'log_prior')}


def gradients(system, batch):
    system.zero_grad()
    output = system.forward_detailed(batch)
    output.logits.pow(3).sum().backward()
    return {name for name, p in system.named_parameters() if p.grad is not None and p.grad.any()}


def test_the_fused_loss_reaches_the_encoders_as_far_as_it_may():
    system = make_system(TINY, dtype=torch.float64)
    batch = random_batch(TINY)
    everywhere = gradients(system, batch)
    assert any(name.startswith('video_encoder.') for name in everywhere)
    system.fused_gradient = 0.0
    found = gradients(system, batch)
    inside = ('experts.', 'classifier.', 'cross_attention.')
    assert {name for name in found if not name.startswith(inside)} == set()
    assert {'experts.bias', 'experts.weight', 'classifier.weight'} <= found
    assert {n for n in everywhere if n.startswith(('experts.', 'classifier.'))} <= found


def test_the_heads_own_loss_is_not_scaled():
    system = make_system(TINY, dtype=torch.float64)
    batch = random_batch(TINY)

    def own_gradient(factor):
        system.zero_grad()
        system.fused_gradient = factor
        system.forward_detailed(batch).unimodal[MODALITIES[1]].pow(2).sum().backward()
        return system.audio_encoder.get_parameter(
            next(name for name, _ in system.audio_encoder.named_parameters())
        ).grad.clone()

    assert torch.equal(own_gradient(1.0), own_gradient(0.0))


@pytest.mark.parametrize('factor', [0.0, 0.25, 1.0])
def test_a_scaled_gradient_leaves_the_value(factor):
    value = drawn(3).requires_grad_()
    passed = scaled_gradient(value, factor)
    torch.testing.assert_close(passed, value, atol=0, rtol=1e-15)
    (2 * passed + 0 * value).sum().backward()
    torch.testing.assert_close(value.grad, torch.full((3,), 2 * factor).double())


def test_a_class_that_never_occurs_is_no_rarer_than_the_rarest():
    """Or every head beyond the first would have it named."""
    experts = ProductOfExperts(M, D, C)
    experts.set_prior(torch.tensor([98.0, 9999.0, 0.0, 100.0]))
    assert experts.log_prior.exp().sum() == pytest.approx(1.0)
    assert experts.log_prior[2] == experts.log_prior[0]


def test_the_prior_of_no_class_at_all_is_uniform():
    experts = ProductOfExperts(M, D, C)
    experts.set_prior(torch.zeros(C))
    torch.testing.assert_close(experts.log_prior.exp(), torch.full((C,), 1 / C))


class TestSettings:
    def test_a_new_network_is_a_product_of_experts(self):
        assert ModelConfig().fusion == 'experts'
        assert build_config(ModelConfig, {}).fusion == 'experts'

    def test_a_checkpoint_that_does_not_say_decides_by_attention(self):
        config = build_stored_config(ModelConfig, {'hidden_dim': 64}, where='model')
        assert (config.fusion, config.hidden_dim) == ('attention', 64)

    @pytest.mark.parametrize('config', [TINY, ATTENDING], ids=['experts', 'attention'])
    def test_what_is_stored_comes_back(self, config):
        stored = json.loads(json.dumps(to_stored_mapping(config)))
        assert ('fusion' in stored) == (config is TINY)
        assert build_stored_config(ModelConfig, stored, where='model') == config

    @pytest.mark.parametrize('config', [TINY, ATTENDING], ids=['experts', 'attention'])
    def test_a_checkpoint_comes_back(self, config, tmp_path):
        system = make_system(config)
        save_checkpoint(tmp_path / 'c', system, tokenizer_for(config))
        loaded = load_checkpoint(tmp_path / 'c')
        assert loaded.config == config
        batch = random_batch(config)
        batch = {k: v.float() if v.is_floating_point() else v for k, v in batch.items()}
        with torch.no_grad():
            assert torch.equal(loaded.system(batch), system(batch))

    def test_another_word_is_refused(self):
        with pytest.raises(
            ConfigError, match="fusion must be one of experts, attention, got 'sum'"
        ):
            dataclasses.replace(TINY, fusion='sum')
