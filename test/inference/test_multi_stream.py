"""Many streams in one engine: each decides as if it were alone, at the cost of few calls."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activity_recognition.config import EngineConfig, SmoothingConfig
from activity_recognition.errors import ConfigError, ShapeError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.lanes import video
from activity_recognition.types import (
    AudioChunk,
    DecisionTime,
    Frame,
    Status,
    Utterance,
    Window,
    to_ns,
)
from factories.answers import assert_same_decisions, run
from factories.backends import by
from factories.counting import Operations
from factories.crowds import ANY_STAYS, alone, check_crowd, crowd_of
from factories.lanes import kept_tensors
from factories.networks import KEYED, MOVING, MOVING_ALONE, TINY, WRAPPING, make_checkpoint
from factories.scenes import TROUBLED
from factories.streams import RATE_HZ, START_NS, noise

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
NAMES = ('kitchen', 'hall', 'robot_1', 'robot_2', 'door')


def make_engine(checkpoint, *names, smoothing=None, **keywords):
    engine = MultiStreamEngine(
        checkpoint,
        engine=EngineConfig(device='cpu', backend='torch', **keywords),
        smoothing=smoothing,
    )
    for name in names:
        engine.join(name)
    return engine


configs = st.sampled_from((TINY, WRAPPING, MOVING, MOVING_ALONE, KEYED))
short = dataclasses.replace(TROUBLED, duration_s=1.5, jumps=())


@pytest.mark.parametrize('dtype', TOLERANCES, ids=['float64', 'float32'])
@given(config=configs, stays=ANY_STAYS)
@example(config=WRAPPING, stays=crowd_of(8, short))
@example(config=MOVING, stays=crowd_of(3, short))
@example(config=MOVING_ALONE, stays=crowd_of(3, short))
@example(config=KEYED, stays=crowd_of(3, short))
@settings(max_examples=6)
def test_any_streams_equal_forward_over_each(config, stays, dtype):
    """Whoever joins, leaves, is reset or falls silent beside them."""
    check_crowd(make_checkpoint(config, dtype=dtype), stays, by('torch'), TOLERANCES[dtype])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize('dtype', TOLERANCES, ids=['float64', 'float32'])
@given(config=configs, stays=ANY_STAYS)
@settings(max_examples=60)
def test_very_many_crowds(config, stays, dtype):
    check_crowd(make_checkpoint(config, dtype=dtype), stays, by('torch'), TOLERANCES[dtype])


@given(config=configs, stays=ANY_STAYS)
@example(config=TINY, stays=crowd_of(8, short))
@settings(max_examples=2)
def test_whole_decisions_are_those_of_an_engine_of_ones_own(config, stays):
    """Smoothing, evidence, weights and times, too."""
    checkpoint = make_checkpoint(config, dtype=torch.float64)
    for visit in check_crowd(checkpoint, stays, by('torch'), 1e-10):
        expected = alone(checkpoint, visit.stay)
        assert_same_decisions(visit.decisions, expected.decisions if expected else [])


@pytest.fixture(scope='module')
def checkpoint():
    return make_checkpoint(TINY)


@pytest.fixture(scope='module')
def exact():
    return make_checkpoint(TINY, dtype=torch.float64)


def deciding(t_s, *found):
    t_ns = START_NS + to_ns(t_s)
    return Window(samples=found, decision=DecisionTime(t_ns=t_ns, arrival_ns=t_ns))


def frame_at(t_s, seed=0):
    t_ns = START_NS + to_ns(t_s)
    image = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Frame(stamp_ns=t_ns, arrival_ns=t_ns, image=image)


def tick(index, seed, *, text=False):
    """Return a tenth of a second of a stream: one frame, one chunk, a decision."""
    t_ns = START_NS + index * to_ns(0.1)
    pcm = noise(np.random.default_rng([seed, index]), RATE_HZ // 10)
    sound = AudioChunk(stamp_ns=t_ns, arrival_ns=t_ns, samples=pcm, sample_rate_hz=RATE_HZ)
    said = [Utterance(stamp_ns=t_ns, arrival_ns=t_ns, text='hello robot')] if text else []
    return deciding(index / 10, frame_at(index / 10, seed), sound, *said)


class TestMembership:
    def test_names_are_told_in_order_of_joining(self, checkpoint):
        engine = make_engine(checkpoint, 'b', 'a', 'c')
        engine.leave('b')
        engine.join('b')
        assert engine.streams == ('a', 'c', 'b')

    def test_a_name_joins_once(self, checkpoint):
        engine = make_engine(checkpoint, 'a')
        with pytest.raises(ConfigError, match="'a': expected a new name"):
            engine.join('a')

    @pytest.mark.parametrize('act', ['leave', 'reset'])
    def test_who_has_not_joined_is_unknown(self, checkpoint, act):
        engine = make_engine(checkpoint, 'a')
        with pytest.raises(ConfigError, match=r"'b': expected one that has joined.*'a'"):
            getattr(engine, act)('b')
        with pytest.raises(ConfigError, match='has joined'):
            engine.apply({'b': Window()})

    def test_nobody_decides_nothing(self, checkpoint):
        assert make_engine(checkpoint).apply({}) == {}
        engine = make_engine(checkpoint, 'a', 'b')
        assert engine.apply({'b': Window(samples=(frame_at(0.0),))}) == {}

    def test_the_memory_of_one_that_left_is_taken_over_and_forgotten(self, exact):
        engine = make_engine(exact, 'a', 'b')
        for index in range(8):
            engine.apply({name: tick(index, 1, text=True) for name in 'ab'})
        engine.leave('a')
        engine.join('new')
        decision = engine.apply({'new': deciding(0.9)})['new']
        assert decision.status is Status.NO_DATA
        found = [engine.apply({'new': tick(i, 2), 'b': tick(i, 1)})['new'] for i in (9, 10)]
        alone = StreamingEngine(exact, engine=EngineConfig(device='cpu', backend='torch'))
        expected = run(alone, [deciding(0.9), tick(9, 2), tick(10, 2)])[1:]
        assert_same_decisions(found, expected)


class TestIndependence:
    def test_a_wrong_sample_of_one_leaves_no_trace_in_any(self, exact):
        engine = make_engine(exact, 'a', 'b')
        wrong = dataclasses.replace(frame_at(0.1), image=np.zeros((8, 8), np.uint8))
        first = engine.apply({name: tick(0, 3) for name in 'ab'})
        spoilt = tick(1, 3)._replace(reset=True)
        spoilt = spoilt._replace(samples=(*spoilt.samples, wrong))
        with pytest.raises(ShapeError):
            engine.apply({'a': tick(1, 3), 'b': spoilt})
        then = engine.apply({name: tick(1, 3) for name in 'ab'})
        alone = StreamingEngine(exact, engine=EngineConfig(device='cpu', backend='torch'))
        expected = run(alone, [tick(0, 3), tick(1, 3)])
        for name in 'ab':
            assert_same_decisions([first[name], then[name]], expected)

    def test_settings_are_those_of_all(self, checkpoint):
        engine = make_engine(checkpoint, 'a', 'b', evidence_every=0)
        engine.update(smoothing=SmoothingConfig(unknown_threshold=1.0), evidence_every=1)
        for decision in engine.apply({name: tick(0, 4) for name in 'ab'}).values():
            assert decision.status is Status.UNKNOWN
            assert np.isfinite(decision.evidence[0].weight)

    def test_warming_up_leaves_no_trace(self, checkpoint):
        warm, cold = (make_engine(checkpoint, 'a', 'b') for _ in range(2))
        warm.warm_up()
        for index in range(3):
            given = {name: tick(index, 5) for name in 'ab'}
            found, expected = warm.apply(given), cold.apply(given)
            for name in 'ab':
                np.testing.assert_array_equal(found[name].logits, expected[name].logits)


MOVES = {'aten.select.int', 'aten.slice.Tensor', 'aten.copy_.default'}
"""What a ring does when its room is full, every few steps."""


def operations_of(engine, given):
    with Operations() as counted:
        engine.apply(given)
    return counted


def filled(checkpoint, count):
    """Return an engine of ``count`` streams whose rings are full, and the number of its ticks."""
    engine = make_engine(checkpoint, *map(str, range(count)), evidence_every=0)
    for index in range(15):
        engine.apply({str(i): tick(index, i, text=index < 5) for i in range(count)})
    return engine


@pytest.fixture(scope='module')
def wrapping():
    return make_checkpoint(WRAPPING)


class TestCost:
    """Counted, not timed."""

    @pytest.fixture(autouse=True)
    def all_frames_at_once(self, monkeypatch):
        """How many go into one call is a matter of caches, not of the number of streams."""
        monkeypatch.setitem(video.FRAMES_AT_ONCE, 'cpu', 8)

    def test_each_module_is_called_once_for_all_streams(self, checkpoint):
        system, calls = checkpoint.system, Counter()
        handles = [
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
            for name, module in system.named_modules()
        ]
        counts = []
        try:
            for streams in (1, 5):
                engine = make_engine(checkpoint, *NAMES[:streams])
                calls.clear()
                engine.apply({name: tick(0, 6, text=True) for name in NAMES[:streams]})
                counts.append(dict(calls))
        finally:
            for handle in handles:
                handle.remove()
        assert counts[0] == counts[1]
        assert counts[1]['classifier'] == counts[1]['video_encoder.frame_encoder'] == 1

    def test_more_streams_take_no_more_operations_of_the_network(self, wrapping):
        """Beside the network, each stream has its own spectrogram and its own rings to write."""
        engines = {count: filled(wrapping, count) for count in (1, 2, 3, 8)}
        calls = {
            count: operations_of(engine, {str(i): tick(15, i) for i in range(count)}).calls
            for count, engine in engines.items()
        }
        total = {count: found.total() for count, found in calls.items()}
        own = total[3] - total[2]
        assert total[8] - total[2] == 6 * own
        # One stream is read without a copy; two are gathered.
        assert own < total[2] - total[1] < total[1] / 8
        for name in ('linear', 'conv2d', 'scaled_dot_product_attention', 'layer_norm', 'cat'):
            assert len({found[f'aten.{name}.default'] for found in calls.values()}) == 1

    def test_a_step_takes_the_same_operations_and_memory_for_ever(self, wrapping):
        engine = filled(wrapping, 3)
        steps = [
            operations_of(engine, {str(i): tick(index, i) for i in range(3)})
            for index in range(15, 135)
        ]
        # Chunks of 100 ms make two tokens or three: two kinds of steps, in turn.
        kinds = {
            (
                *((name, n) for name, n in sorted(step.calls.items()) if name not in MOVES),
                step.allocations,
                step.new_bytes,
            )
            for step in steps
        }
        assert len(kinds) == 2
        # Sometimes rows move to the beginning of a ring, in the same few ways.
        everything = [tuple(sorted(step.calls.items())) for step in steps]
        assert set(everything[60:]) <= set(everything[:60])

    def test_memory_is_taken_when_a_stream_joins_and_never_by_a_step(self, checkpoint):
        engine = make_engine(checkpoint, 'a', 'b', 'c')
        memory = memory_of(engine)
        for index in range(12):
            engine.apply({name: tick(index, 7, text=True) for name in 'ac'})
        engine.reset('a')
        engine.leave('b')
        engine.join('d')
        engine.join('e')
        assert memory_of(engine) == memory
        engine.join('f')
        assert memory_of(engine) != memory

    def test_many_frames_are_encoded_in_parts(self, exact, monkeypatch):
        monkeypatch.setitem(video.FRAMES_AT_ONCE, 'cpu', 3)
        sizes = []
        encoder = exact.system.video_encoder.frame_encoder
        handle = encoder.register_forward_hook(lambda _, inputs, out: sizes.append(len(inputs[0])))
        given = {name: deciding(0.4, *(frame_at(t / 10, t) for t in range(4))) for name in 'ab'}
        try:
            found = make_engine(exact, 'a', 'b').apply(given)
        finally:
            handle.remove()
        assert sizes == [3, 3, 2]
        alone = StreamingEngine(exact, engine=EngineConfig(device='cpu', backend='torch'))
        for name in 'ab':
            alone.reset()
            assert_same_decisions([found[name]], run(alone, [given[name]]))


def memory_of(engine):
    """Return the addresses of all that is kept between steps."""
    return [tensor.data_ptr() for tensor in kept_tensors(engine)]
