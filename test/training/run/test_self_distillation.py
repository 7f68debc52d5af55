"""Unimodal probabilities are drawn to the fused ones, and not the other way round."""

from __future__ import annotations

import math

import pytest
import torch

from activity_recognition.training.run.losses import IGNORE
from activity_recognition.training.run.self_distillation import (
    self_distillation_count,
    self_distillation_kl,
)
from activity_recognition.types import MODALITIES, Modality


def test_the_divergence_by_hand():
    """Fused (1/2, 1/2); video (1/4, 3/4) is present, audio and text are not."""
    logits = torch.zeros(1, 1, 2, requires_grad=True)
    video = torch.tensor([[[0.0, math.log(3.0)]]], requires_grad=True)
    unimodal = {m: torch.zeros(1, 1, 2) for m in MODALITIES} | {Modality.VIDEO: video}
    present = {m: torch.tensor([[m is Modality.VIDEO]]) for m in MODALITIES}
    targets = torch.zeros(1, 1, dtype=torch.int64)
    found = self_distillation_kl(logits, unimodal, present, targets)
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert found.item() == pytest.approx(expected, abs=1e-6)
    found.backward()
    assert logits.grad is None
    torch.testing.assert_close(video.grad, torch.tensor([[[-0.25, 0.25]]]))


def test_it_is_zero_where_all_agree_and_where_nothing_counts():
    logits = torch.randn(2, 3, 4)
    unimodal = dict.fromkeys(MODALITIES, logits)
    present = {m: torch.ones(2, 3, dtype=torch.bool) for m in MODALITIES}
    targets = torch.zeros(2, 3, dtype=torch.int64)
    assert self_distillation_kl(logits, unimodal, present, targets).item() == pytest.approx(
        0, abs=1e-6
    )
    assert self_distillation_count(present, targets) == 18
    other = {m: torch.randn(2, 3, 4) for m in MODALITIES}
    assert self_distillation_kl(logits, other, present, targets) > 0.1
    nothing = torch.full((2, 3), IGNORE)
    assert self_distillation_kl(logits, other, present, nothing) == 0
