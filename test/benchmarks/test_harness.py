import json
import math

import harness
import pytest
from harness import (
    FEWEST_ROUNDS,
    Budget,
    Goal,
    Rounds,
    Spent,
    Spread,
    interleave,
    skipped,
    stopwatch,
)

CLEAN = Spent(wall_s=1.0, cpu_s=1.0)
DISTURBED = Spent(wall_s=2.0, cpu_s=1.0)


def test_a_round_counts_where_wall_and_cpu_time_agree():
    assert CLEAN.is_clean(threads=1)
    assert not DISTURBED.is_clean(threads=1)
    both_threads = Spent(wall_s=1.0, cpu_s=1.9)
    assert both_threads.is_clean(threads=2)
    assert not both_threads.is_clean(threads=1)


def test_a_disturbed_round_is_left_out_whole_and_replaced():
    slow = iter([CLEAN, DISTURBED, CLEAN, CLEAN, CLEAN])
    rounds = interleave(
        {'steady': lambda: CLEAN, 'slow': lambda: next(slow)},
        rounds=3,
        limit_s=1e6,
        seed=0,
    )
    # The first one warmed up, the second was disturbed.
    assert (len(rounds.clean), len(rounds.all)) == (3, 4)
    assert rounds.settled
    assert rounds.wall_s('slow').median == 1.0


def test_every_case_runs_once_per_round_in_orders_that_the_seed_decides():
    def orders(seed):
        ran = []
        cases = {name: lambda name=name: ran.append(name) or CLEAN for name in 'abc'}
        interleave(cases, rounds=8, limit_s=1e6, seed=seed, warm_up=0)
        return [tuple(ran[start : start + 3]) for start in range(0, len(ran), 3)]

    assert all(sorted(order) == ['a', 'b', 'c'] for order in orders(1))
    assert len(set(orders(1))) > 1
    assert orders(1) == orders(1)


def test_without_time_nothing_is_measured_and_nothing_concluded():
    rounds = interleave({'a': lambda: CLEAN}, rounds=5, limit_s=0.0, seed=0)
    assert not rounds.settled
    assert math.isnan(rounds.wall_s('a').median)


def test_a_round_that_would_end_too_late_does_not_begin(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(harness, 'time', clock)

    def case():
        clock.now_s += 4.0
        return DISTURBED

    rounds = interleave({'a': case}, rounds=5, limit_s=10.0, seed=0, warm_up=0)
    assert len(rounds.all) == 2
    assert clock.now_s == 8.0


def test_rounds_are_told(capsys):
    told = []
    interleave({'a': lambda: CLEAN}, rounds=2, limit_s=1e6, seed=0, say=told.append)
    assert told == ['1 of 1 rounds clean, 2 wanted', '2 of 2 rounds clean, 2 wanted']


def test_half_of_a_budget_is_for_preparing(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(harness, 'time', clock)
    budget = Budget(10.0)
    assert budget.may_prepare()
    clock.now_s += 5.0
    assert not budget.may_prepare()
    assert budget.left_s == 5.0
    budget.say('half of it')
    assert capsys.readouterr().err == '   5.0 s  half of it\n'
    clock.now_s += 7.0
    assert budget.left_s == 0.0


class Clock:
    """Stands in for the module of this name."""

    now_s = 0.0

    def monotonic(self):
        return self.now_s


def test_ratios_are_taken_within_rounds():
    pairs = [(2.0, 1.0), (20.0, 10.0), (2.0, 1.0)]
    taken = tuple(
        {'a': Spent(wall_s=a, cpu_s=a), 'b': Spent(wall_s=b, cpu_s=2 * b)} for a, b in pairs
    )
    rounds = Rounds(clean=taken, all=taken)
    ratio = rounds.wall_ratio('a', 'b')
    assert (ratio.low, ratio.median, ratio.high) == (2.0, 2.0, 2.0)
    assert rounds.cpu_ratio('a', 'b').median == 1.0


def test_too_few_clean_rounds_show_all_and_say_so():
    taken = tuple({'a': DISTURBED} for _ in range(5))
    rounds = Rounds(clean=taken[: FEWEST_ROUNDS - 1], all=taken)
    assert rounds.wall_s('a').count == 5
    assert 'nothing is concluded' in rounds.describe()


def test_spread_is_median_and_quartiles():
    spread = Spread.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (spread.low, spread.median, spread.high, spread.count) == (2.0, 3.0, 4.0, 5)
    assert str(spread.scaled(10)) == '30 (20–40)'
    assert Spread.of([7.0]).high == 7.0


def test_stopwatch_tells_the_time_of_one_step():
    calls = []
    spent = stopwatch(lambda: calls.append(sum(range(20_000))), 5)
    assert len(calls) == 5
    assert spent.cpu_s > 0
    assert spent.wall_s > 0


@pytest.mark.parametrize(
    ('value', 'bounds', 'settled', 'verdict'),
    [
        (30.0, {'at_least': 30.0}, True, 'reached'),
        (29.9, {'at_least': 30.0}, True, 'missed'),
        (1.25, {'at_most': 1.25}, True, 'reached'),
        (1.26, {'at_most': 1.25}, True, 'missed'),
        (50.0, {'at_least': 30.0}, False, 'unsettled'),
        (math.nan, {'at_most': 1.0}, True, 'unsettled'),
    ],
)
def test_goal_verdicts(value, bounds, settled, verdict):
    goal = Goal(name='g', value=value, settled=settled, **bounds)
    assert goal.verdict == verdict
    assert goal.row()[-1] == verdict


def test_a_skipped_goal_says_why_at_once_and_in_its_verdict(capsys):
    goal = skipped('them ÷ us', 'they are not installed', at_least=2.0)
    assert goal.row() == ('them ÷ us', '–', '≥ 2', 'skipped: they are not installed')
    assert capsys.readouterr().err == 'skipped: them ÷ us: they are not installed\n'


def test_anything_of_a_round_has_a_spread():
    taken = tuple({'a': Spent(wall_s=a, cpu_s=a)} for a in (1.0, 3.0, 2.0))
    rounds = Rounds(clean=taken, all=taken)
    assert rounds.spread(lambda spent: 10 / spent['a'].wall_s).median == 5.0


def test_a_report_is_printed_and_written(tmp_path, capsys):
    from harness import Report, arguments, publish
    from record import Table, provenance

    chosen = arguments('First line.\n\nMore.', seconds=1.0).parse_args(
        ['--json', str(tmp_path / 'x.json')]
    )
    report = Report(
        theme='theme',
        title='A title',
        settings={'seed': 3},
        goals=[Goal(name='lost', value=math.nan, at_most=0)],
        tables=[Table('Numbers', ('a', 'b'), [('1', '2')])],
    )
    assert publish(report, chosen, began=provenance()) == 0
    outcome = json.loads((tmp_path / 'x.json').read_text(encoding='utf-8'))
    assert outcome['goals'] == [
        {'name': 'lost', 'value': None, 'at_least': None, 'at_most': 0, 'verdict': 'unsettled'}
    ]
    assert outcome['provenance']['cores'] >= 1
    printed = capsys.readouterr().out
    assert printed.startswith('# A title\n')
    assert '| a | b |\n|---|---|\n| 1 | 2 |' in printed
