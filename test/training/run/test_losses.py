"""The loss counts what is labelled and present, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from activity_recognition.training.run.losses import IGNORE, DenseLoss, class_weights, head_masses
from activity_recognition.types import MODALITIES, Modality

CLASSES = 5


def made_up(*, batch: int = 2, decisions: int = 7, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, decisions, CLASSES, generator=generator, requires_grad=True)
    unimodal = {
        m: torch.randn(batch, decisions, CLASSES, generator=generator, requires_grad=True)
        for m in MODALITIES
    }
    present = {m: torch.ones(batch, decisions, dtype=torch.bool) for m in MODALITIES}
    targets = torch.randint(0, CLASSES, (batch, decisions), generator=generator)
    return logits, unimodal, present, targets


def test_it_is_cross_entropy_of_all_decisions():
    logits, unimodal, present, targets = made_up()
    loss = DenseLoss(torch.ones(CLASSES), label_smoothing=0.0)
    found = loss(logits, unimodal, present, targets)

    def expected(found: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(found.flatten(0, 1), targets.flatten())

    torch.testing.assert_close(found['fused'], expected(logits))
    for modality in MODALITIES:
        torch.testing.assert_close(found[modality.value], expected(unimodal[modality]))


def test_weights_are_those_of_torch():
    logits, unimodal, present, targets = made_up()
    weight = torch.rand(CLASSES) + 0.1
    loss = DenseLoss(weight, label_smoothing=0.0)
    expected = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), weight=weight)
    torch.testing.assert_close(loss(logits, unimodal, present, targets)['fused'], expected)


@pytest.mark.parametrize('modality', MODALITIES)
def test_where_a_modality_is_absent_its_head_is_not_asked(modality: Modality):
    logits, unimodal, present, targets = made_up()
    present[modality][0] = False
    loss = DenseLoss(torch.ones(CLASSES), label_smoothing=0.1)
    torch.stack(list(loss(logits, unimodal, present, targets).values())).sum().backward()
    assert unimodal[modality].grad[0].abs().max() == 0
    assert unimodal[modality].grad[1].abs().max() > 0
    assert logits.grad[0].abs().max() > 0


def test_nothing_visible_or_labelled_counts_for_nothing():
    logits, unimodal, present, targets = made_up()
    targets[0] = IGNORE
    for modality in MODALITIES:
        present[modality][1] = False
    loss = DenseLoss(torch.ones(CLASSES), label_smoothing=0.1)
    found = loss(logits, unimodal, present, targets)
    found['fused'].backward()
    assert all(value.item() == 0 for value in found.values())
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() == 0


def test_rarer_classes_weigh_more_by_the_square_root():
    weights = class_weights([100, 400, 0])
    torch.testing.assert_close(weights[0], 2 * weights[1])
    assert weights[2] == 0
    mean = (weights * torch.tensor([100.0, 400.0, 0.0])).sum() / 500
    torch.testing.assert_close(mean, torch.tensor(1.0))


def test_without_any_decision_all_classes_weigh_the_same():
    assert class_weights([0, 0]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize('label_smoothing', [0.0, 0.1])
def test_the_masses_are_what_a_head_says_that_sees_nothing(label_smoothing: float):
    """The constant answer with the smallest loss, found by going down."""
    counts = [60, 5, 20, 14, 1]
    weight = class_weights(counts)
    targets = torch.arange(CLASSES).repeat_interleave(torch.tensor(counts))[None]
    present = {MODALITIES[0]: torch.ones_like(targets, dtype=torch.bool)}
    loss = DenseLoss(weight, label_smoothing=label_smoothing)
    constant = torch.zeros(CLASSES, requires_grad=True)
    optimiser = torch.optim.LBFGS([constant], max_iter=200, line_search_fn='strong_wolfe')

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = constant.expand(1, len(targets[0]), -1)
        found = loss(logits, {MODALITIES[0]: logits}, present, targets)['fused']
        found.backward()
        return found

    optimiser.step(closure)
    masses = head_masses(counts, weight, label_smoothing=label_smoothing)
    expected = (masses / masses.sum()).float()
    torch.testing.assert_close(constant.detach().softmax(-1), expected, atol=1e-3, rtol=0)
