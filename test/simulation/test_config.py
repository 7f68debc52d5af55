"""The knobs of a simulated recording and the activity table."""

import pytest

from activity_recognition.errors import ConfigError
from activity_recognition.simulation import ACTIVITIES, ACTIVITY_TABLE, SimulationConfig
from activity_recognition.simulation.movements import MOTIONS
from activity_recognition.simulation.sound import SOUNDS
from factories.rooms import DECIDING


def test_there_are_nine_activities_and_none_comes_first():
    assert ACTIVITIES[0] == 'none'
    assert len(ACTIVITIES) >= 10
    assert len(set(ACTIVITIES)) == len(ACTIVITIES)


def test_every_program_that_the_table_names_exists():
    for activity in ACTIVITY_TABLE.values():
        assert activity.motion in MOTIONS
        assert activity.sound in SOUNDS
        assert activity.intent is None or activity.intent in DECIDING


def test_no_two_activities_are_the_same_in_every_modality():
    cues = [(item.motion, item.sound, item.intent) for item in ACTIVITY_TABLE.values()]
    assert len(set(cues)) == len(cues)


@pytest.mark.parametrize(
    ('hidden', 'left'),
    [
        ('intent', ('motion', 'sound')),
        ('sound', ('motion', 'intent')),
        ('motion', ('sound', 'intent')),
    ],
)
def test_without_any_one_modality_some_activities_are_the_same(hidden, left):
    seen = [tuple(getattr(item, cue) for cue in left) for item in ACTIVITY_TABLE.values()]
    assert len(seen) - len(set(seen)) >= 2, f'{hidden} decides too little'


@pytest.mark.parametrize(
    'wrong',
    [
        {'duration_s': 0},
        {'duration_s': float('nan')},
        {'frame_rate_hz': -1},
        {'width_px': 8},
        {'sample_rate_hz': 100},
        {'difficulty': 1.5},
        {'seed': -1},
        {'min_segment_s': 9, 'max_segment_s': 8},
        {'min_spoken_segment_s': 30},
        {'min_transcript_delay_s': 4},
        {'activities': ()},
        {'activities': ('juggling',)},
        {'activities': ('none', 'none')},
        {'modalities': ('smell',)},
        {'phrasings': 'test'},
    ],
)
def test_a_value_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ConfigError) as caught:
        SimulationConfig(**wrong)
    assert any(str(value) in str(caught.value) for value in wrong.values())
