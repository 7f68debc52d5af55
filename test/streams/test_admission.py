"""The admission rule's parts on their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.streams.admission import RateLimit
from activity_recognition.streams.waiting import StampedRing
from activity_recognition.types import AudioChunk, Utterance

SECOND = 1_000_000_000


@given(st.floats(1.0, 60.0), st.floats(1.0, 60.0), st.integers(0, SECOND))
@settings(max_examples=50, deadline=None)
def test_the_rate_limit_keeps_the_mean_rate(source_hz, limit_hz, phase_ns):
    limit = RateLimit(limit_hz)
    count = 400
    kept = 0
    for n in range(count):
        stamp = phase_ns + round(n * SECOND / source_hz)
        if limit.admits(stamp):
            limit.take(stamp)
            kept += 1
    expected = min(count, count * limit_hz / source_hz)
    assert expected - 2 <= kept <= expected + 2


@given(st.lists(st.integers(-20_000_000, 20_000_000), min_size=50, max_size=50))
@settings(max_examples=25, deadline=None)
def test_a_source_at_just_the_limit_loses_nothing_to_jitter(jitter):
    limit = RateLimit(10.0)
    for n, shift in enumerate(jitter):
        stamp = n * SECOND // 10 + shift
        assert limit.admits(stamp)
        limit.take(stamp)


def test_asking_the_rate_limit_changes_nothing():
    limit = RateLimit(10.0)
    limit.take(0)
    assert [limit.admits(10) for _ in range(3)] == [False] * 3
    assert limit.admits(SECOND // 10)
    limit.reset()
    assert limit.admits(10)


def test_no_limit_takes_everything():
    limit = RateLimit(0.0)
    limit.take(0)
    assert limit.admits(1)


def test_a_ring_counts_what_it_drops_and_starts_again_when_drained():
    ring = StampedRing(3)
    texts = [Utterance(stamp_ns=n, arrival_ns=n, text=str(n)) for n in range(10)]
    dropped = [ring.append(text) for text in texts]
    assert dropped == [0, 0, 0] + [1] * 7
    assert len(ring) == 3
    assert ring.drain(3) == [(3, text) for text in texts[7:]]
    assert [ring.append(text) for text in texts[:4]] == [0, 0, 0, 1]


def test_a_ring_keeps_what_came_before_a_time_jump_until_there_is_no_room():
    ring = StampedRing(3)
    texts = [Utterance(stamp_ns=n, arrival_ns=n, text=str(n)) for n in range(5)]
    for text in texts[:2]:
        ring.append(text)
    ring.close(0)
    assert [ring.append(text) for text in texts[2:]] == [0, 1, 1]
    assert ring.drain(1) == [(1, text) for text in texts[2:]]
    ring.append(texts[0])
    ring.close(1)
    ring.append(texts[1])
    assert ring.drain(2) == [(1, texts[0]), (2, texts[1])]
    assert len(ring) == 0


@pytest.mark.parametrize('rate', [8000, 16000, 44100])
def test_audio_fills_a_ring_by_its_duration(rate):
    ring = StampedRing(SECOND)
    for n in range(40):
        chunk = AudioChunk(
            stamp_ns=n, arrival_ns=n, samples=np.zeros(rate // 20, np.float32), sample_rate_hz=rate
        )
        ring.append(chunk)
    assert 20 <= len(ring) <= 21
