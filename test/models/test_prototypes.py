"""Prototypes of sentences are weights of the usual network, and give cosines as logits."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from activity_recognition.errors import ConfigError
from activity_recognition.models.pretrained import read_tokenizer
from activity_recognition.models.prototypes import (
    BLUNTEST,
    SHARPEST,
    WordPrototypes,
    begin_with_sounds,
    begin_with_words,
    embed_sentences,
    fit_prototypes,
    level_directions,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Modality
from factories.backbones import pretrained_system, save_text_backbone, with_names
from factories.networks import HEARING_ALONE, TEXTS, TINY

WIDTH = 16
"""Of the tiny text network."""


@pytest.fixture(scope='module')
def backbone(tmp_path_factory):
    return save_text_backbone(tmp_path_factory.mktemp('words'))


def made(backbone, hidden_dim, labels=TINY.labels):
    base = dataclasses.replace(TINY, hidden_dim=hidden_dim, labels=labels, modalities=('text',))
    system = pretrained_system(with_names(text=backbone, base=base))
    with torch.no_grad():
        # Their drawn biases would make all sentences alike.
        for module in system.text_encoder.pretrained.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.fill_(1.0)
                module.bias.zero_()
    return system, read_tokenizer(system.config.text)


def own_logits(system, tokenizer, sentences):
    """What the text's own head says of sentences of any age."""
    encoded = [tokenizer.encode(text) for text in sentences]
    longest = max(map(len, encoded))
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids in encoded])
    mask = torch.arange(longest) < torch.tensor([[len(ids)] for ids in encoded])
    with torch.no_grad():
        tokens = system.text_encoder(ids[None], mask[None])[0]
        layers = system.cross_attention.layers(Modality.TEXT)
        there = torch.ones(len(tokens), dtype=torch.bool)
        knots = torch.rand(len(tokens), len(layers.age.table))
        return system.unimodal_heads['text'](layers.begin(tokens, knots, there))


def of_sentences(system, tokenizer, *, count=4):
    """Prototypes of all labels but the first."""
    sentences = [*TEXTS, 'help']
    embeddings = embed_sentences(system.text_encoder, tokenizer, sentences)
    return fit_prototypes(embeddings, [1, 1, 2, 2, 3, 3], count)


def test_sentences_are_pooled_and_normalised_as_their_authors_do(backbone):
    system, tokenizer = made(backbone, 24)
    found = embed_sentences(system.text_encoder, tokenizer, TEXTS)
    network = system.text_encoder.pretrained.network
    for text, row in zip(TEXTS, found, strict=True):
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.no_grad():
            states = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        mean = states[0].mean(0)
        np.testing.assert_allclose(row, (mean / mean.norm()).numpy(), atol=1e-6)


def test_many_sentences_are_those_one_by_one(backbone):
    system, tokenizer = made(backbone, 24)
    many = [' '.join(pair) for pair in itertools.product(TEXTS, TEXTS)] * 2
    found = embed_sentences(system.text_encoder, tokenizer, many)
    assert found.shape == (50, WIDTH)
    alone = np.concatenate([embed_sentences(system.text_encoder, tokenizer, [t]) for t in many])
    np.testing.assert_allclose(found, alone, atol=1e-6)


@pytest.mark.parametrize('hidden_dim', [18, 24, 64])
def test_a_wide_network_gives_the_cosines_exactly(backbone, hidden_dim):
    system, tokenizer = made(backbone, hidden_dim)
    prototypes = of_sentences(system, tokenizer)
    begin_with_words(system, prototypes)
    said = ['hello', 'who please', 'the robot is here again', 'day', 'unheard']
    cosines = embed_sentences(system.text_encoder, tokenizer, said) @ prototypes.means.T
    assert np.ptp(cosines[:, 1:]) > 0.05
    expected = prototypes.sharpness * np.where(prototypes.spoken, cosines, prototypes.other)
    np.testing.assert_allclose(own_logits(system, tokenizer, said).numpy(), expected, atol=2e-5)


