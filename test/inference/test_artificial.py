"""The artificial stream that costs are measured on, and the untrained network for it."""

from __future__ import annotations

import dataclasses
import math
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.errors import ConfigError
from activity_recognition.inference.artificial import artificial_stream, untrained_checkpoint
from activity_recognition.inference.lanes.artificial import chunk_samples
from activity_recognition.inference.lanes.text import SENTENCES
from activity_recognition.types import AudioChunk, Frame, Modality, Utterance, to_ns
from factories.networks import TINY, with_modalities

SMALL = {'width_px': 8, 'height_px': 6}


@given(
    rate_hz=st.floats(1.0, 60.0),
    period_s=st.floats(0.2, 5.0),
    sample_rate_hz=st.sampled_from([8000, 16000, 44100]),
    seed=st.integers(0, 100),
)
def test_a_window_is_one_frame_and_what_came_since_the_last_one(
    rate_hz, period_s, sample_rate_hz, seed
):
    audio = dataclasses.replace(TINY.audio, sample_rate_hz=sample_rate_hz)
    config = dataclasses.replace(TINY, audio=audio)
    stream = artificial_stream(
        config, frame_rate_hz=rate_hz, utterance_period_s=period_s, seed=seed, start_ns=7, **SMALL
    )
    newest_ns, heard_ns, chunks, said = -1, 7, 0, 0
    for index, window in enumerate(islice(stream, 12)):
        *others, frame = window.samples
        assert isinstance(frame, Frame)
        assert frame.image.shape == (6, 8, 3)
        assert frame.stamp_ns == frame.arrival_ns == 7 + to_ns(index / rate_hz)
        assert window.decision.t_ns == window.decision.arrival_ns == frame.stamp_ns
        for sample in others:
            assert newest_ns < sample.arrival_ns <= frame.arrival_ns
        sound = [sample for sample in others if isinstance(sample, AudioChunk)]
        for chunk in sound:
            # Without a hole, and whole when it arrives.
            assert chunk.stamp_ns == pytest.approx(heard_ns, abs=1)
            assert len(chunk.samples) == chunk_samples(sample_rate_hz)
            assert chunk.arrival_ns == pytest.approx(chunk.end_ns, abs=1)
            heard_ns = chunk.arrival_ns
        chunks += len(sound)
        said += sum(isinstance(sample, Utterance) for sample in others)
        newest_ns = frame.arrival_ns
    passed_s = 11 / rate_hz
    assert chunks == pytest.approx(
        passed_s * sample_rate_hz / chunk_samples(sample_rate_hz), abs=1.01
    )
    assert said == pytest.approx(passed_s / period_s, abs=1.01)


def test_the_sound_goes_on_where_it_begins_again():
    stream = artificial_stream(TINY, frame_rate_hz=1.0, seed=1, **SMALL)
    chunks = [s for w in islice(stream, 4) for s in w.samples if isinstance(s, AudioChunk)]
    heard = np.concatenate([chunk.samples for chunk in chunks])
    rate_hz = TINY.audio.sample_rate_hz
    assert len(heard) > 2 * rate_hz
    assert np.array_equal(heard[rate_hz:], heard[:-rate_hz])


def test_a_seed_decides_everything():
    one, same, other = (
        next(islice(artificial_stream(TINY, frame_rate_hz=2.0, seed=seed, **SMALL), 3, None))
        for seed in (0, 0, 1)
    )
    assert all(map(_equal, one.samples, same.samples))
    assert not any(map(_equal, one.samples, other.samples))


def _equal(one, other):
    name = 'image' if isinstance(one, Frame) else 'samples'
    return np.array_equal(getattr(one, name), getattr(other, name))


def test_an_untrained_network_is_the_presets():
    checkpoint = untrained_checkpoint('clips', seed=3)
    assert not checkpoint.config.video.appearance
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            checkpoint.system.parameters(),
            untrained_checkpoint('clips', seed=3).system.parameters(),
            strict=True,
        )
    )
    lengths = [len(checkpoint.tokenizer.encode(text)) for text in SENTENCES]
    assert max(lengths) < checkpoint.config.text.max_length
    assert not math.isnan(checkpoint.temperature)


def test_a_network_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match='model preset must be one of'):
        untrained_checkpoint('huge')
    with pytest.raises(ConfigError, match='found none'):
        untrained_checkpoint('small_minilm')


@pytest.mark.parametrize('names', [('video',), ('audio', 'text'), ('text',), ('imu',)])
def test_a_stream_has_the_modalities_of_its_network(names):
    stream = artificial_stream(with_modalities(*names), frame_rate_hz=2.0, **SMALL)
    windows = list(islice(stream, 20))
    assert {sample.modality for w in windows for sample in w.samples} == {*map(Modality, names)}
    for window in windows:
        assert all(s.arrival_ns <= window.decision.arrival_ns for s in window.samples)
