"""The benchmark of `people`: what answers for clips are worth, and which goals it has."""

from __future__ import annotations

import argparse

import pytest
from people import PEOPLE, REAL, Looked, accuracy, make_report, recall_table

RIGHT = {'a': ('walking', 'walking'), 'b': ('waving', 'waving'), 'c': ('waving', 'walking')}
WRONG = {'a': ('walking', ''), 'b': ('waving', 'walking'), 'c': ('waving', 'walking')}


def looked(f1: float, films: dict[str, tuple[str, str]]) -> Looked:
    return Looked(
        composed={
            'decisions': 0.9,
            'smoothed': {'balanced_accuracy': 0.85},
            **dict.fromkeys(('video', 'audio', 'text'), 0.5),
            'temporal': {'f1_at_50': f1, 'changes_ratio': 1.2},
        },
        films=films,
    )


def test_clips_are_counted_by_label_and_an_unanswered_one_is_wrong():
    assert accuracy(RIGHT) == pytest.approx(200 / 3)
    assert accuracy(RIGHT, 'waving') == 50.0
    assert accuracy(WRONG) == 0.0
    table = recall_table({PEOPLE: [RIGHT, WRONG], 'logistic regression': [RIGHT, RIGHT]})
    assert table.rows == [['walking (1)', '50', '100'], ['waving (2)', '25', '50']]


def test_its_goals_are_means_over_the_seeds_of_what_ships():
    found = {
        PEOPLE: [looked(79.0, RIGHT), looked(83.0, WRONG)],
        REAL: [looked(10.0, RIGHT), looked(10.0, RIGHT)],
    }
    report = make_report(found, RIGHT, argparse.Namespace(seed=0, seeds=2, epochs=None))
    assert [goal.value for goal in report.goals] == [81.0, pytest.approx(1.2)]
    assert {goal.verdict for goal in report.goals} == {'reached'}
    (films,) = (table for table in report.tables if table.title.startswith('Clips of films, acc'))
    assert [row[0] for row in films.rows] == [PEOPLE, REAL, 'logistic regression']
    assert films.rows[0][1:4] == ['66.7', '0.0', '33.3']
