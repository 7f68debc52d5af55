"""What a simulated recording delivers, and when."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.types import (
    AudioChunk,
    Frame,
    Modality,
    Utterance,
    modality_of,
    seconds_between,
)


def config_of(**changes):
    return SimulationConfig(**{'seed': 3, 'duration_s': 24.0, 'frame_rate_hz': 5.0, **changes})


def fingerprint(sample):
    fields = {item.name: getattr(sample, item.name) for item in dataclasses.fields(type(sample))}
    return tuple(
        value.tobytes() if isinstance(value, np.ndarray) else value for value in fields.values()
    )


def by_modality(config):
    found = {modality: [] for modality in Modality}
    for sample in simulate(config).samples():
        found[modality_of(sample)].append(sample)
    return found


@pytest.fixture(scope='module')
def recording():
    return by_modality(config_of(modalities=tuple(Modality)))


def test_the_same_seed_gives_the_same_bytes():
    config = config_of(duration_s=10.0)
    first, second = simulate(config), simulate(config)
    assert first.labels == second.labels
    again = [fingerprint(sample) for sample in second.samples()]
    assert [fingerprint(sample) for sample in first.samples()] == again
    assert [fingerprint(sample) for sample in second.samples()] == again


def test_another_seed_gives_another_recording():
    one, other = (next(simulate(config_of(seed=seed)).samples()) for seed in (3, 4))
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize('left', list(Modality))
def test_removing_modalities_leaves_the_others_as_they_were(recording, left):
    alone = by_modality(config_of(modalities=(left,)))
    assert [fingerprint(item) for item in alone[left]] == [
        fingerprint(item) for item in recording[left]
    ]
    assert not any(alone[other] for other in Modality if other != left)


def test_other_words_leave_pictures_and_sound_as_they_were(recording):
    other = by_modality(config_of(phrasings='heldout'))
    for modality in (Modality.VIDEO, Modality.AUDIO):
        assert [fingerprint(item) for item in other[modality]] == [
            fingerprint(item) for item in recording[modality]
        ]


def test_another_frame_rate_shows_the_same_scene():
    slow, fast = (simulate(config_of(frame_rate_hz=rate, duration_s=4.0)) for rate in (5.0, 10.0))
    assert np.array_equal(
        slow.scene.render(slow.choreography, 2.0), fast.scene.render(fast.choreography, 2.0)
    )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rate_hz=st.sampled_from([1.0, 7.5, 15.0, 29.97, 60.0]),
    chunk_s=st.sampled_from([0.01, 0.064, 0.5]),
    duration_s=st.floats(0.3, 3.0),
)
def test_samples_come_in_order_of_arrival_on_exact_grids(seed, rate_hz, chunk_s, duration_s):
    config = SimulationConfig(
        seed=seed,
        duration_s=duration_s,
        frame_rate_hz=rate_hz,
        audio_chunk_s=chunk_s,
        width_px=32,
        height_px=32,
    )
    samples = list(simulate(config).samples())
    arrivals = [sample.arrival_ns for sample in samples]
    assert arrivals == sorted(arrivals)
    frames = [item for item in samples if isinstance(item, Frame)]
    assert [item.stamp_ns - config.start_ns for item in frames] == [
        round(index * 1e9 / rate_hz) for index in range(len(frames))
    ]
    assert len(frames) == config.frame_count
    assert (len(frames) - 1) / rate_hz < duration_s <= len(frames) / rate_hz + 1e-6
    chunks = [item for item in samples if isinstance(item, AudioChunk)]
    heard = 0
    for chunk in chunks:
        assert chunk.stamp_ns == config.start_ns + heard * 10**9 // config.sample_rate_hz
        heard += len(chunk.samples)
    assert heard == round(duration_s * config.sample_rate_hz)


def test_a_long_recording_does_not_drift():
    config = SimulationConfig(
        duration_s=300.0, frame_rate_hz=29.97, audio_chunk_s=1.0, modalities=(Modality.AUDIO,)
    )
    last = list(simulate(config).samples())[-1]
    assert seconds_between(last.end_ns, config.start_ns) == pytest.approx(300.0, abs=1e-9)


def test_frames_and_chunks_are_what_the_types_promise(recording):
    config = config_of()
    for frame in recording[Modality.VIDEO]:
        assert frame.image.shape == (config.height_px, config.width_px, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert 0 < seconds_between(frame.arrival_ns, frame.stamp_ns) < 0.05
    for chunk in recording[Modality.AUDIO]:
        assert chunk.samples.dtype == np.float32
        assert len(chunk.samples) <= config.chunk_samples
        assert 0 < seconds_between(chunk.arrival_ns, chunk.end_ns) < 0.03


def test_a_frame_can_be_kept_and_changed(recording):
    first, second = recording[Modality.VIDEO][:2]
    assert not np.shares_memory(first.image, second.image)
    assert first.image.flags.writeable


def test_utterances_end_before_they_arrive_within_the_recording():
    config = SimulationConfig(seed=11, duration_s=400.0, modalities=(Modality.TEXT,))
    utterances = list(simulate(config).samples())
    assert all(isinstance(item, Utterance) for item in utterances)
    delays = [seconds_between(item.arrival_ns, item.stamp_ns) for item in utterances]
    assert len(delays) > 20
    assert min(delays) >= 0.3
    assert max(delays) <= 3.0
    assert np.mean(np.array(delays) < 1.2) > 0.7
    for item in utterances:
        assert item.start_ns >= config.start_ns
        assert 0.9 <= seconds_between(item.stamp_ns, item.start_ns) <= 1.6
        assert item.arrival_ns <= config.start_ns + 400 * 10**9
        assert 0 < item.confidence < 1
        assert item.text.strip()


@pytest.mark.parametrize('difficulty', [0.0, 0.5, 1.0])
def test_sound_stays_in_range_and_is_hardly_clipped(difficulty):
    for seed in range(3):
        config = SimulationConfig(
            seed=seed, duration_s=60, difficulty=difficulty, modalities=(Modality.AUDIO,)
        )
        sound = np.concatenate([chunk.samples for chunk in simulate(config).samples()])
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 1
        assert np.mean(np.abs(sound) > 0.99) < 1e-3
        assert sound.std() > 5e-4


def test_an_image_of_another_size_and_a_recording_without_anything_work():
    config = config_of(width_px=64, height_px=96, duration_s=0.5, start_ns=0)
    frames = by_modality(config)[Modality.VIDEO]
    assert frames[0].image.shape == (96, 64, 3)
    assert list(simulate(config_of(modalities=())).samples()) == []
