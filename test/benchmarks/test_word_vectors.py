"""The comparison of word vectors holds sentences out as it says."""

import numpy as np
import pytest
import word_vectors as benchmark

from activity_recognition.training.data.people_labels import people_labels


@pytest.mark.parametrize('seed', [0, 1])
def test_no_sentence_is_learnt_and_asked_for(seed):
    known, other = benchmark.split(people_labels(), seed)
    assert not {text for text, _ in known} & {text for text, _ in other}
    for half in (known, other):
        assert {place for _, place in half} == set(range(len(people_labels())))
    assert (known, other) != benchmark.split(people_labels(), seed + 1)


def test_words_alone_tell_apart_what_shares_words():
    known = [('red box', 0), ('the red one', 0), ('go home', 1), ('home again', 1)]
    words = benchmark.tf_idf(known)
    assert benchmark.accuracy(words, known, [('red', 0), ('home', 1)]) == 100
    assert np.array_equal(words(['unheard']), np.zeros((1, 7)))
