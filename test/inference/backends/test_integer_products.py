"""8-bit weights on processors whose products of bytes saturate, and on those whose do not."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.errors import BackendError
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.backends import integer_products
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.integer_products import (
    PRECISE_MODE,
    Product,
    multiply,
    needs_precise_mode,
)
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.inference.backends.trial import check_nearness
from activity_recognition.models.quantising import quantise_steps
from activity_recognition.models.steps import Steps
from factories.backends import beside
from factories.networks import STEPS, make_checkpoint, make_system

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

# The first that needs the export waits for it.
pytestmark = pytest.mark.timeout(900)

LEVELS = np.array([255, 200, 100, 3], np.uint8)


@pytest.fixture
def quantised(tiny_export, tmp_path):
    return quantise_steps(Path(shutil.copytree(tiny_export, tmp_path / 'onnx')), STEPS)


@pytest.fixture
def complete(tiny_export, tmp_path):
    """A checkpoint with its steps beside it, those with 8-bit weights, too."""
    checkpoint = beside(make_checkpoint(), tiny_export, tmp_path / 'checkpoint')
    quantise_steps(checkpoint.path / 'onnx', STEPS)
    return checkpoint


def saturated(product, levels):
    """The product as vpmaddubsw adds it: two at a time, into 16 bits."""
    terms = levels[:, None, None].astype(np.int64) * product.weights
    pairs = (terms[:, ::2] + terms[:, 1::2]).clip(-(2**15), 2**15 - 1)
    zero = product.weights.shape[0] * product.zero_points.astype(np.int64)
    return pairs.sum(axis=1) - levels[:, None].astype(np.int64) * zero


def exact(product, levels):
    return product.exact(levels)


@pytest.fixture
def processor(monkeypatch):
    """Let ONNX Runtime multiply as on another processor: by default, and in its precise mode."""

    def pretend(by_default, precisely):
        monkeypatch.setattr(
            integer_products,
            'multiply',
            lambda product, levels, *, precise: (precisely if precise else by_default)(
                product, levels
            ),
        )

    return pretend


def weights_of(low, high, kind=np.int8, zero=0):
    drawn = np.random.default_rng(1).integers(low, high, (64, 48), endpoint=True)
    return Product('frame', drawn.astype(kind), np.full(48, zero, kind))


FULL, REDUCED = weights_of(-127, 127), weights_of(-63, 63)
UNSIGNED = weights_of(0, 255, np.uint8, 121)


def modes(backend):
    return {
        session.get_session_options().get_session_config_entry(PRECISE_MODE)
        for session in backend._sessions.values()
    }


def test_exact_is_exact():
    for product in (FULL, REDUCED, UNSIGNED):
        activations = np.repeat(LEVELS[:, None], 64, axis=1).astype(np.int64)
        expected = activations @ (product.weights.astype(np.int64) - product.zero_points)
        np.testing.assert_array_equal(product.exact(LEVELS), expected)


@pytest.mark.parametrize('rows', [1, 4])
@pytest.mark.parametrize('product', [FULL, REDUCED, UNSIGNED], ids=['full', 'reduced', 'unsigned'])
def test_the_precise_mode_is_exact_on_any_processor(product, rows):
    found = multiply(product, LEVELS[:rows], precise=True)
    np.testing.assert_array_equal(found, product.exact(LEVELS[:rows]))


@pytest.mark.parametrize('rows', [1, 4])
def test_by_default_signed_products_are_exact_or_saturate_as_the_instruction_does(rows):
    levels = LEVELS[:rows]
    found = multiply(FULL, levels, precise=False)
    ways = (FULL.exact(levels), saturated(FULL, levels))
    assert not np.array_equal(*ways)
    assert any(np.array_equal(found, way) for way in ways)
    for product in (REDUCED, UNSIGNED):
        found = multiply(product, levels, precise=False)
        np.testing.assert_array_equal(found, product.exact(levels))


def test_weights_of_seven_bits_cannot_saturate():
    np.testing.assert_array_equal(saturated(REDUCED, LEVELS), REDUCED.exact(LEVELS))


def test_all_products_of_all_steps_are_looked_at(quantised):
    import onnx

    found = [product.step for product in integer_products._products(quantised, STEPS)]
    for step in STEPS:
        nodes = onnx.load(quantised / f'{step}.onnx').graph.node
        assert found.count(step) == sum(node.op_type == 'MatMulInteger' for node in nodes) > 0


@pytest.mark.parametrize('step', STEPS)
def test_one_product_that_saturates_is_enough(quantised, processor, step):
    def mostly_exact(product, levels):
        return (saturated if product.step == step else exact)(product, levels)

    processor(mostly_exact, exact)
    assert needs_precise_mode(quantised, STEPS)


def test_a_row_alone_counts(quantised, processor):
    """It has a kernel of its own."""
    processor(lambda p, levels: (saturated if len(levels) == 1 else exact)(p, levels), exact)
    assert needs_precise_mode(quantised, STEPS)


def test_where_nothing_saturates_the_faster_mode_stays(quantised, processor):
    processor(exact, exact)
    backend = OnnxRuntimeBackend(quantised, STEPS, num_threads=1)
    assert not backend.precise
    assert modes(backend) == {'0'}


def test_where_sums_saturate_it_is_the_precise_mode(quantised, processor):
    processor(saturated, exact)
    backend = OnnxRuntimeBackend(quantised, STEPS, num_threads=1)
    assert backend.precise
    assert modes(backend) == {'1'}
    system = make_system()
    check_nearness(backend, EagerBackend(Steps(system).eval()), system)


def test_float_steps_are_not_looked_at(tiny_export, processor):
    processor(saturated, saturated)
    backend = OnnxRuntimeBackend(tiny_export, STEPS, num_threads=1)
    assert not backend.precise


def test_where_neither_is_exact_it_refuses_itself(quantised, processor):
    processor(saturated, saturated)
    with pytest.raises(BackendError, match=r"does not multiply the integers of the step 'frame' e"):
        OnnxRuntimeBackend(quantised, STEPS, num_threads=1)


def choose(checkpoint):
    config = EngineConfig(device='cpu', precision='fp32', backend='onnxruntime-int8')
    return StreamingEngine(checkpoint, engine=config).choice


def test_the_reason_says_that_the_processor_lacks_something(complete, processor):
    processor(saturated, exact)
    taken = choose(complete)
    assert taken.backend.name == 'onnxruntime-int8'
    assert not taken.problem
    assert taken.reason == (
        'onnxruntime-int8, as asked for; in the precise mode of ONNX Runtime, because its faster '
        'products of 8-bit integers saturate on this processor, which lacks VNNI'
    )


def test_an_engine_goes_on_by_torch_where_it_is_wrong(complete, processor):
    processor(saturated, saturated)
    taken = choose(complete)
    assert taken.backend.name == 'torch'
    assert taken.reason == 'torch instead of onnxruntime-int8'
    assert 'where VNNI is lacking' in taken.problem
    assert "set engine.backend to 'onnxruntime'" in taken.problem
    assert '`activity-recognition export --int8`' in taken.problem


def test_other_weights_are_not_near(complete, monkeypatch):
    """What saturates, and the steps of another network, are this far away."""
    run = OnnxRuntimeBackend.run

    def halved(self, step, *inputs):
        return tuple(result * 0.7 for result in run(self, step, *inputs))

    monkeypatch.setattr(OnnxRuntimeBackend, 'run', halved)
    taken = choose(complete)
    assert taken.backend.name == 'torch'
    assert taken.problem.startswith("the step 'frame' by onnxruntime-int8 differs from PyTorch by ")
    assert '% of its size, expected at most 20 %; it is not used' in taken.problem
    assert '`activity-recognition export --int8`' in taken.problem


@pytest.mark.parametrize('step', STEPS)
@pytest.mark.parametrize('wrong', [torch.nan, torch.inf])
def test_what_is_not_finite_is_not_near(complete, monkeypatch, step, wrong):
    run = OnnxRuntimeBackend.run

    def spoilt(self, name, *inputs):
        first, *others = run(self, name, *inputs)
        return (first + wrong if name == step else first, *others)

    monkeypatch.setattr(OnnxRuntimeBackend, 'run', spoilt)
    taken = choose(complete)
    assert taken.backend.name == 'torch'
    assert taken.problem.startswith(f'the step {step!r} by onnxruntime-int8 differs from PyTorch')


def test_extremes_are_looked_at(complete, monkeypatch):
    """A backend that is right about noise alone."""
    run = OnnxRuntimeBackend.run

    def wrong_in_the_dark(self, step, *inputs):
        results = run(self, step, *inputs)
        if step != 'frame':
            return results
        dark = (inputs[0].flatten(1) == 0).all(1)
        return (torch.where(dark[:, None], 9 * results[0], results[0]),)

    monkeypatch.setattr(OnnxRuntimeBackend, 'run', wrong_in_the_dark)
    assert "the step 'frame' by onnxruntime-int8 differs" in choose(complete).problem


def test_a_graph_that_cannot_be_read_is_one_sentence(quantised):
    (quantised / 'chunk.onnx').write_bytes(b'damaged')
    with pytest.raises(BackendError, match=r'chunk\.onnx cannot be read: .*export --int8`$'):
        needs_precise_mode(quantised, STEPS)


def test_the_package_that_is_missing_is_named(quantised, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(BackendError, match=r'with the package onnx, .*\[onnx\]$'):
        OnnxRuntimeBackend(quantised, STEPS, num_threads=1)


def test_the_precise_mode_is_an_option_that_the_library_knows():
    """It takes any name of an option, and passes over one that it does not know."""
    library = next(Path(onnx_runtime_folder()).glob('capi/onnxruntime_pybind11_state*'))
    assert PRECISE_MODE.encode() in library.read_bytes()


def onnx_runtime_folder():
    import onnxruntime

    return Path(onnxruntime.__file__).parent
