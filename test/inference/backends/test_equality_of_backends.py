"""Streaming by any backend equals the dense forward on the same admission trace: tiny networks."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activity_recognition.inference import StreamingEngine
from activity_recognition.models.exporting import export_steps
from activity_recognition.models.quantising import quantise_steps
from activity_recognition.types import MODALITIES
from factories.answers import assert_equal, assert_near, assert_same_decisions, dense, run
from factories.backends import asked, beside, by, half_of_the_steps, tiny_weights
from factories.crowds import ANY_STAYS, alone, answers_to, attend, check_crowd, crowd_of, presence
from factories.matrix import STREAMS, ways
from factories.networks import ATTENDING, MOVING, STEPS, TINY, WRAPPING, make_checkpoint
from factories.scenes import ANY_RATE, ANY_SCENE, SILENT, TROUBLED, deciding_trace_of, trace_of
from factories.streams import Scene

pytest.importorskip('onnxruntime')

# The first that needs the export waits for it.
pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures('without_tf32')]

TOLERANCE = 1e-5
CONFIGS = {'tiny': TINY, 'wrapping': WRAPPING, 'moving': MOVING, 'attending': ATTENDING}


@pytest.fixture(scope='module')
def checkpoints(tiny_export, tmp_path_factory):
    """The tiny networks with their exported steps beside them, 8-bit ones, too."""
    made = {}
    for name, config in CONFIGS.items():
        folder = tmp_path_factory.mktemp(name)
        if config.fusion == TINY.fusion:
            made[name] = beside(tiny_weights(config), tiny_export, folder)
        else:
            made[name] = dataclasses.replace(make_checkpoint(config), path=folder)
            export_steps(made[name].system, folder / 'onnx', checkpoint=made[name].id)
        quantise_steps(made[name].path / 'onnx', STEPS)
    return made


def check(checkpoint, trace, backend, device='cpu'):
    found, decisions = asked(checkpoint, trace, by(backend, device))
    expected = dense(checkpoint, trace, device=device).on_host()
    assert len(decisions) == len(expected.no_data)
    assert_equal(found, expected, TOLERANCE)
    return found


@given(scene=ANY_SCENE, config=st.sampled_from(tuple(CONFIGS)), rate_hz=ANY_RATE)
@example(scene=TROUBLED, config='tiny', rate_hz=10.0)
@example(scene=TROUBLED, config='wrapping', rate_hz=None)
@example(scene=TROUBLED, config='moving', rate_hz=0.0)
@example(scene=SILENT, config='tiny', rate_hz=None)
@settings(max_examples=10)
def test_onnx_runtime_on_any_trace(checkpoints, scene, config, rate_hz):
    check(checkpoints[config], deciding_trace_of(scene, rate_hz), 'onnxruntime')


@pytest.mark.slow
@given(scene=ANY_SCENE, config=st.sampled_from(tuple(CONFIGS)), rate_hz=ANY_RATE)
@settings(max_examples=100)
def test_onnx_runtime_on_very_many_traces(checkpoints, scene, config, rate_hz):
    check(checkpoints[config], deciding_trace_of(scene, rate_hz), 'onnxruntime')


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize(('backend', 'device'), ways(but_slow=True))
def test_any_backend(checkpoints, config, backend, device):
    for rate_hz in (10.0, None):
        check(checkpoints[config], trace_of(TROUBLED, rate_hz), backend, device)


@pytest.mark.parametrize('config', CONFIGS)
def test_a_mixture_equals_too(checkpoints, config):
    """Half of the steps by either."""
    with half_of_the_steps():
        check(checkpoints[config], trace_of(TROUBLED), 'auto')
        engine = StreamingEngine(checkpoints[config], engine=by('auto'))
    assert engine.backend.name == 'onnxruntime+torch'


SETS = [chosen for count in (1, 2, 3) for chosen in itertools.combinations(MODALITIES, count)]


@pytest.mark.parametrize('chosen', SETS, ids='+'.join)
def test_any_set_of_modalities(checkpoints, chosen):
    scene = dataclasses.replace(TROUBLED, duration_s=1.5, silences=(), jumps=(), utterances=3)
    silences = tuple((m, 0.0, 9.0) for m in MODALITIES if m not in chosen)
    trace = trace_of(dataclasses.replace(scene, silences=silences))
    answers = check(checkpoints['tiny'], trace, 'onnxruntime')
    ever = {m for index, m in enumerate(MODALITIES) if answers.present[:, index].any()}
    assert ever == set(chosen)


@pytest.mark.slow
def test_compiled_steps_equal(checkpoints):
    """One engine, for compiling takes a minute: it is reset between the traces."""
    checkpoint = checkpoints['tiny']
    engine = StreamingEngine(checkpoint, engine=by('compile'))
    assert engine.backend.name == 'compile', engine.choice.problem
    for scene, rate_hz in ((TROUBLED, 10.0), (TROUBLED, None), (Scene(seed=8), 0.0)):
        trace = trace_of(scene, rate_hz)
        engine.reset()
        expected, _ = asked(checkpoint, trace, by('torch'))
        logits = [d.logits for d in run(engine, trace) if any(e.present for e in d.evidence)]
        assert len(logits) == len(expected.logits)
        torch.testing.assert_close(
            torch.from_numpy(np.stack(logits)), expected.logits, atol=TOLERANCE, rtol=TOLERANCE
        )


@pytest.fixture(scope='module')
def crowds(checkpoints):
    """What each of many streams is answered by itself, which is the same for every backend."""

    @functools.cache
    def crowd(config, streams, device):
        stays = crowd_of(streams, dataclasses.replace(TROUBLED, duration_s=1.2, jumps=()))
        return [(stay, alone(checkpoints[config], stay, device=device)) for stay in stays]

    return crowd


def check_streams(checkpoint, crowd, streams, backend, device):
    visits, counts = attend(checkpoint, [stay for stay, _ in crowd], by(backend, device))
    assert counts >= {n for n in STREAMS if n <= streams}
    assert max(counts) == streams
    assert presence(visits).any(axis=0).all()
    for visit, (_, expected) in zip(visits, crowd, strict=True):
        assert_equal(answers_to(visit, checkpoint), expected.answers, TOLERANCE)
        assert_same_decisions(visit.decisions, expected.decisions, TOLERANCE)


@pytest.mark.parametrize(
    ('config', 'streams'), [*(('tiny', n) for n in STREAMS), ('wrapping', 8), ('moving', 8)]
)
@pytest.mark.parametrize(('backend', 'device'), ways(but_slow=True))
def test_streams_that_come_and_go_decide_as_each_alone(
    checkpoints, crowds, config, streams, backend, device
):
    """Out of step, with different senses, several frames at once, and one in another's place."""
    crowd = crowds(config, streams, device)
    check_streams(checkpoints[config], crowd, streams, backend, device)


