"""What sensors showed too little of is one note for all recordings with the fault."""

import numpy as np
import pytest

from activity_recognition.training.teaching.signals import SignalWatch


class Segment:
    """As much of a segment as is looked at."""

    def __init__(self, **arrays):
        self.arrays = arrays


def sounding(level):
    return np.full((2, 4, 8), -11.5, np.float32) + level * np.arange(8, dtype=np.float32)


@pytest.mark.parametrize(
    ('made', 'said'),
    [
        (
            lambda number: {'frames': np.full((4, 8, 8, 3), 10 + number, np.uint8)},
            'a, b, c, …: the images are dark in 4 of 5 recordings (calm 2 of 2, fight 2 of 3), '
            'their median brightness is 10 to 13 of 255',
        ),
        (
            lambda number: {'frames': np.zeros((4, 13, 3), np.float32)},
            'a, b, c, …: nobody is seen in 100 % of the frames and more in 4 of 5 recordings '
            '(calm 2 of 2, fight 2 of 3); show the whole person',
        ),
        (
            lambda number: {'spectrograms': sounding(0.0)},
            'a, b, c, …: the audio is silence from end to end in 4 of 5 recordings (calm 2 of 2, '
            'fight 2 of 3)',
        ),
    ],
    ids=['dark', 'nobody', 'silence'],
)
def test_a_fault_of_several_recordings_is_one_note(made, said):
    watch = SignalWatch()
    for number, (name, label) in enumerate(zip('abcd', ['calm', 'fight'] * 2, strict=True)):
        watch.add(name, {label}, [Segment(**made(number))])
    watch.add(
        'good',
        {'fight'},
        [
            Segment(
                frames=np.full((4, 8, 8, 3), 120, np.uint8)
                if made(0).get('frames', np.zeros(0)).ndim != 3
                else np.ones((4, 13, 3), np.float32),
                spectrograms=sounding(1.0),
            )
        ],
    )
    (note,) = watch.warnings()
    assert note.startswith(said)


def test_what_is_not_there_is_no_fault():
    watch = SignalWatch()
    watch.add('words', {'calm'}, [Segment(), Segment(spectrograms=sounding(0.0)[:0])])
    assert not list(watch.warnings())
