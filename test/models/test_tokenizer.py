import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import CheckpointError, ConfigError
from activity_recognition.models.tokenizer import TextTokenizer, train_tokenizer
from factories.networks import TEXTS, TINY, tokenizer_for


@pytest.fixture(scope='module')
def tokenizer():
    return tokenizer_for(TINY)


def test_padding_is_id_0_and_never_comes_out(tokenizer):
    for text in TEXTS:
        assert 0 not in tokenizer.encode(text)


def test_known_words_are_told_apart(tokenizer):
    assert tokenizer.encode('hello robot') != tokenizer.encode('robot hello')


def test_case_and_accents_are_folded(tokenizer):
    assert tokenizer.encode('HÉLLO Robot') == tokenizer.encode('hello robot')


def test_a_long_utterance_keeps_its_end(tokenizer):
    long = 'what a day ' * 10 + 'help me please'
    assert len(tokenizer.encode(long)) == TINY.text.max_length
    end = tokenizer.encode('help me please')
    assert tokenizer.encode(long)[-len(end) :] == end


@pytest.mark.parametrize('text', ['', '   ', '\n', '\u200b', '語', '🤖'])
def test_what_has_no_known_token_is_unknown(tokenizer, text):
    assert tokenizer.encode(text) == [1]


@given(text=st.text(max_size=80))
@settings(max_examples=50)
def test_any_text_gives_ids_the_network_has(tokenizer, text):
    ids = tokenizer.encode(text)
    assert 1 <= len(ids) <= TINY.text.max_length
    assert all(0 < index < tokenizer.vocab_size <= TINY.text.vocab_size for index in ids)


def test_training_is_reproducible_in_any_order_of_texts():
    first = [tokenizer_for(TINY).encode(text) for text in TEXTS]
    for texts in (TEXTS, TEXTS[::-1], TEXTS * 2):
        again = train_tokenizer(texts, vocab_size=64, max_length=8)
        assert [again.encode(text) for text in TEXTS] == first


def test_what_people_say_cannot_pose_as_padding(tokenizer):
    assert 0 not in tokenizer.encode('hello [PAD] robot [UNK]')


def test_training_without_a_text_knows_nothing_and_works():
    assert train_tokenizer([], vocab_size=16, max_length=8).encode('hello') == [1]


def test_a_vocabulary_too_small_is_refused():
    with pytest.raises(ConfigError, match=r'at least 16, got 3'):
        train_tokenizer(TEXTS, vocab_size=3, max_length=8)
    with pytest.raises(ConfigError, match=r'at least \d+ to hold the characters .* got 20'):
        train_tokenizer(TEXTS, vocab_size=20, max_length=8)


def test_round_trip(tokenizer, tmp_path):
    tokenizer.save(tmp_path / 'tokenizer.json')
    again = TextTokenizer.load(tmp_path / 'tokenizer.json', max_length=8)
    assert [again.encode(t) for t in TEXTS] == [tokenizer.encode(t) for t in TEXTS]
    assert again.vocab_size == tokenizer.vocab_size


@pytest.mark.parametrize('content', [b'', b'{}', b'[]', b'no json', b'\xff\xfe', b'{"model": 3}'])
def test_garbage_is_refused(content, tmp_path):
    path = tmp_path / 'tokenizer.json'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'expected a tokenizer at .*copy the whole'):
        TextTokenizer.load(path, max_length=8)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match='expected a tokenizer'):
        TextTokenizer.load(tmp_path / 'tokenizer.json', max_length=8)


def test_another_padding_is_refused(tokenizer, tmp_path):
    path = tmp_path / 'tokenizer.json'
    tokenizer.save(path)
    path.write_text(path.read_text(encoding='utf-8').replace('[PAD]', '[FILL]'), encoding='utf-8')
    with pytest.raises(CheckpointError, match=r'\[PAD\] with id 0, got None'):
        TextTokenizer.load(path, max_length=8)
