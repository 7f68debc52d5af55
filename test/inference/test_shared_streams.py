"""Streams that share sound and words with another one: encoded once, and equal to engines apart."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activity_recognition.config import EngineConfig
from activity_recognition.errors import ConfigError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.types import Frame, Modality, Status, Utterance, Window
from factories.answers import assert_same_decisions, run
from factories.backends import by
from factories.networks import ATTENDING, MOVING, TINY, WRAPPING, make_checkpoint
from factories.scenes import ANY_RATE, ANY_SCENE, TROUBLED, trace_of

SHARED = (Modality.AUDIO, Modality.TEXT)
FROM_SCENE = dict.fromkeys(SHARED, 'scene')
TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-5}


@dataclasses.dataclass(frozen=True)
class Guest:
    """One person of a scene, from joining to leaving."""

    seed: int
    joins: int = 0
    """Before which window of the scene."""
    stays: int = 10_000
    """For how many of them."""
    lost: float = 0.2
    """Share of the images that it is not in."""
    own_words_from: int = 10_000
    """From which window on it has words of its own."""


def of_guest(guest: Guest, index: int, window: Window) -> Window:
    """Return what a guest brings with a window of the scene: its own images, and its own words."""
    rng = np.random.default_rng([guest.seed, index])
    found = []
    for sample in window.samples:
        if isinstance(sample, Frame) and rng.random() >= guest.lost:
            image = rng.integers(0, 256, sample.image.shape, dtype=np.uint8)
            found.append(dataclasses.replace(sample, image=image))
    if index >= guest.own_words_from and window.decision and rng.random() < 0.3:
        t_ns, arrival_ns = window.decision
        found.append(Utterance(stamp_ns=t_ns, arrival_ns=arrival_ns, text='who is there'))
    return window._replace(samples=tuple(found))


def alone(checkpoint, guest, scene):
    """Return what an engine of its own decides, which hears all of the scene."""
    windows = []
    for index, window in enumerate(scene[: guest.joins + guest.stays]):
        own = of_guest(guest, index, window) if index >= guest.joins else Window()
        heard = [
            sample
            for sample in window.samples
            if sample.modality is Modality.AUDIO
            or (sample.modality is Modality.TEXT and guest.own_words_from > len(scene))
        ]
        windows.append(
            Window(
                reset=window.reset,
                samples=tuple(sorted((*own.samples, *heard), key=lambda s: s.arrival_ns)),
                decision=own.decision,
            )
        )
    return run(StreamingEngine(checkpoint, engine=by('torch')), windows)


def together(checkpoint, guests, scene):
    """Return what one engine decides for the scene and each guest, and the engine."""
    engine = MultiStreamEngine(checkpoint, engine=by('torch'))
    engine.join('scene')
    found = {name: [] for name in ('scene', *map(str, range(len(guests))))}
    for index, window in enumerate(scene):
        given = {'scene': window}
        for number, guest in enumerate(guests):
            name = str(number)
            if index == guest.joins:
                engine.join(name, sharing=FROM_SCENE)
                if guest.own_words_from < len(scene):
                    engine.unshare(name, Modality.TEXT)
            if guest.joins <= index < guest.joins + guest.stays:
                given[name] = of_guest(guest, index, window)
            elif name in engine.streams:
                engine.leave(name)
        for name, decision in engine.apply(given).items():
            found[name].append(decision)
    return found, engine


guests = st.builds(
    Guest,
    seed=st.integers(0, 999),
    joins=st.integers(0, 12),
    stays=st.sampled_from((2, 6, 10_000)),
    lost=st.sampled_from((0.0, 0.3, 1.0)),
    own_words_from=st.sampled_from((0, 10_000)),
)
hard = dataclasses.replace(TROUBLED, duration_s=2.5)


@pytest.mark.parametrize('dtype', TOLERANCES, ids=['float64', 'float32'])
@given(
    config=st.sampled_from((TINY, WRAPPING, MOVING, ATTENDING)),
    people=st.lists(guests, min_size=1, max_size=4),
    scene=ANY_SCENE,
    rate_hz=ANY_RATE,
)
@example(
    config=WRAPPING,
    people=[Guest(1), Guest(2, joins=4, stays=6), Guest(3, joins=11), Guest(4, own_words_from=0)],
    scene=hard,
    rate_hz=10.0,
)
@settings(max_examples=8, deadline=None)
def test_everybody_decides_as_in_an_engine_that_hears_the_scene(
    config, people, scene, rate_hz, dtype
):
    """Whoever joins late hears what was said before; who has own words hears these alone."""
    checkpoint = make_checkpoint(config, dtype=dtype)
    trace = trace_of(scene, rate_hz)
    found, _ = together(checkpoint, people, trace)
    whole = run(StreamingEngine(checkpoint, engine=by('torch')), trace)
    assert_same_decisions(found['scene'], whole, TOLERANCES[dtype])
    for number, guest in enumerate(people):
        expected = alone(checkpoint, guest, trace)
        assert_same_decisions(found[str(number)], expected, TOLERANCES[dtype])


@pytest.fixture(scope='module')
def checkpoint():
    return make_checkpoint(TINY)


def counted_calls(checkpoint, people, trace):
    """Return how many rows each step of the network is given for a scene and people in it."""
    engine, calls = MultiStreamEngine(checkpoint, engine=by('torch')), Counter()
    run_step = engine.backend.run

    def counted(name, *inputs):
        calls[name] += len(inputs[0])
        return run_step(name, *inputs)

    engine.backend.run = counted
    engine.join('scene')
    for guest in people:
        engine.join(str(guest.seed), sharing=FROM_SCENE)
    for index, window in enumerate(trace):
        own = {str(guest.seed): of_guest(guest, index, window) for guest in people}
        engine.apply({'scene': window, **own})
    return calls


def test_sound_and_words_are_encoded_once(checkpoint):
    trace = trace_of(dataclasses.replace(hard, jumps=()), 10.0)
    one = counted_calls(checkpoint, (), trace)
    five = counted_calls(checkpoint, [Guest(n, lost=0.0) for n in range(4)], trace)
    assert five['chunk'] == one['chunk'] > 0
    assert five['utterance'] == one['utterance'] > 0
    assert five['frame'] == 5 * one['frame'] > 0


def present(decision):
    """Return the modalities that a decision saw."""
    return {e.modality for e in decision.evidence if e.present}


class TestSharing:
    def engine(self, checkpoint):
        engine = MultiStreamEngine(checkpoint, engine=EngineConfig(device='cpu', backend='torch'))
        engine.join('scene')
        engine.join('p', sharing=FROM_SCENE)
        return engine

    def test_who_is_shared_with_cannot_leave_first(self, checkpoint):
        engine = self.engine(checkpoint)
        with pytest.raises(ConfigError, match=r"'scene': expected that nobody shares.*'p'"):
            engine.leave('scene')
        engine.leave('p')
        engine.leave('scene')
        assert engine.streams == ()

    def test_nobody_shares_with_a_stranger(self, checkpoint):
        engine = self.engine(checkpoint)
        with pytest.raises(ConfigError, match="'q': expected one that has joined"):
            engine.join('r', sharing={Modality.AUDIO: 'q'})
        assert engine.streams == ('scene', 'p')

    def test_sharing_with_who_shares_is_sharing_with_the_source(self, checkpoint):
        engine = self.engine(checkpoint)
        engine.join('q', sharing={Modality.AUDIO: 'p', Modality.VIDEO: 'p'})
        with pytest.raises(ConfigError, match=r"'p': expected that nobody shares.*'q'"):
            engine.leave('p')
        engine.leave('q')
        engine.join('q', sharing={Modality.AUDIO: 'p'})
        engine.leave('p')
        engine.apply({'scene': TRACE[0]})
        found = engine.apply(dict.fromkeys(('scene', 'q'), TRACE[1]))
        heard = {name: present(decision) for name, decision in found.items()}
        assert Modality.AUDIO in heard['scene'] & heard['q']

    def test_a_reset_of_one_leaves_the_shared_past(self, checkpoint):
        engine = self.engine(checkpoint)
        for index, window in enumerate(TRACE[:8]):
            engine.apply({'scene': window, 'p': of_guest(Guest(1, lost=0.0), index, window)})
        engine.reset('p')
        last = TRACE[7].decision
        found = engine.apply({name: Window(decision=last) for name in ('scene', 'p')})
        assert Modality.AUDIO in present(found['scene'])
        assert present(found['p']) == present(found['scene']) - {Modality.VIDEO}

    def test_a_slot_that_is_reused_starts_from_nothing(self, checkpoint):
        engine = self.engine(checkpoint)
        for index, window in enumerate(TRACE):
            engine.apply({'scene': window, 'p': of_guest(Guest(1), index, window)})
        engine.leave('p')
        engine.join('other')
        (found,) = engine.apply({'other': Window(decision=TRACE[-1].decision)}).values()
        assert found.status is Status.NO_DATA


TRACE = [
    window
    for window in trace_of(dataclasses.replace(TROUBLED, jumps=(), silences=()), 10.0)
    if window.decision
]
