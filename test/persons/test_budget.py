"""Who is recognised where there are more people than places, and who gets which image."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.persons.budget import ADVANTAGE, Budget, FrameTurns


class TestBudget:
    def test_the_largest_are_chosen(self):
        assert Budget(2).choose({'a': 1.0, 'b': 3.0, 'c': 2.0}, []) == ['b', 'c']

    def test_who_has_a_place_keeps_it_until_somebody_is_clearly_larger(self):
        budget = Budget(1)
        assert budget.choose({'a': 1.0, 'b': 1.25}, ['a']) == ['a']
        assert budget.choose({'a': 1.0, 'b': 1.35}, ['a']) == ['b']
        assert budget.choose({'a': 1.25, 'b': 1.0}, ['b']) == ['b']

    def test_who_leaves_makes_room(self):
        assert Budget(2).choose({'b': 1.0, 'c': 0.1}, ['a', 'b']) == ['b', 'c']

    @given(
        st.dictionaries(st.sampled_from('abcdefgh'), st.floats(0.01, 1.0)),
        st.sets(st.sampled_from('abcdefgh')),
        st.integers(1, 5),
    )
    def test_any_crowd(self, sizes, holders, most):
        budget = Budget(most)
        chosen = budget.choose(sizes, sorted(holders))
        assert len(chosen) == len(set(chosen)) == min(most, len(sizes))
        left_out = sizes.keys() - set(chosen)
        for name in left_out:
            assert all(sizes[name] <= ADVANTAGE * sizes[other] for other in chosen)
            if name not in holders:
                newcomers = set(chosen) - holders
                assert all(sizes[other] >= sizes[name] for other in newcomers)
        # It settles: asked again, nothing changes.
        assert budget.choose(sizes, chosen) == chosen


class TestFrameTurns:
    def test_everybody_is_served_while_nothing_is_known_of_costs(self):
        turns = FrameTurns()
        assert turns.choose(list('abc')) == list('abc')
        assert turns.places is None

    @pytest.mark.parametrize(('cost_s', 'places'), [(0.001, 50), (0.02, 2), (0.051, 1), (9.0, 1)])
    def test_a_step_has_time_for_so_many(self, cost_s, places):
        turns = FrameTurns(step_s=0.05)
        turns.note(4, 4 * cost_s)
        assert turns.places == places

    def test_what_is_slow_once_costs_nobody_images_for_long(self):
        turns = FrameTurns(step_s=0.05)
        turns.note(5, 1.0)
        assert turns.places == 1
        turns.note(5, 0.035)
        assert turns.places == 7
        for _ in range(20):
            turns.note(5, 0.035)
        turns.note(5, 1.0)
        assert turns.places == 6

    def test_what_is_slow_for_good_is_believed(self):
        turns = FrameTurns(step_s=0.05)
        for cost_s in [0.005] * 10 + [0.05] * 60:
            turns.note(1, cost_s)
        assert turns.places == 1

    def test_images_go_round_evenly(self):
        turns = FrameTurns(step_s=0.05)
        turns.note(1, 0.02)
        served = [turns.choose(list('abcde')) for _ in range(50)]
        assert all(len(names) == 2 for names in served)
        assert Counter(name for names in served for name in names) == dict.fromkeys('abcde', 20)

    def test_who_joins_comes_first_and_who_leaves_is_forgotten(self):
        turns = FrameTurns(step_s=0.05)
        turns.note(1, 0.05)
        assert turns.choose(['a', 'b']) == ['a']
        assert turns.choose(['a', 'b', 'c']) == ['b']
        assert turns.choose(['a', 'b', 'c']) == ['c']
        turns.forget('b')
        assert turns.choose(['a', 'b', 'c']) == ['b']

    @given(st.lists(st.sets(st.sampled_from('abcdef'), min_size=1), min_size=1, max_size=60))
    def test_nobody_waits_longer_than_a_round(self, rounds):
        turns = FrameTurns(step_s=0.05)
        turns.note(1, 0.03)
        waited = Counter()
        for waiting in rounds:
            (served,) = turns.choose(sorted(waiting))
            waited.update(waiting - {served})
            waited[served] = 0
            assert max(waited.values()) < 6
