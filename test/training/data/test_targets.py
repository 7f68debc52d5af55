"""Labels over time: boundaries, holes, margins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import RecordingError
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.run.losses import IGNORE
from activity_recognition.types import LabelSpan, to_ns

START_NS = 1_700_000_000_000_000_000
LABELS = ('none', 'waving', 'typing')


def track(*spans: tuple[float, float, str]) -> LabelTrack:
    found = [LabelSpan(start_s=start, end_s=end, label=label) for start, end, label in spans]
    return LabelTrack.from_spans(found, LABELS, START_NS)


def at(labels: LabelTrack, *times_s: float, margin_s: float = 0.0) -> list[int]:
    times = np.array([START_NS + to_ns(time) for time in times_s], dtype=np.int64)
    return labels.at(times, ignore_boundary_s=margin_s).tolist()


def test_a_stretch_holds_its_start_and_not_its_end():
    labels = track((1.0, 2.0, 'waving'), (2.0, 3.0, 'typing'))
    before_ns = np.array([START_NS + to_ns(2.0) - 1, START_NS + to_ns(1.0) - 1])
    assert at(labels, 1.0, 2.0, 3.0) == [1, 2, IGNORE]
    assert labels.at(before_ns).tolist() == [1, IGNORE]


def test_what_is_not_labelled_does_not_count():
    assert at(track((1.0, 2.0, 'none'), (4.0, 5.0, 'none')), 0.5, 1.5, 3.0, 9.0) == [
        IGNORE,
        0,
        IGNORE,
        IGNORE,
    ]
    assert at(track(), 0.0) == [IGNORE]


def test_near_a_change_of_label_nothing_counts():
    labels = track((0.0, 2.0, 'none'), (2.0, 4.0, 'none'), (4.0, 6.0, 'typing'))
    assert at(labels, 2.0, 3.4, 3.6, 4.0, 4.4, 4.6, margin_s=0.5) == [
        0,
        0,
        IGNORE,
        IGNORE,
        IGNORE,
        2,
    ]


def test_an_unknown_label_is_named():
    with pytest.raises(RecordingError, match=r'none, waving, typing, got also juggling'):
        track((0.0, 1.0, 'juggling'))


@settings(max_examples=50)
@given(
    lengths=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 5), st.sampled_from(LABELS)), max_size=6
    ),
    times=st.lists(st.integers(-2, 50), min_size=1, max_size=10),
)
def test_classes_are_those_of_the_stretch_around_a_time(
    lengths: list[tuple[int, int, str]], times: list[int]
):
    spans, end = [], 0
    for gap, length, label in lengths:
        spans.append((end + gap, end + gap + length, label))
        end += gap + length
    expected = [
        next((LABELS.index(label) for start, stop, label in spans if start <= t < stop), IGNORE)
        for t in times
    ]
    assert at(track(*spans), *times) == expected
