"""Who says what, and what is recognised."""

import itertools

import numpy as np
import pytest

from activity_recognition.simulation import SimulationConfig
from activity_recognition.simulation.phrases import (
    INTENTS,
    SLOTS,
    choices,
    patterns,
    sentences,
    slots,
)
from activity_recognition.simulation.recogniser import mishear, vocabulary
from activity_recognition.simulation.script import plan_script
from activity_recognition.simulation.speech import draw_sentence, plan_speech, transcribe
from factories.rooms import DECIDING


@pytest.mark.parametrize('intent', DECIDING)
def test_there_are_hundreds_of_ways_to_say_it(intent):
    assert len(set(sentences(intent))) >= 200


def test_no_sentence_belongs_to_two_intents():
    for one, other in itertools.combinations(INTENTS, 2):
        assert not set(sentences(one)) & set(sentences(other))


def test_every_slot_is_filled_and_used():
    used = {
        name for intent in INTENTS for pattern in patterns(intent, 'all') for name in slots(pattern)
    }
    assert used == set(SLOTS)
    rng = np.random.default_rng(0)
    for intent in INTENTS:
        assert '{' not in draw_sentence(rng, intent, 'all')


def test_deciding_words_begin_with_the_activity_and_come_back():
    config = SimulationConfig(seed=4, duration_s=300)
    segments = plan_script(config)
    spoken = plan_speech(config, segments)
    for segment in segments:
        own = [item for item in spoken if item.segment == segment.index]
        if segment.activity.intent is None:
            assert len(own) <= 1
            assert all(item.intent not in DECIDING for item in own)
            continue
        assert {item.intent for item in own} == {segment.activity.intent}
        assert abs(own[0].start_s - segment.start_s) <= 0.5
        gaps = [b.start_s - a.end_s for a, b in itertools.pairwise(own)]
        assert all(2 < gap < 6 for gap in gaps)
        assert segment.end_s - own[-1].end_s < 7


@pytest.mark.parametrize('intent', sorted(INTENTS))
def test_held_out_wordings_share_no_pattern_and_no_choice_with_those_of_training(intent):
    trained, held = (set(patterns(intent, part)) for part in ('train', 'heldout'))
    assert trained
    assert held
    assert trained | held == set(patterns(intent, 'all'))
    assert not trained & held
    assert set(patterns(intent, 'rearranged')) == held
    said = [set(sentences(intent, part)) for part in ('train', 'rearranged', 'heldout')]
    for one, other in itertools.combinations(said, 2):
        assert not one & other
    assert set.union(*said) <= set(sentences(intent))


@pytest.mark.parametrize('slot', sorted(SLOTS))
def test_what_stands_in_a_slot_is_held_out_too(slot):
    trained, held = (set(choices(slot, part)) for part in ('train', 'heldout'))
    assert trained
    assert held
    assert not trained & held
    assert set(choices(slot, 'all')) == trained | held
    assert set(choices(slot, 'rearranged')) == trained


def test_wording_does_not_change_who_speaks_when():
    plans = []
    for phrasings in ('train', 'heldout'):
        config = SimulationConfig(seed=4, duration_s=60, phrasings=phrasings)
        spoken = plan_speech(config, plan_script(config))
        plans.append([(item.spoken, item.delay_s) for item in transcribe(config, spoken)])
    assert plans[0] == plans[1]


def test_without_difficulty_every_word_is_recognised():
    config = SimulationConfig(seed=6, duration_s=300, difficulty=0)
    spoken = plan_speech(config, plan_script(config))
    for item in transcribe(config, spoken):
        assert set(item.text.lower().strip('.').split()) <= set(vocabulary())
        assert item.confidence > 0.7


def test_errors_are_as_frequent_as_asked_and_are_words():
    rng = np.random.default_rng(0)
    words = ['robot', 'could', 'you', 'bring', 'me', 'the', 'red', 'box', 'please']
    errors = 0
    for _ in range(400):
        heard, count = mishear(rng, words, 0.1)
        errors += count
        assert set(heard) <= set(vocabulary())
        assert heard
    assert 0.08 < errors / (400 * len(words)) < 0.12