@pytest.mark.parametrize('config', CONFIGS)
def test_streams_by_a_mixture(checkpoints, crowds, config):
    with half_of_the_steps():
        check_streams(checkpoints[config], crowds(config, 8, 'cpu'), 8, 'auto', 'cpu')


@pytest.mark.slow
@pytest.mark.parametrize('streams', STREAMS)
def test_streams_by_compiled_steps(checkpoints, crowds, streams):
    check_streams(checkpoints['tiny'], crowds('tiny', streams, 'cpu'), streams, 'compile', 'cpu')


@given(config=st.sampled_from(tuple(CONFIGS)), stays=ANY_STAYS)
@settings(max_examples=6)
def test_onnx_runtime_whoever_joins_and_leaves(checkpoints, config, stays):
    check_crowd(checkpoints[config], stays, by('onnxruntime'), TOLERANCE)


@given(config=st.sampled_from(tuple(CONFIGS)), stays=ANY_STAYS)
@settings(max_examples=4)
def test_a_mixture_whoever_joins_and_leaves(checkpoints, config, stays):
    with half_of_the_steps():
        check_crowd(checkpoints[config], stays, by('auto'), TOLERANCE)


@pytest.mark.slow
@given(config=st.sampled_from(tuple(CONFIGS)), stays=ANY_STAYS)
@settings(max_examples=50)
def test_onnx_runtime_with_very_many_crowds(checkpoints, config, stays):
    check_crowd(checkpoints[config], stays, by('onnxruntime'), TOLERANCE)


def test_eight_bits_are_near(checkpoints):
    """How near is for an evaluation to say; numbers that are the same were not quantised."""
    trace = trace_of(TROUBLED)
    checkpoint = checkpoints['tiny']
    found, _ = asked(checkpoint, trace, by('onnxruntime-int8'))
    assert_near(found, dense(checkpoint, trace))
