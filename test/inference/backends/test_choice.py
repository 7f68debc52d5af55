"""Which backend is taken, and what is said of it."""

import dataclasses
import importlib.util
import shutil
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from activity_recognition.config import BACKENDS, EngineConfig
from activity_recognition.errors import BackendError, ConfigError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.backends import choice, compiled, trial
from activity_recognition.inference.backends.choice import exported
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.exporting import cache_folder
from activity_recognition.models.quantising import quantise_steps
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from factories.backends import beside
from factories.networks import STEPS, make_checkpoint

pytest.importorskip('onnxruntime')

# The first that needs the export waits for it.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def alone(cache):
    """A checkpoint of which nothing was exported."""
    return make_checkpoint()


@pytest.fixture
def complete(alone, tiny_export, tmp_path):
    """A checkpoint with its exported steps beside it."""
    return beside(alone, tiny_export, tmp_path / 'checkpoint')


def choose(checkpoint, backend='auto', precision='fp32'):
    config = EngineConfig(device='cpu', precision=precision, backend=backend)
    return MultiStreamEngine(checkpoint, engine=config).choice


def times(**slower):
    """Return a stand-in of ``step_times`` in which either backend is the faster one of a step."""

    def step_times(backends, system):
        assert tuple(backends) == ('torch', 'onnxruntime')
        return {step: {'torch': slower.get(step, 0.001), 'onnxruntime': 0.002} for step in STEPS}

    return step_times


def everywhere(seconds):
    return times(**dict.fromkeys(STEPS, seconds))


@contextmanager
def counted(monkeypatch):
    """Count the calls of ONNX Runtime by step."""
    calls = []
    run = OnnxRuntimeBackend.run

    def counting(self, step, *inputs):
        calls.append(step)
        return run(self, step, *inputs)

    with monkeypatch.context() as patch:
        patch.setattr(OnnxRuntimeBackend, 'run', counting)
        yield calls


def call_all(backend, checkpoint):
    inputs = example_inputs(checkpoint.system, Sizes())
    with torch.inference_mode():
        for step in STEPS:
            backend.run(step, *inputs[step])


def test_without_an_export_it_is_torch_and_the_command_is_named(alone):
    taken = choose(alone)
    assert taken.backend.name == 'torch'
    assert taken.reason.startswith('torch: expected exported steps in')
    assert '`activity-recognition export`' in taken.reason
    assert not taken.problem
    assert not taken.times_s


@pytest.mark.parametrize(
    ('slower', 'name', 'by_onnx'),
    [
        (everywhere(0.003), 'onnxruntime', set(STEPS)),
        (everywhere(0.001), 'torch', set()),
        (times(chunk=0.003, decision=0.003), 'onnxruntime+torch', {'chunk', 'decision'}),
        (times(frame=0.003), 'onnxruntime+torch', {'frame'}),
    ],
    ids=['all', 'none', 'two', 'one'],
)
def test_each_step_is_taken_by_the_faster(complete, monkeypatch, slower, name, by_onnx):
    monkeypatch.setattr(choice, 'step_times', slower)
    taken = choose(complete)
    assert taken.backend.name == name
    assert not taken.problem
    assert taken.reason.startswith('the faster of torch and onnxruntime for each step: frame ')
    for step in STEPS:
        faster = 'onnxruntime' if step in by_onnx else 'torch'
        assert f'{step} {faster} ({1e3 * taken.times_s[step]["torch"]:.2f} and 2.00 ms)' in (
            taken.reason
        )
    with counted(monkeypatch) as calls:
        call_all(taken.backend, complete)
    assert set(calls) == by_onnx


def test_the_times_are_measured(complete):
    taken = choose(complete)
    assert set(taken.times_s) == set(STEPS)
    for of_step in taken.times_s.values():
        assert set(of_step) == {'torch', 'onnxruntime'}
        assert all(spent_s > 0 for spent_s in of_step.values())


