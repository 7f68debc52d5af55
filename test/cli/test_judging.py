"""What a demo must reach."""

import pytest

from activity_recognition.arguments import defaults
from activity_recognition.commands.demo import read_config
from activity_recognition.commands.judging import judge
from activity_recognition.errors import ConfigError
from activity_recognition.reporting.metrics import PersonScores
from activity_recognition.reporting.scores import Truth, account_frames, score
from activity_recognition.startup import DEMO_ARGUMENTS, DemoConfig
from activity_recognition.types import LabelSpan

TRUTH = Truth([LabelSpan(start_s=0, end_s=100, label='a')])


def scores(right):
    return score(TRUTH, [(t, 'a' if t < right else 'b') for t in range(100)])


def frames(lost=0, hidden=0):
    return account_frames(
        published=1000, received=1000 - lost, used=1000 - lost - hidden, dropped={}
    )


@pytest.mark.parametrize(
    ('found', 'account', 'verdict'),
    [
        (scores(85), frames(), [True, True, True]),
        (scores(84), frames(), [False, True, True]),
        (scores(100), frames(lost=10), [True, True, True]),
        (scores(100), frames(lost=11), [True, False, True]),
        (scores(100), frames(hidden=1), [True, True, False]),
        (scores(100), None, [True, False, False]),
        (score(TRUTH, []), frames(), [False, True, True]),
    ],
)
def test_each_demand_is_judged_by_itself(found, account, verdict):
    assert [check['passed'] for check in judge(DemoConfig(), found, account)] == verdict


@pytest.mark.parametrize(
    ('right', 'none', 'verdict'),
    [(100, 100, [True, True]), (25, 24, [True, False]), (100, None, [True, False])],
)
def test_each_of_several_people_is_judged(right, none, verdict):
    """The scene is not: nothing is true of it. Of whom nobody spoke, nothing was recognised."""
    people = {
        'ann': PersonScores(decisions=100, possible=100, scores=scores(right)),
        'ben': PersonScores(
            decisions=0,
            possible=100,
            scores=score(TRUTH, []) if none is None else scores(none),
        ),
    }
    config = DemoConfig(min_person_accuracy=0.25)
    checks = judge(config, score(TRUTH, []), frames(), people=people)
    assert [check['passed'] for check in checks] == [*verdict, True, True]
    assert [c['name'] for c in checks[:2]] == [
        'balanced accuracy of ann',
        'balanced accuracy of ben',
    ]
    relaxed = judge(config, scores(0), frames(), people=people, demands_accuracy=False)
    assert [check['passed'] for check in relaxed[:2]] == [True, none is not None]


def test_options_go_before_the_file_and_are_checked():
    values = defaults(DEMO_ARGUMENTS)
    assert read_config(values).seed == values['seed']
    assert read_config({**values, 'seconds': 30.0}).seconds == 30.0
    with pytest.raises(ConfigError, match='seconds must lie in'):
        read_config({**values, 'seconds': 1.0})
