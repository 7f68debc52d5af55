"""Exported steps by ONNX Runtime: any sizes, and memory that nobody else writes to."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from factories.networks import STEPS, TINY, make_system

pytest.importorskip('onnxruntime')

# The first that needs the export waits for it.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope='module')
def system():
    return make_system()


@pytest.fixture(scope='module')
def backend(tiny_export):
    return OnnxRuntimeBackend(tiny_export, STEPS, num_threads=1)


def results(backend, step, inputs):
    with torch.inference_mode():
        return backend.run(step, *inputs)


sizes_of_any_call = st.builds(
    Sizes,
    streams=st.integers(1, 4),
    rows=st.integers(1, 70),
    length=st.integers(0, TINY.text.max_length),
    decisions=st.integers(1, 5),
)


@given(sizes=sizes_of_any_call, seed=st.integers(0, 2**16))
@example(sizes=Sizes(streams=1, rows=1, length=1, decisions=1), seed=0)
@example(sizes=Sizes(streams=2, rows=48, length=3, decisions=4), seed=0)
@settings(max_examples=30)
def test_any_sizes_give_the_numbers_of_torch(system, backend, sizes, seed):
    eager = EagerBackend(Steps(system).eval())
    inputs = example_inputs(system, sizes, seed=seed)
    for step in STEPS:
        found = results(backend, step, inputs[step])
        expected = results(eager, step, inputs[step])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('step', STEPS)
def test_nothing_seen_is_finite(system, backend, step):
    eager = EagerBackend(Steps(system).eval())
    inputs = [
        torch.zeros_like(tensor) if tensor.dtype is torch.bool else tensor
        for tensor in example_inputs(system, Sizes(decisions=2))[step]
    ]
    if step == 'decision':
        inputs[0] = torch.full_like(inputs[0], -1)
    found, expected = results(backend, step, inputs), results(eager, step, inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert all(tensor.isfinite().all() for tensor in found)


@pytest.mark.parametrize('step', STEPS)
def test_inputs_that_are_not_contiguous_are_read_and_none_is_written(system, backend, step):
    inputs = example_inputs(system, Sizes(streams=2, decisions=2))[step]
    scattered = [torch.stack((tensor, tensor), -1)[..., 0] for tensor in inputs]
    before = [tensor.clone() for tensor in scattered]
    assert not scattered[0].is_contiguous()
    found = results(backend, step, scattered)
    torch.testing.assert_close(found, results(backend, step, inputs), atol=0, rtol=0)
    assert all(map(torch.equal, scattered, before))


@pytest.mark.parametrize('step', STEPS)
def test_a_result_may_be_written_to_and_stays_after_the_next_call(system, backend, step):
    inputs = [example_inputs(system, Sizes(), seed=seed)[step] for seed in (1, 2)]
    first = results(backend, step, inputs[0])
    kept = [tensor.clone() for tensor in first]
    results(backend, step, inputs[1])
    assert all(map(torch.equal, first, kept))
    with torch.inference_mode():
        for tensor in first:
            tensor.zero_()
    assert all(map(torch.equal, results(backend, step, inputs[0]), kept))


def test_a_graph_that_is_missing_is_one_sentence(tmp_path):
    with pytest.raises(BackendError, match=r'does not take .*frame\.onnx: .*export the checkpoint'):
        OnnxRuntimeBackend(tmp_path, STEPS, num_threads=1)
