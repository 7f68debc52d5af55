"""Temperature and offsets that data with known ones give back."""

import numpy as np
import pytest
import torch

from activity_recognition.training.run.fit_calibration import (
    SUPPORT,
    SUPPORTING_GROUPS,
    fit_offsets,
    fit_temperature,
    offsets_generalise,
    supports_offsets,
)
from activity_recognition.training.run.losses import IGNORE


@pytest.mark.parametrize('true_temperature', [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(true_temperature: float):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 4, generator=generator) * 2
    targets = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    found = fit_temperature(logits * true_temperature, targets)
    assert found.temperature == pytest.approx(true_temperature, rel=0.06)
    assert found.nll_after <= found.nll_before + 1e-9


def test_it_works_where_gradients_are_off():
    with torch.inference_mode():
        logits = torch.randn(50, 3)
    with torch.no_grad():
        assert fit_temperature(logits.clone(), torch.arange(50) % 3).temperature > 0


def test_perfect_logits_do_not_drive_it_to_zero():
    logits = torch.eye(3).repeat(20, 1) * 5
    assert 0.05 <= fit_temperature(logits, torch.arange(60) % 3).temperature < 1


def test_nothing_to_fit_on_leaves_it_at_one():
    found = fit_temperature(torch.randn(4, 3), torch.full((4,), IGNORE))
    assert (found.temperature, found.nll_before, found.nll_after) == (1.0, None, None)


def test_known_offsets_are_found_however_often_classes_occur():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40_000, 3, generator=generator) * 2
    targets = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    rare = (targets != 2) | (torch.rand(len(targets), generator=generator) < 0.2)
    wrong = torch.tensor([0.8, -0.5, -0.3])
    # Leaving out four of five is an offset by its logarithm, which equal counts take back.
    found = fit_offsets((logits + wrong)[rare], targets[rare])
    assert found.tolist() == pytest.approx((-wrong).tolist(), abs=0.1)
    assert found.sum().item() == pytest.approx(0.0, abs=1e-12)


def test_a_class_without_a_target_gets_no_offset():
    logits = torch.tensor([[1.0, 0.5, 3.0], [0.2, 0.9, -3.0]]).repeat(10, 1)
    found = fit_offsets(logits, torch.tensor([0, 1]).repeat(10))
    assert found[2] == 0
    assert torch.isfinite(found).all()


def test_offsets_of_classes_told_apart_perfectly_stay_small():
    found = fit_offsets(torch.eye(3).repeat(20, 1) * 50, torch.arange(60) % 3)
    assert found.abs().max() < 1e-3


def test_nothing_to_fit_offsets_on_leaves_them_at_zero():
    assert fit_offsets(torch.randn(4, 3), torch.full((4,), IGNORE)).tolist() == [0.0, 0.0, 0.0]


def test_offsets_need_every_class_in_several_stretches():
    everything = np.array([0, 0, 1, 2, IGNORE])
    assert supports_offsets([everything] * SUPPORT, 3, groups=SUPPORTING_GROUPS)
    assert not supports_offsets([everything] * (SUPPORT - 1), 3, groups=SUPPORTING_GROUPS)
    assert not supports_offsets([everything] * SUPPORT, 4, groups=SUPPORTING_GROUPS)
    assert not supports_offsets(
        [everything] * (SUPPORT - 1) + [np.array([0, 1, IGNORE])], 3, groups=SUPPORTING_GROUPS
    )
    assert not supports_offsets([], 3, groups=SUPPORTING_GROUPS)


def test_offsets_need_several_groups():
    """What one person's recordings lack is no fault of the network."""
    many = [np.array([0, 1, 2])] * 100
    assert supports_offsets(many, 3, groups=SUPPORTING_GROUPS)
    assert not supports_offsets(many, 3, groups=SUPPORTING_GROUPS - 1)
    assert not supports_offsets(many, 3, groups=1)


def spans_of(
    count: int, *, bias: float, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of spans of five decisions; each says the truth with noise of its span and a bias."""
    generator = torch.Generator().manual_seed(seed)
    number = torch.arange(count).repeat_interleave(5)
    targets = (torch.arange(count) % 4)[number]
    truth = torch.nn.functional.one_hot(targets, 4).double()
    noise = torch.randn(count, 4, dtype=torch.float64, generator=generator)[number]
    return 1.5 * truth + noise - bias * torch.eye(4).double()[0], targets, number


@pytest.mark.parametrize('seed', range(5))
def test_offsets_of_few_spans_without_a_bias_do_not_generalise(seed):
    assert not offsets_generalise(*spans_of(16, bias=0.0, seed=seed))


@pytest.mark.parametrize('seed', range(5))
def test_offsets_against_a_bias_generalise(seed):
    assert offsets_generalise(*spans_of(80, bias=2.0, seed=seed))


def test_a_single_span_says_nothing_of_offsets():
    assert not offsets_generalise(*spans_of(1, bias=2.0))


def test_nothing_says_nothing_of_offsets():
    assert not offsets_generalise(*(values[:0] for values in spans_of(1, bias=2.0)))


def test_the_order_of_recordings_does_not_matter():
    """Recordings come by path, so those of one label may come one after the other."""
    logits, targets, spans = spans_of(80, bias=2.0)
    by_label = targets.argsort(stable=True)
    assert offsets_generalise(logits[by_label], targets[by_label], spans[by_label])
