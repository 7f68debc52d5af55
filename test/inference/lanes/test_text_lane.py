"""Utterances through their lane: token ids, and when they are made."""

import pytest

from activity_recognition.config import EngineConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.types import Utterance, Window
from factories.networks import TINY, make_checkpoint, tokenizer_for
from factories.streams import START_NS


@pytest.mark.parametrize('said', [('hello robot',), ('help me please', 'hello'), ('', 'what')])
def test_words_become_the_tokenizers_ids_padded_and_masked(said):
    config = EngineConfig(device='cpu', backend='torch')
    engine = StreamingEngine(make_checkpoint(TINY), engine=config)
    run, given = engine.backend.run, []

    def noting(step, *inputs):
        given.append((step, inputs))
        return run(step, *inputs)

    engine.backend.run = noting
    utterances = tuple(
        Utterance(stamp_ns=START_NS, arrival_ns=START_NS, text=text) for text in said
    )
    engine.apply(Window(samples=utterances))
    [(step, (token_ids, token_mask))] = given
    assert step == 'utterance'
    expected = [tokenizer_for(TINY).encode(text) for text in said]
    assert token_ids.shape == token_mask.shape == (len(said), max(map(len, expected)))
    for ids, mask, wanted in zip(token_ids, token_mask, expected, strict=True):
        assert ids[mask].tolist() == wanted
        assert mask.tolist() == sorted(mask.tolist(), reverse=True)
        assert not ids[~mask].any()
