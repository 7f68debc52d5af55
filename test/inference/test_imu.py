"""Engines with the fourth modality: equal to the dense pass, alone and beside the others."""

import dataclasses
import importlib.util
from functools import cache, partial

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.errors import ShapeError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.backends.choice import ONNX_FOLDER
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.inference.backends.trial import check_equivalence
from activity_recognition.inference.lanes import FrontEndSettings, front_end_type
from activity_recognition.inference.trace import dense_recording
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.models.exporting import export_steps
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import batch_keys
from activity_recognition.types import Modality, Status, Window
from factories.answers import assert_equal, assert_same_decisions, dense, run, streamed
from factories.backends import asked, by, overwriting
from factories.inertial import CHOICES, WORN, chunks, trace, with_imu
from factories.matrix import ways
from factories.networks import make_checkpoint, make_system, tokenizer_for

some = pytest.mark.parametrize('names', CHOICES, ids='+'.join)
torch_engine = partial(EngineConfig, device='cpu', backend='torch')


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Return networks with their exported steps beside them."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')

    @cache
    def make(names):
        folder = tmp_path_factory.mktemp('-'.join(names))
        config = with_imu(*names)
        save_checkpoint(folder / 'made', make_system(config), tokenizer_for(config))
        made = load_checkpoint(folder / 'made')
        export_steps(made.system, made.path / ONNX_FOLDER, checkpoint=made.id)
        return made

    return make


@some
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=['float64', 'float32'])
def test_streaming_equals_the_dense_pass(names, dtype):
    checkpoint = make_checkpoint(with_imu(*names), dtype=dtype)
    found, decisions = streamed(checkpoint, trace())
    assert_equal(found, dense(checkpoint, trace()), 1e-10 if dtype is torch.float64 else 1e-5)
    assert found.present.any(axis=0).all(), 'something of everything was seen'
    assert {tuple(e.modality.value for e in d.evidence) for d in decisions} == {names}


def test_rings_that_wrap():
    config = dataclasses.replace(with_imu('imu'), imu=dataclasses.replace(WORN.imu, max_tokens=3))
    checkpoint = make_checkpoint(config, dtype=torch.float64)
    found, _ = streamed(checkpoint, trace(1))
    assert_equal(found, dense(checkpoint, trace(1)), 1e-10)


@pytest.mark.parametrize(
    'names',
    [CHOICES[0], *(pytest.param(names, marks=pytest.mark.slow) for names in CHOICES[1:])],
    ids='+'.join,
)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(('backend', 'device'), ways(but_slow=True))
def test_every_backend_gives_the_numbers_of_the_dense_pass(exported, names, backend, device):
    checkpoint = make_checkpoint(with_imu(*names)) if backend == 'torch' else exported(names)
    if backend == 'compile' and 'video' not in names:
        pytest.skip('the compiler is for frames')
    found, _ = asked(checkpoint, trace(), by(backend, device))
    assert_equal(found, dense(checkpoint, trace(), device=device), 1e-5)


@some
def test_fixed_views_and_results_that_are_overwritten(names):
    checkpoint = make_checkpoint(with_imu(*names))
    with overwriting():
        found, _ = asked(checkpoint, trace(), by('auto'))
    assert_equal(found, dense(checkpoint, trace()), 1e-5)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('onnx', 'onnxruntime', 'onnxscript'))),
    reason='the extra onnx is not installed',
)
def test_exported_steps_give_the_same_numbers(tmp_path):
    system = make_checkpoint(with_imu('imu')).system
    steps = Steps(system).eval()
    names = [spec.name for spec in steps.specs]
    folder = export_steps(system, tmp_path / 'onnx', checkpoint='made-up')
    check_equivalence(OnnxRuntimeBackend(folder, names, num_threads=1), EagerBackend(steps), system)


def test_many_streams_answer_as_one_does():
    checkpoint = make_checkpoint(with_imu('video', 'imu'))
    engine = MultiStreamEngine(checkpoint, engine=torch_engine())
    alone = StreamingEngine(checkpoint, engine=torch_engine())
    for name in 'abc':
        engine.join(name)
    engine.warm_up()
    for window in trace():
        expected = alone.apply(window)
        found = engine.apply(dict.fromkeys('abc', window))
        for name in 'abc':
            if expected is not None:
                assert_same_decisions([found[name]], [expected], 1e-5)


def test_others_ignore_it():
    config = dataclasses.replace(WORN, modalities=('video', 'audio', 'text'))
    engine = StreamingEngine(make_checkpoint(config), engine=torch_engine())
    decisions = run(engine, trace())
    engine.reset()
    bare = [
        w._replace(samples=tuple(s for s in w.samples if s.modality is not Modality.IMU))
        for w in trace()
    ]
    assert_same_decisions(run(engine, bare), decisions)


def test_its_weight_is_measured():
    engine = StreamingEngine(
        make_checkpoint(with_imu('video', 'imu')), engine=torch_engine(evidence_every=1)
    )
    decisions = [d for d in run(engine, trace()) if d.status is not Status.NO_DATA]
    assert any(d.evidence[1].present for d in decisions)
    for decision in decisions:
        assert np.isfinite(decision.evidence[1].weight) == decision.evidence[1].present


def test_keys_of_a_batch():
    config = with_imu('imu')
    for arrays in dense_recording(trace(), config, make_checkpoint(config).tokenizer):
        assert set(arrays) == set(batch_keys([Modality.IMU]))
        assert arrays['inertial_blocks'].shape[1:] == (4, 6)


@pytest.mark.parametrize('lengths', [(1,), (3, 5), (150,)])
def test_however_samples_are_grouped_the_blocks_are_the_same(lengths):
    def blocks_of(found):
        front_end = front_end_type(Modality.IMU)(FrontEndSettings(config=WORN))
        prepared = [part for chunk in found for part in front_end.prepare(chunk)]
        return front_end.arrays(prepared)

    wanted = blocks_of(chunks(gaps=()))
    found = blocks_of(chunks(gaps=(), lengths=lengths))
    np.testing.assert_array_equal(found['inertial_blocks'], wanted['inertial_blocks'])
    np.testing.assert_array_equal(found['inertial_stamps'], wanted['inertial_stamps'])
    assert found['inertial_mask'].all()
    assert len(found['inertial_mask']) == 37


def test_a_hole_is_masked_and_as_long_as_what_is_missing():
    front_end = front_end_type(Modality.IMU)(FrontEndSettings(config=WORN))
    found = chunks(lengths=(10,), gaps=((1.0, 1.6),))
    arrays = front_end.arrays([part for chunk in found for part in front_end.prepare(chunk)])
    # 1 s fills 12 blocks and half a one, which is lost; 0.64 s are 8 blocks.
    mask = arrays['inertial_mask'].tolist()
    assert mask == [True] * 12 + [False] * 8 + [True] * 17
    assert not arrays['inertial_blocks'][12:20].any()


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'samples': np.zeros((4, 3), np.float32)}, 'float32'),
        ({'samples': np.zeros((4, 6), np.float64)}, 'float64'),
        ({'samples': np.full((4, 6), np.nan, np.float32)}, 'NaN'),
        ({'sample_rate_hz': 100}, '100 Hz'),
    ],
)
def test_wrong_chunks_are_refused(changes, words):
    engine = StreamingEngine(make_checkpoint(with_imu('imu')), engine=torch_engine())
    wrong = dataclasses.replace(chunks()[0], **changes)
    with pytest.raises(ShapeError, match=words):
        engine.apply(Window(samples=(wrong,)))
