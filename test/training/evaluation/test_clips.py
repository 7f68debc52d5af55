"""Recordings with one label, answered once: by hand, in a report, at the gate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from activity_recognition.training.evaluation.cautions import smoothing_advice
from activity_recognition.training.evaluation.clips import (
    about_clip,
    answer_clip,
    clip_scores,
    count_clip,
    summarise_clips,
)
from activity_recognition.training.evaluation.combinations import combination_scores, count
from activity_recognition.training.evaluation.decisions import UNDECIDED
from activity_recognition.training.evaluation.gate import Limit, check, left_open

from .conftest import LABELS, make_result


def result_of(targets, probabilities, **options):
    """Return decisions whose logits are the logarithms of probabilities, blind where all is."""
    rows = np.array(probabilities, dtype=np.float32)
    made = make_result(targets, rows.argmax(-1).tolist(), probabilities=rows, **options)
    anything = np.logical_or.reduce(list(made.present.values()))
    return dataclasses.replace(made, anything=anything)


SURE, UNSURE = [0.9, 0.05, 0.05], [0.3, 0.4, 0.3]


def test_a_clip_is_answered_by_its_mean_log_probability():
    """Two of three decisions are unsure of greeting, one is sure of none: none has the mean."""
    found = answer_clip([result_of([1, 1, 1], [UNSURE, UNSURE, SURE])], 1.0)
    assert found.truth == 1
    assert found.answer == 0
    assert found.decisions == 3
    expected = [(2 * np.log(0.3) + np.log(0.9)) / 3, (2 * np.log(0.4) + np.log(0.05)) / 3]
    np.testing.assert_allclose(found.log_probabilities[:2], expected, rtol=1e-6)
    assert count_clip(found, 3).tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert about_clip(found, LABELS) == {
        'label': 'greeting',
        'answer': 'none',
        'decisions': 3,
        'log_probability': pytest.approx(expected[1]),
    }


def test_the_temperature_counts():
    """A temperature flattens the sure decision more than the unsure ones."""
    result = result_of([1, 1, 1], [[0.3, 0.6, 0.1], [0.3, 0.6, 0.1], [0.9, 0.05, 0.05]])
    cold, warm = (answer_clip([result], t).log_probabilities for t in (1.0, 10.0))
    assert warm.max() - warm.min() < cold.max() - cold.min()
    assert warm[1] == pytest.approx(
        np.mean([r[1] - np.log(np.exp(r).sum()) for r in result.logits / 10.0])
    )


def test_moments_without_anything_visible_do_not_count():
    blind = {name: [2] for name in ('video', 'audio', 'text')}
    result = result_of([1, 1, 1], [UNSURE, UNSURE, SURE], absent=blind)
    found = answer_clip([result], 1.0)
    assert (found.answer, found.decisions) == (1, 2)


def test_a_clip_in_which_nothing_is_visible_has_no_answer():
    blind = {name: [0, 1] for name in ('video', 'audio', 'text')}
    found = answer_clip([result_of([1, 1], [UNSURE, SURE], absent=blind)], 1.0)
    assert found.answer == UNDECIDED
    assert count_clip(found, 3)[1].tolist() == [0, 0, 0, 1]
    assert about_clip(found, LABELS) == {
        'label': 'greeting',
        'answer': None,
        'decisions': 0,
        'log_probability': None,
    }


def test_moments_without_a_label_do_not_count_and_segments_are_one_clip():
    first = result_of([1, -1], [UNSURE, SURE])
    second = result_of([-1, 1], [SURE, UNSURE])
    found = answer_clip([first, second], 1.0)
    assert (found.truth, found.answer, found.decisions) == (1, 1, 2)


@pytest.mark.parametrize('targets', [[0, 1], [-1, -1], [3, 3], [1, 3]])
def test_with_several_labels_or_none_that_is_known_it_is_no_clip(targets):
    assert answer_clip([result_of(targets, [SURE, SURE])], 1.0) is None


def test_clips_are_scored_beside_decisions():
    right = result_of([0] * 8, [SURE] * 8)
    wrong = result_of([1, 1], [SURE, SURE])
    long = result_of([0, 1], [SURE, UNSURE])
    counts = [count([each], 3, 1.0) for each in (right, wrong, long)]
    found = combination_scores({k: np.stack([c[k] for c in counts]) for k in counts[0]}, LABELS)
    assert found['decisions'] == 12
    assert found['accuracy'] == pytest.approx(10 / 12)
    assert found['clips']['clips'] == 2
    assert found['clips']['accuracy'] == 0.5
    assert found['clips']['balanced_accuracy'] == 0.5
    assert found['clips']['per_class']['greeting']['recall'] == 0.0
    assert 'decisions' not in found['clips']


def test_without_clips_there_is_no_score():
    assert clip_scores(np.zeros((2, 3, 4), np.int64), LABELS) is None
    assert summarise_clips([{'clip': None, 'group': '', 'seconds': 1.0}]) is None


def test_what_is_said_of_all_clips():
    def one(decisions, group, seconds):
        return {'clip': {'decisions': decisions}, 'group': group, 'seconds': seconds}

    clips = [one(3, 'a', 0.5), one(9, 'a', 1.5), one(5, '', 1.0)]
    assert summarise_clips([*clips, {'clip': None, 'group': 'b', 'seconds': 60.0}]) == {
        'clips': 3,
        'groups': 1,
        'others': 1,
        'decisions_per_clip': {'least': 3.0, 'median': 5.0, 'most': 9.0},
        'seconds': {'least': 0.5, 'median': 1.0, 'most': 1.5},
    }


LIMITS = {'changes_ratio': Limit(at_most=2.0)}


def test_the_gate_does_not_ask_for_changes_where_the_truth_has_none():
    temporal = {'smoothed': {'changes_ratio': None}}
    metrics = {'live': {}, 'clips': {'others': 0}, 'temporal': temporal}
    assert left_open(metrics, LIMITS) == ['changes_ratio']
    assert check(metrics, LIMITS) == []
    metrics['clips']['others'] = 1
    assert left_open(metrics, LIMITS) == []
    assert not check(metrics, LIMITS)[0]['passed']
    assert left_open({**metrics, 'clips': None}, LIMITS) == []


def report_of(seconds, window_size=5, min_hold_s=0.3, rate_hz=10.0):
    return {
        'clips': {'seconds': {'median': seconds}},
        'settings': {
            'sync': {'decision_rate_hz': rate_hz},
            'smoothing': {'window_size': window_size, 'min_hold_s': min_hold_s},
        },
    }


def test_short_clips_are_advised_another_smoothing():
    said = smoothing_advice(report_of(1.5))
    assert said == (
        'Half of the clips last 1.5 s or less, and smoothing takes up to 0.8 s to change an '
        'answer: for activities that short, try the parameters smoothing.window_size 3 and '
        'smoothing.min_hold_s 0.2 of the node'
    )


@pytest.mark.parametrize('seconds', [2.4, 5.0, 60.0])
def test_long_clips_are_not(seconds):
    assert smoothing_advice(report_of(seconds)) == ''
    assert smoothing_advice({'clips': None}) == ''


@pytest.mark.parametrize('seconds', [0.1, 0.4, 0.7, 1.0, 1.3])
@pytest.mark.parametrize('rate_hz', [0.0, 5.0, 10.0, 30.0])
def test_who_follows_the_advice_is_not_advised_again(seconds, rate_hz):
    said = smoothing_advice(report_of(seconds, rate_hz=rate_hz))
    words = said.split()
    window = int(words[words.index('smoothing.window_size') + 1])
    hold_s = float(words[words.index('smoothing.min_hold_s') + 1])
    assert window >= 1
    assert hold_s >= 0
    assert smoothing_advice(report_of(seconds, window, hold_s, rate_hz)) == ''
