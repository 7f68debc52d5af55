import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.config import SmoothingConfig
from activity_recognition.models.smoothing import ActivitySmoothing
from activity_recognition.types import Status, seconds_between, to_ns
from factories.streams import START_NS

PERIOD_S = 0.1


def smoothing(**overrides):
    """Return a smoothing that only does what is asked for."""
    plain = {'window_size': 1, 'hysteresis': 0.0, 'min_hold_s': 0.0, 'unknown_threshold': 0.0}
    return ActivitySmoothing(config=SmoothingConfig(**{**plain, **overrides}))


def play(smooth, stream, state=None, *, start_ns=START_NS):
    """Feed probabilities a tenth of a second apart; None stands for a moment without data."""
    state = state or smooth.new_state()
    answers = []
    for index, row in enumerate(stream):
        t_ns = start_ns + to_ns(index * PERIOD_S)
        if row is None:
            answers.append(smooth.no_data(t_ns, 3, state))
        else:
            answers.append(smooth.step(np.array(row, np.float32), t_ns, state))
    return answers


def labels(answers):
    return [answer.class_id for answer in answers]


A, B, C = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)
FLAT = (0.34, 0.33, 0.33)


def test_it_averages_the_last_decisions():
    answers = play(smoothing(window_size=3), [A, A, B, B, B])
    expected = [A, A, np.mean([A, A, B], axis=0), np.mean([A, B, B], axis=0), B]
    for answer, mean in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer.probabilities, mean, atol=1e-6)
    assert labels(answers) == [0, 0, 0, 1, 1]


def test_the_first_argument_is_the_window_of_the_specification():
    assert ActivitySmoothing(window_size=7).config == SmoothingConfig(window_size=7)


def test_a_challenger_must_lead():
    near = (0.44, 0.46, 0.1)
    clear = (0.3, 0.6, 0.1)
    assert labels(play(smoothing(hysteresis=0.1), [A, near, near, clear, near])) == [0, 0, 0, 1, 1]


def test_the_held_class_keeps_its_own_confidence():
    answer = play(smoothing(hysteresis=0.1), [A, (0.44, 0.46, 0.1)])[-1]
    assert answer.confidence == pytest.approx(0.44)


def test_a_label_is_held():
    assert labels(play(smoothing(min_hold_s=0.3), [A, B, B, B, B])) == [0, 0, 0, 1, 1]


def test_a_held_label_under_the_threshold_is_kept_as_long_as_any():
    answers = play(smoothing(min_hold_s=0.2, unknown_threshold=0.3), [A, A, A, B, B, B])
    assert labels(answers) == [0, 0, 0, 1, 1, 1]
    near = (0.28, 0.37, 0.35)
    stream = [A, A, A, near, near, near, near]
    answers = play(smoothing(min_hold_s=0.2, hysteresis=0.2, unknown_threshold=0.3), stream)
    assert labels(answers) == [0, 0, 0, 0, 0, 1, 1]
    assert answers[4].status is Status.OK
    assert answers[4].confidence == pytest.approx(0.28)


def test_without_a_hold_a_label_under_the_threshold_gives_way_at_once():
    answers = play(smoothing(hysteresis=0.2, unknown_threshold=0.3), [A, (0.28, 0.37, 0.35)])
    assert labels(answers) == [0, 1]


def test_a_low_probability_is_unknown_once_it_has_lasted():
    smooth = smoothing(min_hold_s=0.2, unknown_threshold=0.5)
    answers = play(smooth, [A, FLAT, FLAT, FLAT, B])
    ok, unknown = Status.OK, Status.UNKNOWN
    assert [answer.status for answer in answers] == [ok, ok, ok, unknown, ok]
    assert labels(answers) == [0, 0, 0, -1, 1]
    assert answers[2].confidence == answers[3].confidence == pytest.approx(0.34)
    assert answers[3].stable_since_ns == START_NS + to_ns(0.3)


def test_a_dip_shorter_than_the_hold_changes_nothing():
    smooth = smoothing(min_hold_s=0.2, unknown_threshold=0.5)
    answers = play(smooth, [A, FLAT, FLAT, A, FLAT, FLAT, A])
    assert labels(answers) == [0] * 7
    assert {answer.stable_since_ns for answer in answers} == {START_NS}


def test_what_a_label_was_doubted_before_it_was_lost_is_forgotten():
    smooth = smoothing(min_hold_s=0.2, unknown_threshold=0.5)
    assert labels(play(smooth, [A, FLAT, None, A, FLAT, FLAT, FLAT])) == [0, 0, -1, 0, 0, 0, -1]


def test_a_probability_that_is_no_number_is_unknown_at_once():
    answers = play(smoothing(min_hold_s=10.0), [A, (np.nan,) * 3])
    assert answers[1].status is Status.UNKNOWN
    assert answers[1].class_id == -1


