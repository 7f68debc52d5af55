"""Changes, delays and what is left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.training.evaluation.delays import Delays, true_segments
from activity_recognition.training.evaluation.temporal import (
    measure_temporal,
    temporal_statistics,
    temporal_sums,
)

from .conftest import START_NS, make_result, track_of


def measured(*results):
    sums = {kind: value[None] for kind, value in temporal_sums(results).items()}
    return measure_temporal(results, sums)


def delays_of(targets: list[int], decided: list[int]) -> dict:
    result = make_result(targets, decided)
    delays = Delays()
    delays.add(result.stamps_ns, result.decisions.classes, result.labels, result.num_classes)
    return delays.summary()


def test_changes_against_the_truths():
    """Ten decisions a second for six seconds: the truth changes once, the decisions three times."""
    truth = [0] * 30 + [1] * 31
    found = measured(make_result(truth, [0] * 20 + [1] * 5 + [0] * 10 + [1] * 26))
    assert found['minutes'] == pytest.approx(0.1)
    assert found['truth'] == {'segments': 2, 'changes_per_minute': pytest.approx(10.0)}
    assert found['decisions']['changes_per_minute'] == pytest.approx(30.0)
    assert found['decisions']['changes_ratio'] == pytest.approx(3.0)


def test_no_change_in_the_truth_gives_no_ratio():
    assert measured(make_result([0] * 10, [0] * 5 + [1] * 5))['decisions']['changes_ratio'] is None


def test_before_and_after_smoothing_are_two_things():
    found = measured(make_result([0] * 10, [0, 1] * 5, smoothed=[0] * 10))
    assert found['decisions']['edit_score'] == pytest.approx(10.0)
    assert found['smoothed']['edit_score'] == 100.0


def test_what_has_no_known_label_is_cut_out():
    """Unlabelled moments and those of unknown labels count neither as time nor as changes."""
    found = measured(make_result([0, 0, -100, -100, 3, 3, 0, 0], [0, 0, 1, 2, 1, 2, 0, 0]))
    assert found['decisions']['changes_per_minute'] == 0.0
    assert found['decisions']['f1_at_50'] == 100.0
    assert found['truth']['segments'] == 1


def test_nothing_labelled_is_no_fault():
    found = measured(make_result([-100] * 4, [0] * 4))
    assert found['decisions']['edit_score'] is None
    assert found['decisions']['f1_at_10'] is None
    assert found['minutes'] == 0.0


def test_a_moment_without_an_answer_is_an_answer_of_its_own():
    found = measured(make_result([1] * 6, [1, 1, -1, -1, 1, 1]))
    assert found['decisions']['edit_score'] == pytest.approx(100 / 3)
    assert found['decisions']['changes_per_minute'] == pytest.approx(2 / (0.5 / 60))


def test_onset_and_offset_by_hand():
    """B lasts from 1.0 to 2.0 s, is named from 1.3 and left at 2.2 s."""
    truth = [0] * 10 + [1] * 10 + [0] * 10
    found = delays_of(truth, [0] * 13 + [1] * 9 + [0] * 8)
    assert found['onset_s'] == {
        'count': 3,
        'median': pytest.approx(0.2),
        'p95': pytest.approx(0.29),
    }
    # A is left at 1.3 s, 0.3 s after its end; the last A ends with the recording.
    assert found['offset_s'] == {
        'count': 2,
        'median': pytest.approx(0.25),
        'p95': pytest.approx(0.295),
        'left_early': 0,
    }
    assert found['never_found'] == 0


def test_what_is_never_named_and_what_is_left_early():
    found = delays_of([0] * 5 + [1] * 5 + [2] * 5, [0] * 3 + [1] * 2 + [0] * 5 + [2] * 5)
    assert found['never_found'] == 1
    assert found['offset_s']['left_early'] == 1
    assert found['onset_s']['count'] == 2


def test_one_named_to_the_end_counts_up_to_there():
    found = delays_of([0] * 5 + [1] * 5, [0] * 10)
    assert found['offset_s']['median'] == pytest.approx(0.4)


def test_decisions_need_not_come_in_order_of_their_moments():
    """The timer spoke of 0.5 s before the frame of 0.4 s came."""
    result = make_result([0] * 5 + [1] * 5, [0] * 5 + [1] * 5)
    order = [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]
    delays = Delays()
    classes = result.decisions.classes[order]
    delays.add(result.stamps_ns[order], classes, result.labels, result.num_classes)
    assert delays.onset_s == [0.0, 0.0]
    assert delays.offset_s == [0.0]
    assert (delays.never_found, delays.left_early) == (0, 0)


def test_unknown_labels_are_no_segments():
    assert delays_of([3] * 5, [0] * 5)['never_found'] == 0


def test_equal_labels_that_touch_are_one():
    segments = list(true_segments(track_of([1, 1, 1, 0, -1, 0])))
    assert [(label, round((end - start) / 1e8)) for start, end, label in segments] == [
        (1, 3),
        (0, 1),
        (0, 1),
    ]
    assert segments[0][0] == START_NS


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_the_truth_itself_is_perfect(truth: list[int]):
    found = measured(make_result(truth, truth))['decisions']
    assert found['edit_score'] == 100.0
    assert [found[f'f1_at_{k}'] for k in (10, 25, 50)] == [100.0] * 3
    assert found['changes_ratio'] in (1.0, None)
    assert found['never_found'] == 0
    assert found['onset_s']['median'] == 0.0


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 2)), min_size=2, max_size=20))
def test_scores_lie_between_0_and_100(pairs: list[tuple[int, int]]):
    found = measured(make_result([t for t, _ in pairs], [d for _, d in pairs]))['decisions']
    assert all(0 <= found[name] <= 100 for name in ('edit_score', 'f1_at_10', 'f1_at_50'))
    assert found['f1_at_10'] >= found['f1_at_25'] >= found['f1_at_50']


def test_statistics_are_of_the_sums_over_recordings():
    """Hits and misses are added before the F1; edit scores are averaged."""
    sums = np.stack(
        [
            temporal_sums([make_result([0] * 4, [0] * 4)])['decisions'],
            temporal_sums([make_result([0, 1, 2], [2, 0, 1])])['decisions'],
        ]
    )
    found = temporal_statistics(sums.sum(axis=0))
    assert found['edit_score'] == pytest.approx((100 + 100 / 3) / 2)
    assert found['f1_at_50'] == pytest.approx(100 * 2 / (2 + 3 + 3))
