"""What is heard."""

import numpy as np
import pytest

from activity_recognition.simulation import ACTIVITY_TABLE, SimulationConfig, simulate, timbre
from activity_recognition.types import Modality

RATE = 16_000
SHORT = (
    timbre.footstep,
    timbre.knock,
    timbre.rub,
    timbre.key_click,
    timbre.clink,
    timbre.thud,
    timbre.scrape,
    timbre.bell,
    timbre.door,
    timbre.passing_car,
)


def sound_of(label, *, seed=7, duration_s=12.0, difficulty=0.3):
    config = SimulationConfig(
        seed=seed,
        duration_s=duration_s,
        activities=(label,),
        difficulty=difficulty,
        modalities=(Modality.AUDIO,),
        min_spoken_segment_s=8.0,
    )
    return np.concatenate([chunk.samples for chunk in simulate(config).samples()])


def centroid_hz(samples):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float((np.fft.rfftfreq(len(samples), 1 / RATE) * power).sum() / power.sum())


@pytest.mark.parametrize('make', SHORT, ids=lambda make: make.__name__)
@pytest.mark.parametrize('rate_hz', [8_000, 16_000, 48_000])
def test_short_sounds_are_finite_end_and_have_the_same_level(make, rate_hz):
    samples = make(np.random.default_rng(1), rate_hz)
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert len(samples) <= 4 * rate_hz
    frame = round(0.02 * rate_hz)
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    assert np.sqrt(np.square(whole).mean(axis=1).max()) == pytest.approx(1, abs=0.01)


def test_timbres_are_ordered_from_dull_to_bright():
    rng = np.random.default_rng(2)
    heights = [
        np.mean([centroid_hz(make(rng, RATE)) for _ in range(8)])
        for make in (timbre.thud, timbre.knock, timbre.clink, timbre.key_click)
    ]
    assert heights == sorted(heights)


def test_voices_are_buzzes_of_their_pitch():
    samples = timbre.voice(np.random.default_rng(3), RATE, 1.5, 150.0)
    assert len(samples) == 1.5 * RATE
    assert 200 < centroid_hz(samples) < 2500


@pytest.mark.parametrize(
    ('one', 'other'), [('walking', 'exercising'), ('none', 'resting'), ('none', 'drinking')]
)
def test_what_differs_in_looks_alone_has_the_same_sound_program(one, other):
    assert ACTIVITY_TABLE[one].sound == ACTIVITY_TABLE[other].sound
    assert ACTIVITY_TABLE[one].intent == ACTIVITY_TABLE[other].intent


@pytest.mark.parametrize('pair', [('none', 'resting'), ('asking_robot', 'chatting')])
def test_silent_and_talking_pairs_sound_exactly_alike(pair):
    one, other = (sound_of(label) for label in pair)
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    'label', ['walking', 'knocking', 'wiping', 'typing', 'eating', 'fallen', 'greeting']
)
def test_what_makes_a_sound_is_louder_than_the_room(label):
    quiet = sound_of('none', difficulty=0.0)
    loud = sound_of(label, difficulty=0.0)
    frame = RATE // 50
    levels = [
        np.sqrt(np.square(item[: len(item) // frame * frame]).reshape(-1, frame).mean(axis=1))
        for item in (quiet, loud)
    ]
    assert np.percentile(levels[1], 97) > 3 * np.median(levels[0])


@pytest.mark.parametrize('label', ['knocking', 'wiping', 'typing', 'eating', 'walking', 'fallen'])
def test_the_telling_sound_comes_back_all_the_time(label):
    sound = sound_of(label, difficulty=0.0)
    room = sound_of('none', difficulty=0.0)
    frame = RATE // 50
    loud = np.square(sound[: len(sound) // frame * frame]).reshape(-1, frame).mean(axis=1)
    floor = np.square(room[: len(room) // frame * frame]).reshape(-1, frame).mean(axis=1)
    times = np.flatnonzero(loud > 8 * np.median(floor)) / 50
    assert np.diff(np.concatenate([[0.0], times, [12.0]])).max() < 2.0
