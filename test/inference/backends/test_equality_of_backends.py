"""Streaming by any backend equals the dense forward on the same admission trace."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from activity_recognition.config import EngineConfig, SyncConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.backends import choice
from activity_recognition.models.exporting import export_steps
from activity_recognition.models.quantising import quantise_steps
from activity_recognition.streams import windows
from activity_recognition.types import MODALITIES, AudioChunk, Modality
from factories.answers import assert_equal, dense, run
from factories.backends import asked, beside, tiny_weights
from factories.networks import MOVING, TINY, WRAPPING, make_checkpoint
from factories.streams import Scene, by_hand, samples

pytest.importorskip('onnxruntime')

# The first that needs the export waits for it.
pytestmark = pytest.mark.timeout(900)

TOLERANCE = 1e-5
CONFIGS = {'tiny': TINY, 'wrapping': WRAPPING, 'moving': MOVING}

moments = st.floats(0.0, 3.0)
scenes = st.builds(
    Scene,
    seed=st.integers(0, 2**16),
    duration_s=st.floats(0.1, 2.5),
    frame_rate_hz=st.sampled_from((2.0, 7.0, 12.0)),
    lost_frames=st.sampled_from((0.0, 0.3)),
    chunks=st.lists(st.integers(1, 4000), min_size=1, max_size=5)
    .filter(lambda lengths: np.mean(lengths) > 200)
    .map(tuple),
    utterances=st.integers(0, 6),
    silences=st.lists(st.tuples(st.sampled_from(MODALITIES), moments, moments), max_size=3).map(
        tuple
    ),
    jumps=st.lists(st.floats(0.2, 2.5), max_size=2).map(tuple),
)
rates = st.sampled_from((None, 0.0, 4.0, 10.0))

TROUBLED = Scene(
    seed=5,
    frame_rate_hz=12.0,
    lost_frames=0.2,
    chunks=(333, 801, 50),
    utterances=6,
    silences=((Modality.VIDEO, 1.0, 1.6), (Modality.AUDIO, 0.8, 1.3)),
    jumps=(2.2,),
)
SILENT = Scene(
    seed=0, duration_s=0.125, frame_rate_hz=2.0, chunks=(201,), utterances=0, silences=(), jumps=()
)
"""Too short for anything to be seen or heard: every decision is without data."""


@pytest.fixture(scope='module')
def checkpoints(tiny_export, tmp_path_factory):
    """The tiny networks with their exported steps beside them, 8-bit ones, too."""
    made = {}
    for name, config in CONFIGS.items():
        made[name] = beside(tiny_weights(config), tiny_export, tmp_path_factory.mktemp(name))
        quantise_steps(made[name].path / 'onnx')
    return made


def trace_of(scene, rate_hz):
    """Return a scene's windows; a rate of None has them made by hand."""
    if rate_hz is None:
        return by_hand(scene)
    return list(windows(samples(scene), SyncConfig(decision_rate_hz=rate_hz)))


def by(backend, **more):
    return EngineConfig(device='cpu', precision='fp32', backend=backend, evidence_every=3, **more)


def check(checkpoint, trace, backend):
    found, decisions = asked(checkpoint, trace, by(backend))
    expected = dense(checkpoint, trace)
    assert len(decisions) == len(expected.no_data)
    assert_equal(found, expected, TOLERANCE)
    return found, decisions


def check_any(checkpoint, scene, rate_hz, backend):
    trace = trace_of(scene, rate_hz)
    assume(any(window.decision for window in trace))
    check(checkpoint, trace, backend)


@given(scene=scenes, config=st.sampled_from(tuple(CONFIGS)), rate_hz=rates)
@example(scene=TROUBLED, config='tiny', rate_hz=10.0)
@example(scene=TROUBLED, config='wrapping', rate_hz=None)
@example(scene=TROUBLED, config='moving', rate_hz=0.0)
@example(scene=SILENT, config='tiny', rate_hz=None)
@settings(max_examples=10)
def test_onnx_runtime_on_any_trace(checkpoints, scene, config, rate_hz):
    check_any(checkpoints[config], scene, rate_hz, 'onnxruntime')


@pytest.mark.slow
@given(scene=scenes, config=st.sampled_from(tuple(CONFIGS)), rate_hz=rates)
@settings(max_examples=100)
def test_onnx_runtime_on_very_many_traces(checkpoints, scene, config, rate_hz):
    check_any(checkpoints[config], scene, rate_hz, 'onnxruntime')


@pytest.mark.parametrize('config', CONFIGS)
def test_a_mixture_equals_too(checkpoints, config, monkeypatch):
    """Half of the steps by either."""
    faster = dict(zip(choice.STEPS, itertools.cycle(('torch', 'onnxruntime'))))
    monkeypatch.setattr(
        choice,
        'step_times',
        lambda backends, system: {
            step: {name: 1.0 if name == faster[step] else 2.0 for name in backends}
            for step in faster
        },
    )
    trace = trace_of(TROUBLED, 10.0)
    check(checkpoints[config], trace, 'auto')
    assert StreamingEngine(checkpoints[config], engine=by('auto')).backend.name == (
        'onnxruntime+torch'
    )


