"""The temperature that data with a known one give back."""

import pytest
import torch

from activity_recognition.training.calibration import fit_temperature
from activity_recognition.training.losses import IGNORE


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
