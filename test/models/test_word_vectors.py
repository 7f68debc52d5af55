"""Word vectors: distilled from a pretrained network, frozen, kept in the checkpoint."""

import dataclasses

import pytest
import torch
from tokenizers import Tokenizer, models

from activity_recognition.errors import ConfigError
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.models.pretrained import load_backbones, read_tokenizer, with_backbones
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.word_vectors import frequent_words
from factories.backbones import pretrained_system, save_text_backbone
from factories.networks import TEXTS, TINY


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return save_text_backbone(tmp_path_factory.mktemp('bert'))


def config_of(source, **text):
    words = dataclasses.replace(TINY.text, word_vectors=source, **text)
    return dataclasses.replace(TINY, text=words)


def fitted(config):
    """The configuration with as many tokens as its tokenizer has, and that tokenizer."""
    tokenizer = read_tokenizer(config.text)
    text = dataclasses.replace(config.text, vocab_size=tokenizer.vocab_size)
    return dataclasses.replace(config, text=text), tokenizer


def vectors_of(system):
    return system.text_encoder.encoder.table.weight


def tokens_of(system, tokenizer, text):
    ids = torch.tensor([[tokenizer.encode(text)]])
    with torch.no_grad():
        return system.text_encoder(ids, torch.ones_like(ids, dtype=torch.bool))[0, 0]


def test_words_have_the_ids_of_a_tokenizer_of_our_own(source):
    tokenizer = read_tokenizer(config_of(source).text)
    assert tokenizer.tokens[:2] == ['[PAD]', '[UNK]']
    assert not {'[CLS]', '[SEP]', '['} & set(tokenizer.tokens)
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text.upper())) == text
    assert tokenizer.encode('[PAD]') != [0]


def test_the_most_frequent_words_are_kept_and_every_letter():
    words = ['[PAD]', '[UNK]', 'the', '##e', 'Cat', 'naïve', '!', 't', 'rare', '##t', '語', 'e']
    model = models.WordPiece({word: place for place, word in enumerate(words)}, unk_token='[UNK]')
    kept = frequent_words(Tokenizer(model), vocab_size=7, max_length=8)
    assert kept.tokens == ['[PAD]', '[UNK]', '##e', 't', '##t', 'e', 'the']


def test_a_tokenizer_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match=r'text.word_vectors: expected .* WordPiece .* got BPE'):
        frequent_words(Tokenizer(models.BPE()), vocab_size=16, max_length=8)


def test_vectors_are_white_and_follow_from_the_network_alone(source):
    config, _ = fitted(config_of(source, width=8))
    first, again = (vectors_of(pretrained_system(config, seed=seed)) for seed in (0, 1))
    assert torch.equal(first, again)
    known = first[2:]
    assert not first[:2].any()
    torch.testing.assert_close(known.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(known.T @ known / len(known), torch.eye(8), atol=1e-4, rtol=0)
    assert not first.requires_grad


def test_vectors_wider_than_the_network_are_refused(source):
    config, _ = fitted(config_of(source, width=32))
    with pytest.raises(ConfigError, match=r'text.width must be at most 16.* got 32'):
        load_backbones(ActivityRecognitionSystem(with_backbones(config)))


def test_fewer_words_than_they_have_directions_are_refused(source):
    config, _ = fitted(config_of(source, width=16, vocab_size=16))
    with pytest.raises(ConfigError, match=r'text.width must be at most .* 14 .* got 16; raise'):
        load_backbones(ActivityRecognitionSystem(with_backbones(config)))


def test_an_utterance_is_the_mean_of_its_words(source):
    config, tokenizer = fitted(config_of(source))
    system = pretrained_system(config)
    said, turned = (tokens_of(system, tokenizer, text) for text in ('hello robot', 'robot hello'))
    torch.testing.assert_close(said, turned)
    assert not torch.allclose(said, tokens_of(system, tokenizer, 'help me please'))


def test_a_checkpoint_needs_the_network_no_more(source, tmp_path):
    config, tokenizer = fitted(config_of(source))
    system = pretrained_system(config)
    gone = dataclasses.replace(config.text, word_vectors=str(tmp_path / 'gone'))
    system.config = dataclasses.replace(config, text=gone)
    save_checkpoint(tmp_path / 'checkpoint', system, tokenizer)
    found = load_checkpoint(tmp_path / 'checkpoint')
    assert torch.equal(vectors_of(found.system), vectors_of(system))
    said = [
        tokens_of(s, t, 'who is there')
        for s, t in ((system, tokenizer), (found.system, found.tokenizer))
    ]
    assert torch.equal(*said)


def test_words_come_from_one_place(source):
    with pytest.raises(ConfigError, match='a backbone or word_vectors, got both'):
        config_of(source, backbone=source)