SETS = [chosen for count in (1, 2, 3) for chosen in itertools.combinations(MODALITIES, count)]


@pytest.mark.parametrize('chosen', SETS, ids='+'.join)
def test_any_set_of_modalities(checkpoints, chosen):
    scene = dataclasses.replace(TROUBLED, duration_s=1.5, silences=(), jumps=(), utterances=3)
    silences = tuple((m, 0.0, 9.0) for m in MODALITIES if m not in chosen)
    trace = trace_of(dataclasses.replace(scene, silences=silences), 10.0)
    answers, _ = check(checkpoints['tiny'], trace, 'onnxruntime')
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


def assert_same(found, expected, tolerance):
    """Compare whole decisions: times and presence exactly, numbers within a tolerance."""
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        for name in ('t_ns', 'arrival_ns', 'status', 'class_id', 'window_start_ns'):
            assert getattr(one, name) == getattr(other, name)
        for name in ('logits', 'probabilities'):
            ours, theirs = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=tolerance)
        for ours, theirs in zip(one.evidence, other.evidence, strict=True):
            assert (ours.modality, ours.present) == (theirs.modality, theirs.present)
            for name in ('age_s', 'confidence', 'weight'):
                np.testing.assert_allclose(
                    getattr(ours, name), getattr(theirs, name), atol=2 * tolerance, rtol=tolerance
                )


@pytest.mark.parametrize('config', CONFIGS)
def test_streams_that_come_and_go_decide_as_each_alone_by_torch(checkpoints, config):
    """Three at once and a fourth in the place of the first, out of step with each other."""
    checkpoint = checkpoints[config]
    scenes_of = {
        'kitchen': dataclasses.replace(TROUBLED, duration_s=1.2, jumps=()),
        'hall': dataclasses.replace(TROUBLED, seed=6),
        'door': Scene(seed=7, frame_rate_hz=7.0, chunks=(1500,), utterances=5),
        'robot': Scene(seed=8, duration_s=1.5, frame_rate_hz=3.0, chunks=(120, 900)),
    }
    traces = {name: trace_of(scene, 6.0) for name, scene in scenes_of.items()}
    joins = {'kitchen': 0, 'hall': 0, 'door': 4, 'robot': len(traces['kitchen']) + 1}
    engine = MultiStreamEngine(checkpoint, engine=by('onnxruntime'))
    assert engine.backend.name == 'onnxruntime'
    found = {name: [] for name in traces}
    together = 0
    for step in itertools.count():
        given = {}
        for name, trace in traces.items():
            if step == joins[name]:
                engine.join(name)
            if 0 <= step - joins[name] < len(trace):
                given[name] = trace[step - joins[name]]
            elif step - joins[name] == len(trace):
                engine.leave(name)
        if not given and not engine.streams:
            break
        together = max(together, len(given))
        for name, decision in engine.apply(given).items():
            found[name].append(decision)
    assert together == 3
    for name, trace in traces.items():
        alone = run(StreamingEngine(checkpoint, engine=by('torch')), trace)
        assert_same(found[name], alone, TOLERANCE)


def test_eight_bits_are_near(checkpoints):
    """How near is for an evaluation to say; numbers that are the same were not quantised."""
    trace = trace_of(TROUBLED, 10.0)
    checkpoint = checkpoints['tiny']
    found, _ = asked(checkpoint, trace, by('onnxruntime-int8'))
    expected = dense(checkpoint, trace)
    np.testing.assert_array_equal(found.present, expected.present)
    ours, theirs = found.logits.softmax(-1), expected.logits.softmax(-1)
    difference = (ours - theirs).abs().max()
    assert 1e-5 < difference < 0.1
    best_two = theirs.topk(2).values
    clear = best_two[:, 0] - best_two[:, 1] > 0.1
    assert clear.any()
    assert torch.equal(ours.argmax(-1)[clear], theirs.argmax(-1)[clear])


@pytest.mark.slow
@pytest.mark.parametrize('preset', ['nano', 'small'])
def test_presets(preset, tmp_path):
    config = load_model_config(preset, labels=('none', 'waving', 'knocking', 'typing'))
    checkpoint = dataclasses.replace(make_checkpoint(config), path=tmp_path)
    export_steps(checkpoint.system, tmp_path / 'onnx', checkpoint=checkpoint.id)
    scene = Scene(
        seed=3,
        duration_s=1.5,
        frame_rate_hz=6.0,
        chunks=(1000, 317),
        silences=((Modality.AUDIO, 0.6, 0.9),),
    )
    found = [
        dataclasses.replace(s, sample_rate_hz=config.audio.sample_rate_hz)
        if isinstance(s, AudioChunk)
        else s
        for s in samples(scene)
    ]
    trace = list(windows(found, SyncConfig(decision_rate_hz=4.0)))
    answers, decisions = check(checkpoint, trace, 'onnxruntime')
    assert len(decisions) >= 6
    assert answers.present.any(axis=0).all()
