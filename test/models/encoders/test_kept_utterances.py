"""A frozen transformer runs once for each utterance, and says what it would have said."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from activity_recognition.models.encoders.text import TextTransformer
from factories.backbones import pretrained_system, save_text_backbone, with_names
from factories.networks import make_system

IDS = torch.tensor([[[2, 7, 8, 3], [2, 9, 3, 0], [0, 0, 0, 0], [2, 7, 8, 3]]])
MASK = IDS > 0


def make_encoder(folder: Path, *, trained_layers: int = 0) -> TextTransformer:
    config = with_names(text=save_text_backbone(folder), trained_layers=trained_layers)
    return pretrained_system(config).text_encoder


def counted(encoder: TextTransformer) -> list[int]:
    """Count from now on how many utterances each call of the transformer gets."""
    calls: list[int] = []
    encoder.encoder.register_forward_hook(
        lambda _, __, found: calls.append(len(found.last_hidden_state))
    )
    return calls


def hidden(*places: tuple[int, int]) -> torch.Tensor:
    mask = MASK.clone()
    for utterance, token in places:
        mask[0, utterance, token] = False
    return mask


@pytest.mark.parametrize('mask', [MASK, hidden((0, 1)), hidden((0, 0)), hidden((1, 1), (1, 2))])
def test_it_says_the_same(tmp_path: Path, mask: torch.Tensor):
    encoder = make_encoder(tmp_path)
    expected = encoder(IDS, mask)
    encoder.keep_frozen_answers()
    for _ in range(2):
        torch.testing.assert_close(encoder(IDS, mask), expected, atol=1e-5, rtol=1e-5)


def test_each_utterance_runs_once_whatever_it_lies_beside(tmp_path: Path):
    encoder = make_encoder(tmp_path)
    encoder.keep_frozen_answers()
    calls, pooled = counted(encoder), []
    encoder.project.register_forward_pre_hook(lambda _, given: pooled.append(given[0]))
    encoder(IDS, MASK)
    assert calls == [1, 1, 1]  # of four rows, two say the same
    padded = torch.nn.functional.pad(IDS[:, :1], (0, 3))
    encoder(padded, padded > 0)
    assert calls == [1, 1, 1]
    together, alone = pooled
    assert torch.equal(alone[0], together[0])
    encoder(IDS, hidden((0, 1)))
    assert calls == [1, 1, 1, 1]


def test_what_inference_mode_computed_can_be_learnt_from(tmp_path: Path):
    encoder = make_encoder(tmp_path)
    encoder.keep_frozen_answers()
    with torch.inference_mode():
        encoder(IDS, MASK)
    calls = counted(encoder)
    encoder.train()(IDS, MASK).pow(3).sum().backward()
    assert encoder.project.weight.grad.any()
    assert not calls


def test_a_copy_shares_what_is_kept(tmp_path: Path):
    encoder = make_encoder(tmp_path)
    encoder.keep_frozen_answers()
    encoder(IDS, MASK)
    other = copy.deepcopy(encoder)
    calls = counted(other)
    other(IDS, MASK)
    assert not calls


def test_kept_answers_are_those_without_dropout(tmp_path: Path):
    encoder = make_encoder(tmp_path)
    expected = encoder(IDS, MASK)
    for module in encoder.modules():
        module.training = True
    encoder.keep_frozen_answers()
    torch.testing.assert_close(encoder(IDS, MASK), expected, atol=1e-5, rtol=1e-5)


def test_what_is_trained_is_not_kept(tmp_path: Path):
    for encoder in (make_encoder(tmp_path, trained_layers=1), make_system().text_encoder):
        encoder.keep_frozen_answers()
        calls = counted(encoder)
        encoder(IDS, MASK)
        encoder(IDS, MASK)
        assert calls == [4, 4]