@given(
    st.integers(0, 2**16),
    st.integers(2, 5).flatmap(
        lambda n: st.tuples(st.just(n), st.sampled_from((8, 10, 12, 14, 16)))
    ),
)
@settings(max_examples=6)
def test_a_narrow_network_keeps_the_order_of_labels(backbone, seed, sizes):
    count, hidden_dim = sizes
    rng = np.random.default_rng(seed)
    labels = tuple(f'label {i}' for i in range(count))
    system, tokenizer = made(backbone, hidden_dim, labels)
    means = rng.normal(size=(count, WIDTH))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    begin_with_words(system, WordPrototypes(means, 10.0, 0.0, 1.0))
    cosines = embed_sentences(system.text_encoder, tokenizer, TEXTS) @ means.T
    found = own_logits(system, tokenizer, TEXTS).numpy().astype(np.float64)
    # One factor per utterance, which is what little width costs.
    factors = (found * cosines).sum(1) / (10 * np.square(cosines).sum(1))
    np.testing.assert_allclose(found, 10 * factors[:, None] * cosines, atol=1e-4)
    assert ((factors > 0.3) & (factors < 5.0)).all()


def test_labels_without_sentences_share_what_is_left(backbone):
    system, tokenizer = made(backbone, 24, ('none', 'a', 'b', 'c', 'd', 'e'))
    prototypes = of_sentences(system, tokenizer, count=6)
    assert prototypes.spoken.tolist() == [False, True, True, True, False, False]
    begin_with_words(system, prototypes)
    found = own_logits(system, tokenizer, TEXTS)
    silent = found[:, [0, 4, 5]].logsumexp(-1)
    at_other = torch.full_like(silent, prototypes.sharpness * prototypes.other)
    torch.testing.assert_close(silent, at_other, atol=1e-4, rtol=0)


def test_too_narrow_a_network_is_refused(backbone):
    system, tokenizer = made(backbone, 8, tuple('abcdef'))
    with pytest.raises(ConfigError, match='hidden_dim must be at least 9 for prototypes of 6 lab'):
        begin_with_words(system, of_sentences(system, tokenizer, count=6))


def clustered(rng, *, count, each, spread):
    """Sentences about orthogonal middles."""
    middles = np.eye(WIDTH)[:count].repeat(each, 0)
    found = middles + spread * rng.normal(size=middles.shape)
    return found / np.linalg.norm(found, axis=1, keepdims=True), np.arange(count).repeat(each)


def test_clear_labels_are_told_apart_sharply_and_unclear_ones_are_not():
    rng = np.random.default_rng(0)
    clear = fit_prototypes(*clustered(rng, count=5, each=4, spread=0.05), 5)
    unclear = fit_prototypes(*clustered(rng, count=5, each=4, spread=3.0), 5)
    assert clear.recalled == 1.0
    assert unclear.recalled < 0.6
    assert clear.sharpness == SHARPEST
    assert BLUNTEST <= unclear.sharpness < SHARPEST / 2


def test_other_things_lie_between_own_and_foreign_sentences():
    embeddings, labels = clustered(np.random.default_rng(1), count=4, each=3, spread=0.1)
    found = fit_prototypes(embeddings, labels + 1, 5)
    cosines = embeddings @ found.means[1:].T
    own = cosines[np.arange(len(labels)), labels]
    foreign = np.sort(cosines, axis=1)[:, -2]
    assert foreign.max() < found.other < own.min()


def test_a_sentence_does_not_find_itself():
    """Two labels whose sentences are nearer to the other's: leaving out shows it."""
    embeddings = np.eye(WIDTH)[[0, 1, 0, 1]] + 0.01 * np.eye(WIDTH)[[2, 3, 4, 5]]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    assert fit_prototypes(embeddings, [0, 0, 1, 1], 2).recalled == 0.0


@pytest.mark.parametrize(('width', 'count'), [(8, 3), (16, 15), (128, 127)])
def test_level_directions_stay_what_they_are_behind_a_norm(width, count):
    found = level_directions(width, count)
    torch.testing.assert_close(found.T @ found, torch.eye(count, dtype=torch.float64))
    assert found.mean(0).abs().max() < 1e-12


