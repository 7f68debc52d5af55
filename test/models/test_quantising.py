"""Exported steps with 8-bit weights."""

import logging
import shutil
import sys
from pathlib import Path

import pytest
import torch

from activity_recognition.errors import MissingExtraError
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.quantising import QUANTISED, quantise_steps
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from factories.networks import STEPS, make_system

# The first that needs the export waits for it.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def copied(tiny_export, tmp_path):
    pytest.importorskip('onnxruntime')
    return Path(shutil.copytree(tiny_export, tmp_path / 'onnx'))


def operators(path):
    import onnx

    return {node.op_type for node in onnx.load(path).graph.node}


def test_products_with_weights_run_in_integers(copied):
    folder = quantise_steps(copied, STEPS)
    assert folder == copied / QUANTISED
    assert sorted(path.name for path in folder.iterdir()) == sorted(f'{s}.onnx' for s in STEPS)
    for step in STEPS:
        assert 'MatMulInteger' in operators(folder / f'{step}.onnx')
        assert 'MatMulInteger' not in operators(copied / f'{step}.onnx')


def test_the_numbers_are_near_and_not_the_same(copied):
    quantised = OnnxRuntimeBackend(quantise_steps(copied, STEPS), STEPS, num_threads=1, name='int8')
    system = make_system()
    exact = EagerBackend(Steps(system).eval())
    inputs = example_inputs(system, Sizes(streams=3, decisions=2))
    for step in STEPS:
        with torch.inference_mode():
            found, expected = (b.run(step, *inputs[step]) for b in (quantised, exact))
        if isinstance(found, tuple):
            found, expected = found[0], expected[0]
        error = (found - expected).norm() / expected.norm()
        assert 1e-5 < error < 0.2, step


def test_quantising_again_replaces(copied):
    folder = quantise_steps(copied, STEPS)
    (folder / 'frame.onnx').write_bytes(b'damaged')
    assert quantise_steps(copied, STEPS) == folder
    assert operators(folder / 'frame.onnx')
    assert not [path for path in copied.iterdir() if path.name.startswith('.')]


def test_what_was_left_by_one_that_ended_in_the_middle_is_no_hindrance(copied):
    (copied / f'.{QUANTISED}').mkdir()
    (copied / f'.{QUANTISED}' / 'frame.onnx').write_bytes(b'half')
    assert operators(quantise_steps(copied, STEPS) / 'frame.onnx')


def test_shapes_that_no_longer_hold_are_no_hindrance(copied):
    """Some versions of ONNX Runtime turn weights around and keep what was said of their shapes."""
    import onnx

    model = onnx.load(copied / 'frame.onnx')
    said = next(v for v in model.graph.value_info if v.type.tensor_type.shape.dim)
    said.type.tensor_type.shape.dim[0].dim_value = 12345
    onnx.save(model, copied / 'frame.onnx')
    assert operators(quantise_steps(copied, STEPS) / 'frame.onnx')


def test_advice_is_not_logged_and_what_matters_is(copied, caplog, monkeypatch):
    from onnxruntime import quantization

    quantize = quantization.quantize_dynamic

    def quantize_and_warn(*arguments, **options):
        logging.warning('this weight is all zeros')  # noqa: LOG015 # as the library does
        quantize(*arguments, **options)

    monkeypatch.setattr(quantization, 'quantize_dynamic', quantize_and_warn)
    quantise_steps(copied, STEPS)
    assert {record.getMessage() for record in caplog.records} == {'this weight is all zeros'}
    caplog.clear()
    logging.warning('Please consider this')  # noqa: LOG015
    assert caplog.messages == ['Please consider this'], 'the filter is gone'


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime.quantization', None)
    with pytest.raises(MissingExtraError, match=r'quantising needs onnxruntime .*\[onnx\]'):
        quantise_steps(tmp_path, STEPS)
    assert not list(tmp_path.iterdir())
