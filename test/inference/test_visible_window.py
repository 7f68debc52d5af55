"""What a query may attend to, as a function of stamps alone, against one that says it in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.inference.rings import StoredStamps, visible_window
from activity_recognition.models.step_spec import VIEW_ROWS
from activity_recognition.types import NANOSECONDS
from factories.streams import START_NS

UNIT_NS = NANOSECONDS // 4
CAPACITY = 20


@st.composite
def stored(draw):
    """Draw stamps as a ring may hold them, in its room for twice as many."""
    held = draw(st.lists(st.integers(-6, 14), max_size=CAPACITY))
    first = draw(st.integers(0, 2 * CAPACITY - len(held)))
    stamps_ns = np.full(2 * CAPACITY, draw(st.sampled_from((0, START_NS))), np.int64)
    end = first + len(held)
    stamps_ns[first:end] = [START_NS + stamp * UNIT_NS for stamp in held]
    in_order = held == sorted(held) and draw(st.booleans())
    return StoredStamps(stamps_ns, first, end, in_order)


def naive(stamps, t_ns, window_ns, most):
    """Return the places of all rows that are seen, and that of the newest, the later of equals."""
    places = list(range(stamps.first, stamps.end))
    places = places if most is None else places[len(places) - min(most, len(places)) :]
    seen = [p for p in places if 0 <= t_ns - int(stamps.stamps_ns[p]) <= window_ns]
    return seen, max(seen, key=lambda p: (int(stamps.stamps_ns[p]), p), default=None)


@given(
    streams=st.lists(stored(), min_size=1, max_size=3),
    t=st.lists(st.integers(-2, 16), min_size=3, max_size=3),
    window=st.integers(0, 12),
    most=st.none() | st.integers(0, CAPACITY),
    whole=st.booleans(),
)
def test_it_is_what_the_words_say(streams, t, window, most, whole):
    t_ns = [START_NS + moment * UNIT_NS for moment in t[: len(streams)]]
    view = visible_window(streams, t_ns, window / 4, most=most, whole=whole)
    width = view.seen.shape[1]
    assert view.age_s.shape == (len(streams), width)
    assert (view.age_s.dtype, view.seen.dtype) == (np.float32, np.bool_)
    if whole:
        assert width == CAPACITY
    else:
        assert width in (2 * CAPACITY, *range(VIEW_ROWS, 2 * CAPACITY, VIEW_ROWS))
    for row, (stamps, now_ns) in enumerate(zip(streams, t_ns, strict=True)):
        seen, newest = naive(stamps, now_ns, window * UNIT_NS, most)
        start = view.start[row]
        assert 0 <= start <= 2 * CAPACITY - width
        assert [start + int(at) for at in view.seen[row].nonzero()[0]] == seen
        ages_s = [(now_ns - int(stamps.stamps_ns[p])) / NANOSECONDS for p in seen]
        assert view.age_s[row][view.seen[row]].tolist() == ages_s
        assert view.present[row] == (newest is not None)
        if newest is None:
            assert view.newest[row] == -1
            assert np.isnan(view.newest_age_s[row])
        else:
            assert start + view.newest[row] == newest
            age_ns = now_ns - int(stamps.stamps_ns[newest])
            assert view.newest_age_s[row] == age_ns / NANOSECONDS


@given(stamps=stored(), t=st.integers(-2, 16), window=st.integers(0, 12))
def test_it_changes_nothing_and_depends_on_nothing_else(stamps, t, window):
    before = stamps.stamps_ns.copy()
    t_ns = [START_NS + t * UNIT_NS]
    first, again = (visible_window([stamps], t_ns, window / 4) for _ in range(2))
    np.testing.assert_array_equal(stamps.stamps_ns, before)
    np.testing.assert_array_equal(first.seen, again.seen)
    assert (first.start, first.newest) == (again.start, again.newest)


@pytest.mark.parametrize('ends', [(3, 40), (16, 17)])
def test_streams_are_seen_together_as_alone(ends):
    """The view is as long as the one needs that sees most; what is seen stays the same."""
    stamps_ns = START_NS + np.arange(2 * CAPACITY, dtype=np.int64) * UNIT_NS
    streams = [StoredStamps(stamps_ns, max(0, end - CAPACITY), end, True) for end in ends]
    t_ns = [int(stamps_ns[end - 1]) for end in ends]
    both = visible_window(streams, t_ns, 30.0)
    for row, stream in enumerate(streams):
        alone = visible_window([stream], t_ns[row : row + 1], 30.0)
        shown = both.age_s[row][both.seen[row]], alone.age_s[0][alone.seen[0]]
        np.testing.assert_array_equal(*shown)
        assert both.newest_age_s[row] == alone.newest_age_s[0] == 0.0