class Clocked(EagerBackend):
    """On a clock of its own every call takes 2 s; the first ones and every fifth take 100 s."""

    def __init__(self, system):
        super().__init__(Steps(system).eval())
        self.now_s, self.calls = 0.0, dict.fromkeys(STEPS, 0)

    def run(self, step, *inputs):
        self.calls[step] += 1
        rarely = self.calls[step] <= 3 or self.calls[step] % 5 == 0
        self.now_s += 100.0 if rarely else 2.0
        return super().run(step, *inputs)


def test_step_times_are_medians_after_a_warm_up(monkeypatch):
    system = make_checkpoint().system
    quick, slow = EagerBackend(Steps(system).eval()), Clocked(system)
    clock = SimpleNamespace(perf_counter=lambda: slow.now_s)
    monkeypatch.setattr(trial, 'time', clock)
    with torch.inference_mode():
        found = trial.step_times({'quick': quick, 'slow': slow}, system)
    assert found == {step: {'quick': 0.0, 'slow': 2.0} for step in STEPS}
    assert len(set(slow.calls.values())) == 1


@pytest.mark.parametrize('backend', [name for name in BACKENDS if name not in ('auto', 'torch')])
def test_what_is_asked_for_and_cannot_be_had_is_torch_and_a_problem(alone, monkeypatch, backend):
    monkeypatch.setattr(compiled.shutil, 'which', lambda name: None)
    taken = choose(alone, backend)
    assert taken.backend.name == 'torch'
    assert taken.reason == f'torch instead of {backend}'
    words = {
        'compile': 'needs a C++ compiler on the PATH',
        'cudagraph': 'needs a CUDA device',
        'onnxruntime': 'export it with `activity-recognition export`',
        'onnxruntime-int8': 'export it with `activity-recognition export`',
    }
    assert words[backend] in taken.problem
    assert 'auto' in taken.problem or 'activity-recognition export' in taken.problem
    engine = StreamingEngine(alone, engine=EngineConfig(device='cpu', backend=backend))
    engine.warm_up()
    assert engine.device_name.endswith(' by torch')
    assert engine.choice.problem == taken.problem


def test_torch_is_had_without_a_question(complete, monkeypatch):
    monkeypatch.setattr(choice, 'exported', lambda checkpoint: pytest.fail('looked for an export'))
    taken = choose(complete, 'torch')
    assert (taken.backend.name, taken.reason, taken.problem) == ('torch', 'torch, as asked for', '')


def test_a_name_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match=r"must be one of 'auto', .*'cudagraph', got 'tensorrt'"):
        EngineConfig(backend='tensorrt')


def test_what_is_asked_for_is_taken(complete):
    taken = choose(complete, 'onnxruntime')
    assert taken.backend.name == 'onnxruntime'
    assert taken.reason == 'onnxruntime, as asked for'
    assert not taken.problem


def test_eight_bits_need_eight_bit_steps(complete):
    taken = choose(complete, 'onnxruntime-int8')
    assert taken.backend.name == 'torch'
    assert 'with `activity-recognition export --int8`' in taken.problem
    quantise_steps(complete.path / 'onnx', STEPS)
    taken = choose(complete, 'onnxruntime-int8')
    assert taken.backend.name == 'onnxruntime-int8'
    assert not taken.problem


@pytest.mark.parametrize('step', STEPS)
@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda result: result + 1e-3, 'differs from PyTorch by 0.001, expected at most '),
        (lambda result: result * torch.nan, 'differs from PyTorch by nan'),
        (lambda result: result[..., :-1], 'returns the shape'),
    ],
    ids=['other', 'nan', 'shape'],
)
def test_other_numbers_than_those_of_torch_are_refused(complete, monkeypatch, step, change, words):
    run = OnnxRuntimeBackend.run

    def changed(self, name, *inputs):
        first, *others = run(self, name, *inputs)
        return (change(first) if name == step else first, *others)

    monkeypatch.setattr(OnnxRuntimeBackend, 'run', changed)
    taken = choose(complete)
    assert taken.backend.name == 'torch'
    assert taken.reason.startswith(f'torch: the step {step!r} by onnxruntime {words}')
    assert taken.reason.endswith('it is not used')
    taken = choose(complete, 'onnxruntime')
    assert taken.backend.name == 'torch'
    assert taken.problem.startswith(f'the step {step!r} by onnxruntime {words}')


