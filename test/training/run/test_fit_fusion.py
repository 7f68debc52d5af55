"""The fusion is fitted so that modalities are trusted for what they know, and residuals for use."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from activity_recognition.config import EngineConfig
from activity_recognition.inference.precision import choose_precision
from activity_recognition.models.attention import NUM_KNOTS
from activity_recognition.models.experts import ProductOfExperts
from activity_recognition.training.run.fit_fusion import FusionData, fit_fusion
from activity_recognition.training.run.fusion_data import collect_fusion_data, fit_fusion_on
from activity_recognition.training.run.validation import validate
from factories.networks import ATTENDING, TINY, make_system
from factories.segments import make_segment

M, C, WIDTH = 3, 4, 8
PRECISION = choose_precision(EngineConfig(device='cpu', precision='fp32'))


def made(
    *,
    strengths: tuple[float, ...] = (2.0, 2.0, 2.0),
    spans: int = 60,
    length: int = 5,
    residual: float = 0.0,
    seed: int = 0,
) -> FusionData:
    """Heads that each know the class with some strength, and noise of 1; a strong one is right.

    Decisions of one span have nearly the same noise. ``residual`` is how much attention knows.
    """
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    number = torch.arange(spans).repeat_interleave(length)
    targets = torch.randint(0, C, (spans,), generator=generator)[number]
    truth = torch.nn.functional.one_hot(targets, C).double()
    noise = drawn(spans, M, C)[number] + 0.1 * drawn(len(number), M, C)
    heads = torch.stack([s * truth for s in strengths], 1) + noise
    subsets = torch.tensor(sorted(itertools.product((True, False), repeat=M), reverse=True)[:-1])
    noise = drawn(spans, C)[number]
    return FusionData(
        heads=heads,
        scores=torch.zeros(len(number), M).double(),
        present=torch.ones(len(number), M).bool(),
        subsets=subsets,
        residuals=(residual * truth + noise).expand(len(subsets), -1, -1),
        targets=targets,
        spans=number,
        class_weights=torch.ones(C).double(),
    )


def experts_with(weight: float = 0.0) -> ProductOfExperts:
    experts = ProductOfExperts(M, WIDTH, C)
    with torch.no_grad():
        experts.weight.fill_(weight)
    return experts


def whole_nll(
    experts: ProductOfExperts, data: FusionData, *hidden: int, gain: float = 0.0
) -> float:
    """Return the mean loss with some modalities hidden, computed in another way."""
    kept = torch.tensor([m not in hidden for m in range(M)])
    heads = data.heads / experts.temperatures.double()[:, None]
    r = torch.nn.functional.softplus(experts.bias.detach().double()) * kept
    logits = (r[:, None] * (heads.log_softmax(-1) - experts.log_prior)).sum(1) + experts.log_prior
    logits = logits + gain * data.residuals[0]
    return float(torch.nn.functional.cross_entropy(logits, data.targets))


def test_who_knows_nothing_is_hardly_trusted():
    experts = experts_with()
    fitted = fit_fusion(experts, made(strengths=(3.0, 2.0, 0.0), residual=0.0))
    trusted = [r / t for r, t in zip(fitted.reliabilities, fitted.temperatures, strict=True)]
    assert trusted[2] < 0.2 * min(trusted[:2])


def test_who_is_sure_and_wrong_is_cooled_down():
    """A head that was trained to be sure, and on new recordings knows nothing."""
    data = made(strengths=(3.0, 2.0, 0.0))
    loud = data.heads * torch.tensor([1.0, 1.0, 8.0])[:, None]
    experts = experts_with()
    fitted = fit_fusion(experts, dataclasses.replace(data, heads=loud))
    assert fitted.temperatures[2] > 5
    assert whole_nll(experts, dataclasses.replace(data, heads=loud)) < whole_nll(
        experts, dataclasses.replace(data, heads=loud), 0
    )


@given(
    seed=st.integers(0, 200),
    strengths=st.tuples(*(st.floats(0.0, 3.0),) * M),
    residual=st.floats(0.0, 2.0),
    spans=st.integers(5, 40),
)
@settings(max_examples=25)
def test_a_fit_never_raises_the_negative_log_likelihood(seed, strengths, residual, spans):
    data = made(strengths=strengths, residual=residual, spans=spans, seed=seed)
    experts = experts_with()
    fitted = fit_fusion(experts, data)
    assert fitted.nll_after <= fitted.nll_before + 1e-9
    assert all(r >= 0 for r in fitted.reliabilities)
    assert 0 <= fitted.residual_gain <= 1
    assert torch.isfinite(experts.bias).all()


@pytest.mark.parametrize('seed', range(5))
def test_no_subset_beats_the_whole_on_average(seed):
    data = made(strengths=(3.0, 1.0, 0.0), seed=seed)
    experts = experts_with()
    fit_fusion(experts, data)
    whole = whole_nll(experts, data)
    for count in (1, 2):
        for hidden in itertools.combinations(range(M), count):
            assert whole <= whole_nll(experts, data, *hidden) + 1e-3, hidden


@pytest.mark.parametrize('seed', range(5))
def test_a_residual_of_noise_is_left_out(seed):
    fitted = fit_fusion(experts_with(), made(residual=0.0, seed=seed))
    assert fitted.residual_gain == 0.0


@pytest.mark.parametrize('seed', range(5))
def test_a_residual_that_knows_more_stays(seed):
    data = made(strengths=(1.0, 1.0, 1.0), residual=3.0, seed=seed)
    fitted = fit_fusion(experts_with(), data)
    assert fitted.residual_gain > 0.5
    assert fitted.nll_after < fitted.nll_before


def test_state_and_age_count_where_they_tell_when_a_head_is_right():
    """A score that is high exactly where the third head is not of noise alone."""
    data = made(strengths=(1.0, 1.0, 0.0), spans=200)
    knows = (data.spans % 2 == 0).double()
    truth = torch.nn.functional.one_hot(data.targets, C).double()
    heads = data.heads.clone()
    heads[:, 2] += 4 * knows[:, None] * truth
    scores = torch.zeros_like(data.scores)
    scores[:, 2] = 4 * knows - 2
    telling = dataclasses.replace(data, heads=heads, scores=scores)
    experts = experts_with(0.1)
    assert fit_fusion(experts, telling).uses_state
    assert experts.weight.any()
    generator = torch.Generator().manual_seed(3)
    noise = 2 * torch.randn(200, M, dtype=torch.float64, generator=generator)[data.spans]
    experts = experts_with(0.1)
    assert not fit_fusion(experts, dataclasses.replace(telling, scores=noise)).uses_state
    assert not experts.weight.any()


def test_few_recordings_decide_little():
    few = fit_fusion(experts_with(), made(strengths=(3.0, 2.0, 0.0), spans=2))
    many = fit_fusion(experts_with(), made(strengths=(3.0, 2.0, 0.0), spans=100))
    assert abs(few.reliabilities[2] - 1) < abs(many.reliabilities[2] - 1)


def test_who_is_never_there_keeps_what_it_has():
    data = made()
    data.present[:, 1] = False
    experts = experts_with()
    fitted = fit_fusion(experts, data)
    assert fitted.temperatures[1] == 1.0
    assert torch.nn.functional.softplus(experts.bias[1]).item() == pytest.approx(1.0, abs=1e-4)


class TestOnRecordings:
    SEGMENTS = (make_segment(seed=3), make_segment(seed=4, duration_s=6.0))

    def collected(self, system):
        found = collect_fusion_data(system, self.SEGMENTS, PRECISION, torch.ones(C))
        assert found is not None
        return found

    def test_what_is_collected_makes_the_networks_own_logits(self):
        """Heads, scores and residuals, put together by hand."""
        system = make_system(TINY)
        data = self.collected(system)
        experts = system.experts
        heads = data.heads / experts.temperatures.double()[:, None]
        r = torch.nn.functional.softplus(experts.bias.double() + data.scores) * data.present
        evidence = heads.log_softmax(-1) - experts.log_prior.double()
        logits = (r[..., None] * evidence).sum(1) + experts.log_prior + data.residuals[0]
        found = validate(system, self.SEGMENTS, PRECISION)
        torch.testing.assert_close(
            logits.log_softmax(-1), found.logits.double().log_softmax(-1), atol=1e-4, rtol=1e-4
        )
        assert torch.equal(data.targets, found.targets)

    def test_spans_are_runs_of_one_label(self):
        data = self.collected(make_system(TINY))
        for number in range(data.num_spans):
            assert len(data.targets[data.spans == number].unique()) == 1
        assert 2 <= data.num_spans <= 9
        assert data.subsets[0].all()
        assert len(data.subsets) == len(data.residuals) == 7

    def test_a_network_is_fitted_in_place(self):
        system = make_system(TINY)
        before = system.classifier.weight.clone()
        fitted = fit_fusion_on(system, self.SEGMENTS, PRECISION, torch.ones(C))
        assert fitted.nll_after <= fitted.nll_before
        torch.testing.assert_close(system.classifier.weight, fitted.residual_gain * before)
        assert system.experts.weight.any() == fitted.uses_state
        assert 'labelled spans' in fitted.sentence(['video', 'audio', 'text'])

    def test_nothing_to_fit(self):
        assert (
            fit_fusion_on(make_system(ATTENDING), self.SEGMENTS, PRECISION, torch.ones(C)) is None
        )
        assert fit_fusion_on(make_system(TINY), [], PRECISION, torch.ones(C)) is None


def test_the_width_of_the_features_is_that_of_the_weights():
    assert experts_with().weight.shape == (M, WIDTH + NUM_KNOTS)
