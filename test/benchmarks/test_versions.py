"""Two versions beside each other: the ratio with its interval, and the processes that are timed."""

import json

import numpy as np
import pytest
import versions
from record import ROOT


def test_a_ratio_of_medians_lies_in_its_interval():
    generator = np.random.default_rng(0)
    one, two = generator.normal(1.0, 0.05, (2, 60))
    found = versions.ratio_of_medians(list(1.3 * one), list(two), seed=0)
    assert found.low < found.value < found.high
    assert found.low > 1.25
    assert found.high < 1.35
    assert found == versions.ratio_of_medians(list(1.3 * one), list(two), seed=0)


def test_a_slow_round_does_not_move_a_ratio():
    steady = [1.0] * 20
    found = versions.ratio_of_medians([*steady, 50.0], [*steady, 1.0], seed=0)
    assert found.value == found.low == found.high == 1.0


def test_a_checkout_that_is_not_set_up_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        versions.main(['--other', str(tmp_path)])
    assert 'run `make setup` there' in capsys.readouterr().err


@pytest.mark.slow
def test_a_version_beside_itself(tmp_path):
    path = tmp_path / 'outcome.json'
    options = [
        '--seconds',
        '1',
        '--presets',
        'nano',
        '--backends',
        'torch',
        '--rounds',
        '1',
        '--steps',
        '2',
    ]
    assert versions.main(['--other', str(ROOT), *options, '--json', str(path)]) == 0
    (goal,) = json.loads(path.read_text(encoding='utf-8'))['goals']
    assert goal['name'] == 'this ÷ other, lower bound, nano, torch'
    assert goal['value'] > 0