def test_no_data_says_so_and_forgets_the_average():
    answers = play(smoothing(window_size=5), [A, A, None, B])
    assert [answer.status for answer in answers] == [
        Status.OK,
        Status.OK,
        Status.NO_DATA,
        Status.OK,
    ]
    assert labels(answers) == [0, 0, -1, 1]
    assert answers[2].confidence == 0.0
    assert not answers[2].probabilities.any()
    np.testing.assert_allclose(answers[3].probabilities, B)


@pytest.mark.parametrize('start_ns', [0, START_NS], ids=['simulated', 'epoch'])
def test_stable_since_is_when_label_and_status_became_what_they_are(start_ns):
    smooth = smoothing(unknown_threshold=0.5)
    stream = [None, None, A, A, FLAT, FLAT, A, B]
    since = [answer.stable_since_ns for answer in play(smooth, stream, start_ns=start_ns)]
    first = [0, 0, 2, 2, 4, 4, 6, 7]
    assert since == [start_ns + to_ns(index * PERIOD_S) for index in first]


def test_settings_change_while_it_runs():
    smooth = smoothing(window_size=4)
    state = smooth.new_state()
    play(smooth, [A, A, A, A], state)
    smooth.config = SmoothingConfig(
        window_size=1, hysteresis=0.0, min_hold_s=0.0, unknown_threshold=0.9
    )
    answer = smooth.step(np.array(B, np.float32), START_NS + to_ns(1.0), state)
    assert answer.status is Status.UNKNOWN
    np.testing.assert_allclose(answer.probabilities, B)


def test_streams_do_not_share_memory():
    smooth = smoothing(window_size=3)
    one, other = smooth.new_state(), smooth.new_state()
    play(smooth, [A, A, A], one)
    np.testing.assert_allclose(play(smooth, [B], other)[0].probabilities, B)


def test_a_cleared_state_is_a_new_one():
    smooth = smoothing(window_size=3, min_hold_s=1.0)
    state = smooth.new_state()
    first = play(smooth, [A, B, C], state)
    state.clear()
    again = play(smooth, [A, B, C], state)
    for one, other in zip(first, again, strict=True):
        assert one.stable_since_ns == other.stable_since_ns
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


probabilities = st.lists(
    st.one_of(
        st.none(),
        st.tuples(*[st.floats(0.01, 1.0)] * 3).map(lambda v: tuple(np.array(v) / sum(v))),
    ),
    min_size=1,
    max_size=30,
)
configs = st.builds(
    SmoothingConfig,
    window_size=st.integers(1, 6),
    hysteresis=st.floats(0.0, 0.4),
    min_hold_s=st.floats(0.0, 1.0),
    unknown_threshold=st.floats(0.0, 0.7),
)


@given(stream=probabilities, config=configs)
@settings(max_examples=50)
def test_whatever_comes_the_answer_is_valid(stream, config):
    answers = play(ActivitySmoothing(config=config), stream)
    for row, answer in zip(stream, answers, strict=True):
        assert (answer.status is Status.OK) == (answer.class_id >= 0)
        assert (answer.status is Status.NO_DATA) == (row is None)
        if row is None:
            continue
        assert answer.probabilities.dtype == np.float32
        assert answer.probabilities.sum() == pytest.approx(1.0, abs=1e-5)
        if answer.status is Status.OK:
            assert answer.confidence == answer.probabilities[answer.class_id]
        else:
            assert answer.confidence == answer.probabilities.max() < config.unknown_threshold


@given(stream=probabilities, config=configs)
@settings(max_examples=50)
def test_a_label_changes_only_when_it_may(stream, config):
    answers = play(ActivitySmoothing(config=config), stream)
    for index in range(1, len(answers)):
        before, after = answers[index - 1], answers[index]
        if (before.status, before.class_id) == (after.status, after.class_id):
            assert after.stable_since_ns == before.stable_since_ns
            continue
        t_ns = START_NS + to_ns(index * PERIOD_S)
        assert after.stable_since_ns == t_ns
        if before.status is not Status.OK or after.status is not Status.OK:
            continue
        if doubted_s(answers[: index + 1], before, config.unknown_threshold) >= config.min_hold_s:
            continue
        assert seconds_between(t_ns, before.stable_since_ns) >= config.min_hold_s
        held = after.probabilities[before.class_id]
        assert after.confidence - held >= config.hysteresis - 1e-6


@given(stream=probabilities, config=configs)
@settings(max_examples=50)
def test_a_label_is_doubted_no_longer_than_the_hold(stream, config):
    answers = play(ActivitySmoothing(config=config), stream)
    for index, answer in enumerate(answers):
        if answer.status is Status.OK and answer.confidence < config.unknown_threshold:
            doubted = doubted_s(answers[: index + 1], answer, config.unknown_threshold)
            assert doubted < config.min_hold_s


def doubted_s(answers, held, threshold):
    """Return for how long ``held``, the answer till the last one, has been under the threshold."""
    last = first = len(answers) - 1
    while first >= 0 and answers[first].stable_since_ns >= held.stable_since_ns:
        if answers[first].probabilities[held.class_id] >= threshold:
            break
        first -= 1
    if first == last:
        return -1.0
    return seconds_between(to_ns(last * PERIOD_S), to_ns((first + 1) * PERIOD_S))
