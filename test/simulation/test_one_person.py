"""One person is drawn as always: the shipped checkpoint was trained on such recordings."""

import numpy as np
import pytest

from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.types import ALL_MODALITIES, AudioChunk, Frame, InertialChunk, Utterance

ENDS = [(11.403, 'walking'), (30.0, 'asking_robot')]
WORDS = [
    (7834493876, 'Now then you know almost done.'),
    (11164647867, 'Robot please pass me my glasses.'),
    (16816862979, 'Robot please so take a towel to the shelf.'),
    (21376522040, 'Please empty the bin robot.'),
    (27214155829, 'Erm hey robot can you set a timer.'),
]
ARRIVALS_NS = [4704854, 6804606729, 13584743405, 20387191624, 27171302562]
# fmt: off
PIXELS = [
    [63, 104, 114, 72, 122, 108, 55, 92, 87, 57, 65, 72, 106, 161, 156, 97, 84, 93, 92, 100, 87, 80,
     92, 85, 94, 95, 63, 103, 159, 150, 96, 146, 134],
    [61, 117, 111, 87, 126, 120, 67, 85, 93, 41, 85, 69, 102, 140, 115, 86, 57, 47, 111, 88, 78, 69,
     83, 74, 105, 155, 135, 109, 166, 140, 111, 164, 131],
]
SOUND = [727, 85, -179, 60, 354, 51, -63, -110, -381, -68, 132, 85, 27, 286, -44, 448, 159, 54, 151,
         189, 121, 28, 147, 21, 1007, -22]
WORN = [[-9.22, 0.17, -2.12, -0.61, -0.62, -0.89], [1.37, 6.37, -8.14, 0.01, 1.63, 0.0]]
# fmt: on


@pytest.fixture(scope='module')
def simulation():
    return simulate(
        SimulationConfig(
            seed=2,
            duration_s=30.0,
            frame_rate_hz=2.0,
            width_px=64,
            height_px=48,
            sample_rate_hz=8000,
            modalities=ALL_MODALITIES,
        )
    )


def test_one_person_is_drawn_as_when_there_was_no_other(simulation):
    """Noise is a part of every value, so that one more draw anywhere changes them all.

    Sums of floats may differ in the last place between machines; by more nothing may.
    """
    start_ns = simulation.config.start_ns
    samples = list(simulation.samples())
    of = {kind: [s for s in samples if isinstance(s, kind)] for kind in KINDS}
    sound = np.concatenate([chunk.samples for chunk in of[AudioChunk]])
    worn = np.concatenate([chunk.samples for chunk in of[InertialChunk]])
    rows = [of[Frame][place].image[24, ::6].ravel() for place in (5, 50)]
    assert [(span.end_s, span.label) for span in simulation.labels] == ENDS
    assert [(u.start_ns - start_ns, u.text) for u in of[Utterance]] == WORDS
    assert [s.arrival_ns - start_ns for s in samples[::800]] == ARRIVALS_NS
    np.testing.assert_allclose(np.array(rows, int), PIXELS, atol=1)
    np.testing.assert_allclose(32768 * sound[8000::9001], SOUND, atol=1)
    np.testing.assert_allclose(worn[::1500], WORN, atol=0.01)


KINDS = (Frame, AudioChunk, InertialChunk, Utterance)


def test_one_person_has_no_subject_and_no_tracker(simulation):
    assert {span.subject for span in simulation.labels} == {''}
    assert simulation.members == ()
    assert list(simulation.sightings()) == list(simulation.said()) == []
