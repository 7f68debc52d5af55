"""Engines of networks with some of the modalities: equal to the dense pass, deaf to the others."""

import importlib.util
from functools import partial

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.errors import BackendError, ShapeError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.backends.choice import choose_backend
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.inference.backends.trial import check_equivalence
from activity_recognition.inference.lanes import front_end_type, lane_type
from activity_recognition.inference.precision import choose_precision
from activity_recognition.inference.trace import dense_recording
from activity_recognition.modalities import modalities_of
from activity_recognition.models.exporting import export_steps, read_description
from activity_recognition.models.quantising import quantise_steps
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import batch_keys
from activity_recognition.types import MODALITIES, Frame, Status, Window
from factories.answers import assert_equal, assert_same_decisions, dense, run, streamed
from factories.backends import asked, by, overwriting
from factories.networks import SOME_MODALITIES, make_checkpoint, with_modalities
from factories.scenes import TROUBLED, trace_of
from factories.streams import START_NS

some = pytest.mark.parametrize('names', SOME_MODALITIES, ids='+'.join)
one_fast = pytest.mark.parametrize(
    'names',
    [pytest.param(n, marks=() if n == ('text',) else pytest.mark.slow) for n in SOME_MODALITIES],
    ids='+'.join,
)
"""An export takes seconds; that of an utterance takes the fewest."""
torch_engine = partial(EngineConfig, device='cpu', backend='torch')


def without_others(trace, config):
    """Return a trace without samples of modalities that a network lacks."""
    known = modalities_of(config)
    return [
        window._replace(samples=tuple(s for s in window.samples if s.modality in known))
        for window in trace
    ]


def test_each_modality_has_a_lane_and_a_front_end():
    for modality in MODALITIES:
        assert lane_type(modality).modality is modality
        assert front_end_type(modality) is lane_type(modality).front_end


@some
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=['float64', 'float32'])
@pytest.mark.parametrize('rate_hz', [10.0, None], ids=['rate', 'windows'])
def test_streaming_equals_the_dense_pass(names, dtype, rate_hz):
    checkpoint = make_checkpoint(with_modalities(*names), dtype=dtype)
    trace = trace_of(TROUBLED, rate_hz)
    found, _ = streamed(checkpoint, trace)
    assert_equal(found, dense(checkpoint, trace), 1e-10 if dtype is torch.float64 else 1e-5)
    assert found.present.any(axis=0).all(), 'something of everything was seen'


@some
def test_other_samples_are_ignored_and_the_evidence_is_of_its_own(names):
    config = with_modalities(*names)
    checkpoint, trace = make_checkpoint(config), trace_of(TROUBLED)
    engine = StreamingEngine(checkpoint, engine=torch_engine(evidence_every=2))
    assert engine.modalities == checkpoint.system.modalities == modalities_of(config)
    decisions = run(engine, trace)
    assert {tuple(e.modality.value for e in d.evidence) for d in decisions} == {names}
    engine.reset()
    assert_same_decisions(run(engine, without_others(trace, config)), decisions)
    assert dense_recording(trace, config, checkpoint.tokenizer)
    for arrays in dense_recording(trace, config, checkpoint.tokenizer):
        assert set(arrays) == set(batch_keys(modalities_of(config)))


@some
def test_where_only_others_bring_something_there_is_no_data(names):
    config = with_modalities(*names)
    engine = StreamingEngine(make_checkpoint(config), engine=torch_engine())
    known = modalities_of(config)
    decisions = run(
        engine,
        [
            window._replace(samples=tuple(s for s in window.samples if s.modality not in known))
            for window in trace_of(TROUBLED)
        ],
    )
    assert {decision.status for decision in decisions} == {Status.NO_DATA}


def test_a_wrong_sample_of_a_modality_that_is_not_known_does_no_harm():
    wrong = Frame(stamp_ns=START_NS, arrival_ns=START_NS, image=np.zeros((2, 2), np.float64))
    deaf = StreamingEngine(make_checkpoint(with_modalities('audio')), engine=torch_engine())
    assert deaf.apply(Window(samples=(wrong,))) is None
    seeing = StreamingEngine(make_checkpoint(with_modalities('video')), engine=torch_engine())
    with pytest.raises(ShapeError, match='expected uint8'):
        seeing.apply(Window(samples=(wrong,)))


@some
def test_weights_of_the_modalities_are_measured(names):
    """The drop of the winner without a modality; without the only one it knows nothing."""
    checkpoint = make_checkpoint(with_modalities(*names))
    engine = StreamingEngine(checkpoint, engine=torch_engine(evidence_every=1))
    decisions = [d for d in run(engine, trace_of(TROUBLED)) if d.status is not Status.NO_DATA]
    assert decisions
    for decision in decisions:
        for evidence in decision.evidence:
            assert np.isfinite(evidence.weight) == evidence.present


@some
def test_fixed_views_and_results_that_are_overwritten(names):
    """As a CUDA graph wants and does."""
    checkpoint, trace = make_checkpoint(with_modalities(*names)), trace_of(TROUBLED)
    with overwriting():
        found, _ = asked(checkpoint, trace, by('auto'))
    assert_equal(found, dense(checkpoint, trace), 1e-5)


@some
def test_many_streams_and_threads_that_are_measured(names):
    checkpoint = make_checkpoint(with_modalities(*names))
    engine = MultiStreamEngine(checkpoint, engine=torch_engine(num_threads=0))
    alone = StreamingEngine(checkpoint, engine=torch_engine())
    for name in 'abc':
        engine.join(name)
    engine.warm_up()
    alone.warm_up()
    alone.reset()
    for window in trace_of(TROUBLED):
        expected = alone.apply(window)
        found = engine.apply(dict.fromkeys('abc', window))
        for name in 'abc':
            if expected is None:
                assert name not in found
            else:
                assert_same_decisions([found[name]], [expected], 1e-5)


def test_the_compiler_is_for_frames():
    precision = choose_precision(EngineConfig(device='cpu'))
    checkpoint = make_checkpoint(with_modalities('audio', 'text'))
    taken = choose_backend('compile', checkpoint, precision, num_threads=1)
    assert taken.backend.name == 'torch'
    assert 'got a network without video' in taken.problem


@one_fast
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('onnx', 'onnxruntime', 'onnxscript'))),
    reason='the extra onnx is not installed',
)
def test_exported_steps_give_the_same_numbers(tmp_path, names):
    checkpoint = make_checkpoint(with_modalities(*names))
    system = checkpoint.system
    steps = Steps(system).eval()
    expected = [spec.name for spec in steps.specs]
    folder = export_steps(system, tmp_path / 'onnx', checkpoint=checkpoint.id)
    described = read_description(folder, system)
    assert list(described['steps']) == expected
    assert list(described['windows_s']) == list(described['max_tokens']) == list(names)
    backend = OnnxRuntimeBackend(folder, expected, num_threads=1)
    check_equivalence(backend, EagerBackend(steps), system)
    whole = make_checkpoint().system
    with pytest.raises(BackendError, match='expected the steps of weights'):
        read_description(folder, whole)
    assert sorted(p.name for p in quantise_steps(folder, expected).iterdir()) == sorted(
        f'{name}.onnx' for name in expected
    )