def test_without_the_package_auto_is_torch(complete, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name, *rest: None if name == 'onnxruntime' else find(name, *rest),
    )
    taken = choose(complete)
    assert taken.backend.name == 'torch'
    assert taken.reason == 'torch: onnxruntime is not installed'


@pytest.mark.parametrize('backend', ['auto', 'onnxruntime'])
def test_a_package_that_cannot_be_loaded_is_said(complete, monkeypatch, backend):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *rest: name)
    taken = choose(complete, backend)
    assert taken.backend.name == 'torch'
    told = taken.problem or taken.reason
    assert 'the backend onnxruntime cannot be loaded' in told
    assert 'pip install activity_recognition[onnx]' in told
    assert bool(taken.problem) == (backend != 'auto')


@pytest.mark.parametrize('backend', ['onnxruntime', 'onnxruntime-int8'])
def test_other_precisions_are_refused(complete, backend):
    taken = choose(complete, backend, precision='bf16')
    assert taken.backend.name == 'torch'
    assert f'{backend} runs float32 on the CPU, got' in taken.problem
    assert 'bf16' in taken.problem
    doubled = make_checkpoint(dtype=torch.float64)
    taken = choose(dataclasses.replace(doubled, path=complete.path), backend)
    assert taken.backend.name == 'torch'
    assert taken.problem == f'{backend} runs float32 weights, got torch.float64'


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
def test_auto_takes_any_precision(alone, precision):
    taken = choose(alone, precision=precision)
    assert taken.backend.name == 'torch'
    assert not taken.problem


def test_the_export_beside_a_checkpoint_is_preferred_to_the_cache(
    alone, tiny_export, tmp_path, monkeypatch
):
    shutil.copytree(tiny_export, cache_folder(alone.system))
    assert exported(alone) == cache_folder(alone.system)
    assert choose(alone, 'onnxruntime').backend.name == 'onnxruntime'
    complete = beside(alone, tiny_export, tmp_path / 'checkpoint')
    assert exported(complete) == complete.path / 'onnx'
    (complete.path / 'onnx' / 'chunk.onnx').write_bytes(b'damaged')
    taken = choose(complete, 'onnxruntime')
    assert taken.backend.name == 'torch'
    assert f'does not take {complete.path / "onnx" / "chunk.onnx"}' in taken.problem
    assert 'export the checkpoint again' in taken.problem


@pytest.mark.parametrize('backend', ['auto', 'onnxruntime'])
@pytest.mark.parametrize('instead', ['utterance', 'temporal_attention'])
def test_steps_that_take_other_inputs_are_replaced_and_said(complete, backend, instead):
    """Files that were mixed up: another number of inputs, and as many of other shapes."""
    folder = complete.path / 'onnx'
    shutil.copy(folder / f'{instead}.onnx', folder / 'chunk.onnx')
    taken = choose(complete, backend)
    assert taken.backend.name == 'torch'
    said = taken.problem or taken.reason
    assert f"the step 'chunk' in {folder} does not run" in said
    assert 'activity-recognition export' in said


def test_an_export_of_other_weights_beside_a_checkpoint_is_refused(complete):
    other = dataclasses.replace(make_checkpoint(seed=1), path=complete.path)
    taken = choose(other)
    assert taken.backend.name == 'torch'
    assert 'expected the steps of weights' in taken.reason
    with pytest.raises(BackendError, match='expected the steps of weights'):
        exported(other)


def test_the_cache_is_that_of_the_xdg_variable(alone, tiny_export, cache, monkeypatch, tmp_path):
    shutil.copytree(tiny_export, cache_folder(alone.system))
    assert exported(alone).is_relative_to(cache)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'other'))
    with pytest.raises(BackendError, match=f'in {tmp_path / "other"}.*found none'):
        exported(alone)


def test_choosing_writes_nothing(alone, cache):
    for backend in ('auto', 'onnxruntime'):
        choose(alone, backend)
    assert not cache.exists()