class TestSounds:
    KINDS = (3, 10, 378, 380, 520)
    MEMBERS = ((), (3, 10), (378, 380, 3), (520,))

    @pytest.fixture
    def rows(self):
        rng = np.random.default_rng(2)
        return {
            kind: (rng.normal(0, 0.05, 1024).astype(np.float32), float(rng.normal(-1)))
            for kind in self.KINDS
        }

    def system(self, rows, dtype=torch.float32, members=MEMBERS, **changes):
        audio = dataclasses.replace(HEARING_ALONE.audio, sounds=self.KINDS)
        torch.manual_seed(0)
        config = dataclasses.replace(HEARING_ALONE, audio=audio, modalities=('audio',), **changes)
        system = ActivityRecognitionSystem(config).eval()
        begin_with_sounds(system, members, rows)
        return system.to(dtype)

    def own_logits(self, system, embeddings):
        mask = torch.ones(embeddings.shape[:2], dtype=torch.bool)
        with torch.no_grad():
            return system.unimodal_heads['audio'](system.audio_encoder(embeddings, mask))

    def embeddings(self, count=9):
        rng = np.random.default_rng(3)
        found = np.ones((2, count, 1025))
        found[..., :1024] = rng.exponential(0.6, (2, count, 1024)) * (
            rng.random((2, count, 1024)) < 0.2
        )
        return found

    def test_logits_are_the_probabilities_of_a_labels_sounds(self, rows):
        given = self.embeddings()
        found = self.own_logits(self.system(rows, torch.float64), torch.from_numpy(given))
        scores = {
            kind: 1 / (1 + np.exp(-(given[..., :1024] @ row.astype(np.float64) + bias)))
            for kind, (row, bias) in rows.items()
        }
        for label, kinds in list(enumerate(self.MEMBERS))[1:]:
            silent = np.prod([1 - scores[kind] for kind in kinds], axis=0)
            expected = np.log(np.clip(1 - silent, 1 / 512, 1))
            assert (np.ptp(expected) > 0.5).all()
            # The epsilon of a norm in float64 is that of float32.
            np.testing.assert_allclose(found[..., label], expected, atol=1e-3)
        np.testing.assert_allclose(found[..., 0], np.log(0.3), atol=1e-6)

    def test_nothing_heard_is_the_label_without_sounds(self, rows):
        quiet = {kind: (row * 0, -9.0) for kind, (row, _) in rows.items()}
        found = self.own_logits(self.system(quiet), torch.from_numpy(self.embeddings()).float())
        assert (found.argmax(-1) == 0).all()
        assert (found.softmax(-1)[..., 0] > 0.95).all()

    def test_half_precision_around_it_changes_nothing_in_it(self, rows):
        system = self.system(rows)
        given = torch.from_numpy(self.embeddings()).float()
        with torch.no_grad():
            expected = system.audio_encoder.embed.classes(given)
            with torch.autocast('cpu', dtype=torch.bfloat16):
                found = system.audio_encoder.embed.classes(given)
        torch.testing.assert_close(found, expected, atol=0, rtol=0)

    def test_what_was_silenced_learns(self, rows):
        system = self.system(rows).train()
        given = torch.from_numpy(self.embeddings()).float()
        logits = system.unimodal_heads['audio'](
            system.audio_encoder(given, torch.ones(2, 9, dtype=torch.bool))
        )
        logits.logsumexp(-1).sum().backward()
        embed = system.audio_encoder.embed
        for parameter in (embed.project.weight, embed.project.bias, embed.classes.project.weight):
            assert parameter.grad.abs().sum() > 0

    def test_too_narrow_a_network_is_refused(self, rows):
        with pytest.raises(ConfigError, match='hidden_dim must be at least 10 for the sounds of 8'):
            self.system(rows, members=2 * self.MEMBERS, hidden_dim=8, labels=tuple('abcdefgh'))
