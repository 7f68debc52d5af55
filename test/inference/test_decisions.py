"""`StreamingEngine.decisions`: a whole recording through the engine, as a node takes it."""

import pytest

from activity_recognition.config import EngineConfig, SyncConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.streams import windows
from factories.answers import run
from factories.networks import TINY, make_checkpoint
from factories.streams import Scene, samples

SCENE = Scene(seed=4, duration_s=2.0, frame_rate_hz=8.0, chunks=(800,), utterances=3)


def values(decisions):
    return [(d.t_ns, d.arrival_ns, d.label, d.logits.tolist()) for d in decisions]


@pytest.fixture(scope='module')
def engine():
    return StreamingEngine(make_checkpoint(TINY), engine=EngineConfig(device='cpu'))


@pytest.mark.parametrize('rate_hz', [2.0, 10.0])
def test_they_are_those_of_the_windows_applied_one_by_one(engine, rate_hz):
    sync = SyncConfig(decision_rate_hz=rate_hz)
    engine.reset()
    expected = values(run(engine, windows(samples(SCENE), sync)))
    found = values(engine.decisions(samples(SCENE), sync))
    assert found == expected
    assert len(found) >= 2 * rate_hz


def test_each_call_starts_from_nothing(engine):
    first = values(engine.decisions(samples(SCENE)))
    assert values(engine.decisions(samples(SCENE))) == first
