"""Streams that never end: no drift, no growth."""

import dataclasses
import gc
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.config import EngineConfig
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.types import AudioChunk, DecisionTime, Frame, Utterance, Window, to_ns
from factories.answers import run
from factories.networks import TEXTS, TINY, make_checkpoint
from factories.streams import RATE_HZ, START_NS, noise

ALONE = 'ACTIVITY_RECOGNITION_TEST_ALONE'
"""Set where a test has the process for itself."""
TICK_S = 0.1
TAIL = 90
"""Ticks that reach further back than the network does: 9 s, a whole number of audio blocks."""
LIGHT = dataclasses.replace(
    TINY,
    video=dataclasses.replace(TINY.video, temporal_depth=1),
    audio=dataclasses.replace(TINY.audio, dilations=(1,)),
)
"""Every part of the network, as few layers as possible."""


@pytest.fixture(scope='module')
def checkpoint():
    return make_checkpoint(LIGHT)


@pytest.fixture(scope='module')
def tick():
    """Return a function from a number to the windows of a tenth of a second."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    pcm = noise(rng, 11 * RATE_HZ)
    length = int(TICK_S * RATE_HZ)

    def make(number, *, decide):
        stamp_ns = START_NS + number * to_ns(TICK_S)
        arrival_ns = stamp_ns + to_ns(TICK_S)
        sound = pcm[np.arange(number * length, (number + 1) * length) % len(pcm)]
        yield Window(
            samples=(
                AudioChunk(
                    stamp_ns=stamp_ns,
                    arrival_ns=arrival_ns,
                    samples=sound,
                    sample_rate_hz=RATE_HZ,
                ),
            )
        )
        if number % 20 == 0:
            text = TEXTS[number // 20 % len(TEXTS)]
            said = Utterance(stamp_ns=stamp_ns - to_ns(1.0), arrival_ns=arrival_ns + 1, text=text)
            yield Window(samples=(said,))
        frame = Frame(stamp_ns=stamp_ns, arrival_ns=arrival_ns + 2, image=images[number % 7])
        moment = DecisionTime(t_ns=stamp_ns, arrival_ns=arrival_ns + 2)
        yield Window(samples=(frame,), decision=moment if decide else None)

    return make


def resident_bytes():
    return int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1]) * 4096


def new_engine(checkpoint):
    return StreamingEngine(checkpoint, engine=EngineConfig(device='cpu', evidence_every=7))


def play(engine, tick, numbers, *, last):
    """Play ticks, deciding at every tenth and at all of the last thirty; return their decisions."""
    decisions = []
    for number in numbers:
        late = number >= last - 30
        decisions += run(engine, tick(number, decide=late or number % 10 == 0))
    return decisions[-30:]


def assert_no_drift(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.t_ns == other.t_ns
        assert all(evidence.present for evidence in one.evidence)
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-5, rtol=1e-5)


def test_a_late_decision_knows_nothing_older_than_its_reach(checkpoint, tick):
    """An engine that heard everything equals one that heard the end alone."""
    last = 200
    assert max(checkpoint.system.receptive_field_s.values()) < TAIL * TICK_S - 3.0
    veteran = play(new_engine(checkpoint), tick, range(last), last=last)
    novice = play(new_engine(checkpoint), tick, range(last - TAIL, last), last=last)
    assert_no_drift(veteran, novice)


def test_python_keeps_no_object_of_the_past(checkpoint, tick):
    engine = new_engine(checkpoint)
    play(engine, tick, range(60), last=0)
    tracemalloc.start()
    try:
        sizes = []
        for start in (60, 90, 120):
            play(engine, tick, range(start, start + 30), last=0)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # 30 ticks kept would hold 96 kB of sound alone.
    assert sizes[2] - sizes[1] < 20_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='needs the proc file system')
def test_a_hundred_thousand_steps(checkpoint, tick):
    """1e5 samples, 82 minutes: no drift, and memory grows by less than 1 %.

    In a process of its own: beside other tests it would be their memory that is looked at, too.
    """
    if ALONE not in os.environ:
        name = f'{__file__}::{test_a_hundred_thousand_steps.__name__}'
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-q', name],
            env={**os.environ, ALONE: '1'},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert '1 passed' in done.stdout
        return
    last = 49_000
    engine = new_engine(checkpoint)
    play(engine, tick, range(last // 5), last=last)
    before = resident_bytes()
    veteran = play(engine, tick, range(last // 5, last), last=last)
    assert resident_bytes() <= 1.01 * before
    novice = play(new_engine(checkpoint), tick, range(last - TAIL, last), last=last)
    assert_no_drift(veteran, novice)
