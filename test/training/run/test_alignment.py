"""Contrastive alignment: hand-computed, and only of what is to be told apart."""

from __future__ import annotations

import math

import pytest
import torch

from activity_recognition.training.run.alignment import (
    ANCHORS,
    ContrastiveAlignment,
    choose_anchors,
)
from activity_recognition.training.run.losses import IGNORE
from activity_recognition.types import MODALITIES, NANOSECONDS, Modality

WIDTH = 3
BOTH = {Modality.VIDEO: True, Modality.AUDIO: True, Modality.TEXT: False}


def make_alignment(gap_s: float = 2.0) -> ContrastiveAlignment:
    """Compare the states themselves, at temperature 1."""
    alignment = ContrastiveAlignment(WIDTH, temperature=1.0, gap_s=gap_s)
    with torch.no_grad():
        for layer in alignment.maps.values():
            layer.weight.copy_(torch.eye(WIDTH))
            layer.bias.zero_()
    return alignment


def presence(rows: int, decisions: int, seen: dict[Modality, bool]) -> dict[Modality, torch.Tensor]:
    return {m: torch.full((rows, decisions), seen[m]) for m in MODALITIES}


def states(video: list, audio: list) -> dict[Modality, torch.Tensor]:
    tensors = {Modality.VIDEO: torch.tensor(video), Modality.AUDIO: torch.tensor(audio)}
    tensors[Modality.TEXT] = torch.zeros_like(tensors[Modality.VIDEO])
    return {m: t.float().requires_grad_() for m, t in tensors.items()}


def test_two_crops_of_different_classes_by_hand():
    """Cosines: own 1 and 0.6, other 0 and 0.8; all four searches as softmax over two."""
    found = make_alignment()(
        states([[[1, 0, 0]], [[0, 1, 0]]], [[[1, 0, 0]], [[0.8, 0.6, 0]]]),
        presence(2, 1, BOTH),
        torch.tensor([[0], [1]]),
        torch.zeros(2, 1, dtype=torch.int64),
    )

    def search(own: float, other: float) -> float:
        return math.log(math.exp(own) + math.exp(other)) - own

    first = (search(1.0, 0.8) + search(1.0, 0.0)) / 2
    second = (search(0.6, 0.0) + search(0.6, 0.8)) / 2
    assert found.item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_the_same_class_is_no_negative():
    found = make_alignment()(
        states([[[1, 0, 0]], [[0, 1, 0]]], [[[1, 0, 0]], [[0.8, 0.6, 0]]]),
        presence(2, 1, BOTH),
        torch.tensor([[1], [1]]),
        torch.zeros(2, 1, dtype=torch.int64),
    )
    assert found.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(('apart_s', 'compared'), [(1.0, False), (3.0, True)])
def test_of_one_crop_only_decisions_far_apart_are_compared(apart_s: float, compared: bool):
    found = make_alignment(gap_s=2.0)(
        states([[[1, 0, 0], [0, 1, 0]]], [[[1, 0, 0], [0.8, 0.6, 0]]]),
        presence(1, 2, BOTH),
        torch.tensor([[0, 1]]),
        torch.tensor([[0, int(apart_s * NANOSECONDS)]]),
    )
    assert (found.item() > 0.1) == compared


def test_a_modality_that_is_not_there_gets_no_gradient():
    made = states([[[1, 0, 0]], [[0, 1, 0]]], [[[1, 0, 0]], [[0.8, 0.6, 0]]])
    alignment = make_alignment()
    alignment(
        made,
        presence(2, 1, BOTH),
        torch.tensor([[0], [1]]),
        torch.zeros(2, 1, dtype=torch.int64),
    ).backward()
    assert made[Modality.TEXT].grad.abs().max() == 0
    assert made[Modality.VIDEO].grad.abs().max() > 0
    assert alignment.maps['audio'].weight.grad.abs().max() > 0


def test_anchors_are_spread_over_what_is_labelled_and_seen_twice():
    decisions = 12
    present = presence(3, decisions, BOTH)
    targets = torch.zeros(3, decisions, dtype=torch.int64)
    targets[0, :4] = IGNORE
    present[Modality.AUDIO][1, 2:] = False
    targets[2] = IGNORE
    stamps = torch.arange(decisions).expand(3, -1)
    anchors = choose_anchors(present, targets, stamps)
    there = anchors.present.any(-1)
    assert anchors.stamps_ns[0].tolist() == [5, 7, 9, 11]
    assert there[0].all()
    assert sorted(set(anchors.stamps_ns[1][there[1]].tolist())) == [0, 1]
    assert there[1].sum() == 2
    assert not there[2].any()
    assert anchors.present.shape == (3, ANCHORS, len(MODALITIES))


def test_rows_of_others_count_and_their_gradient_is_their_own():
    """Two processes with a crop each: values add up to the whole, and so do gradients."""
    video, audio = [[[1, 0, 0.2]], [[0, 1, 0]]], [[[1, 0.5, 0]], [[0.8, 0.6, 0]]]
    targets, stamps = torch.tensor([[0], [1]]), torch.zeros(2, 1, dtype=torch.int64)
    whole = states(video, audio)
    alone = make_alignment()
    count = alone.count(presence(2, 1, BOTH), targets, stamps)
    expected = alone(whole, presence(2, 1, BOTH), targets, stamps, count)
    expected.backward()

    total = 0.0
    gradients = []
    for mine in range(2):
        own = states(video[mine : mine + 1], audio[mine : mine + 1])
        process = make_alignment()
        process.load_state_dict(alone.state_dict())
        other = make_alignment()
        anchors = choose_anchors(presence(2, 1, BOTH), targets, stamps)
        everyone = other._embed(states(video, audio), anchors.index).detach()
        facts = iter([anchors.present.long(), anchors.targets, anchors.stamps_ns])

        def gather(rows, mine=mine, everyone=everyone, facts=facts):
            both = everyone if rows.is_floating_point() else next(facts)
            return torch.cat([both[:mine], rows, both[mine + 1 :]]), slice(mine, mine + 1)

        process.gather = gather
        present = presence(1, 1, BOTH)
        row = slice(mine, mine + 1)
        found = process(own, present, targets[row], stamps[row], count)
        found.backward()
        total += found.item()
        gradients.append(own[Modality.VIDEO].grad)
    assert total == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(torch.cat(gradients), whole[Modality.VIDEO].grad)


def test_one_modality_has_nothing_to_be_aligned_with():
    alone = ContrastiveAlignment(WIDTH, modalities=[Modality.AUDIO], temperature=1.0, gap_s=2.0)
    state = {Modality.AUDIO: torch.rand(2, 3, WIDTH, requires_grad=True)}
    present = {Modality.AUDIO: torch.ones(2, 3, dtype=torch.bool)}
    targets, stamps = torch.tensor([[0, 1, 2]] * 2), torch.zeros(2, 3, dtype=torch.int64)
    assert alone(state, present, targets, stamps) == 0
    assert alone.count(present, targets, stamps) == 0
