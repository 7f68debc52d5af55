"""What the benchmark of teaching draws, and how it counts."""

from __future__ import annotations

import pytest
import teach

ACTIONS = {
    f'{label}_{person}_{trial}': teach.Action(
        name=f'{label}_{person}_{trial}', label=label, is_tested_on=person % 2 == 0
    )
    for label in (f'action{n:02}' for n in range(27))
    for person in range(1, 9)
    for trial in range(4)
}


def test_ten_actions_of_ten_clips_are_taught_and_the_others_known():
    drawn = teach.draw(ACTIONS, 3)
    assert len(drawn.taught) == 10
    assert len(drawn.lesson) == len(set(drawn.lesson)) == 100
    assert len(drawn.known) == 17 * 16
    assert {ACTIONS[name].label for name in drawn.lesson} == set(drawn.taught)
    assert not {ACTIONS[name].label for name in drawn.known} & set(drawn.taught)
    assert not any(ACTIONS[name].is_tested_on for name in (*drawn.lesson, *drawn.known))


def test_a_seed_decides():
    assert teach.draw(ACTIONS, 0) == teach.draw(ACTIONS, 0)
    assert teach.draw(ACTIONS, 0).taught != teach.draw(ACTIONS, 1).taught


def test_the_base_keeps_features_and_joins_by_experts():
    config = teach.base_config(1)
    assert config.rehearsal_kb == teach.REHEARSAL_KB
    assert config.model_config().fusion == 'experts'
    assert config.seed == 1


def test_the_share_of_right_answers():
    names = ['action00_2_0', 'action00_4_0', 'action01_2_0', 'action01_4_0']
    answers = dict(zip(names, ['action00', 'action01', 'action01', 'action01'], strict=True))
    assert teach.right(answers, ACTIONS) == pytest.approx(75.0)
    assert teach.right(answers, ACTIONS, ['action00']) == pytest.approx(50.0)
