"""The schedule of activities."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.simulation import ACTIVITIES, ACTIVITY_TABLE, SimulationConfig
from activity_recognition.simulation.script import plan_script


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**40), duration_s=st.floats(0.5, 400))
def test_segments_cover_the_recording_without_holes(seed, duration_s):
    config = SimulationConfig(seed=seed, duration_s=duration_s)
    segments = plan_script(config)
    assert segments[0].start_s == 0
    assert segments[-1].end_s == duration_s
    for before, after in itertools.pairwise(segments):
        assert before.end_s == after.start_s
    for segment in segments[:-1]:
        shortest = config.min_spoken_segment_s if segment.activity.intent else config.min_segment_s
        length_s = segment.end_s - segment.start_s
        assert shortest - 1e-3 <= length_s <= config.max_segment_s + 1e-3


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_neighbours_never_look_alike_and_nothing_is_left_out(seed):
    segments = plan_script(SimulationConfig(seed=seed, duration_s=900))
    for before, after in itertools.pairwise(segments):
        assert before.activity.motion != after.activity.motion
    counts = [sum(segment.label == label for segment in segments) for label in ACTIVITIES]
    assert min(counts) >= 2
    assert max(counts) - min(counts) <= 2


def test_two_activities_of_one_motion_still_make_a_script():
    config = SimulationConfig(duration_s=60, activities=('knocking', 'wiping'))
    labels = {segment.label for segment in plan_script(config)}
    assert labels == {'knocking', 'wiping'}
    assert ACTIVITY_TABLE['knocking'].motion == ACTIVITY_TABLE['wiping'].motion
