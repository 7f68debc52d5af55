"""Whether ONNX Runtime multiplies 8-bit integers exactly on this processor.

Without the instructions called VNNI, an x86-64 processor adds two products of an unsigned and a
signed byte into 16 bits, where they saturate (``vpmaddubsw``): a sum above 32767 becomes 32767.
ONNX Runtime takes that instruction unless it is asked for its precise mode, which turns signed
weights into unsigned ones and adds in 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import BackendError

if TYPE_CHECKING:
    from onnxruntime import SessionOptions

PRECISE_MODE = 'session.x64quantprecision'
"""Of ONNX Runtime; slower, also where nothing saturates, so not set without a need."""
_OPERATOR = 'MatMulInteger'
_LEVELS = np.array([255, 254, 128, 1, 0], np.uint8)
"""Of the activations of one row each. Whatever saturates in any row does so in the first."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a step with 8-bit weights."""

    step: str
    weights: NDArray[np.integer]
    """(K, N), int8 or uint8."""
    zero_points: NDArray[np.integer]
    """(N,) or a scalar, of the same type."""

    def exact(self, levels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the product (R, N) with rows of which each has one level (R,) throughout."""
        width = self.weights.shape[0]
        sums = self.weights.sum(axis=0, dtype=np.int64) - width * self.zero_points.astype(np.int64)
        return levels[:, None].astype(np.int64) * sums


def needs_precise_mode(folder: Path, steps: Sequence[str]) -> bool:
    """Return whether the steps of a folder are exact on this processor in the precise mode only.

    The weights of all steps are multiplied with activations that are as large as can be, which
    shows every sum that saturates, and the products are compared with those of integers.

    Args:
        folder: with one graph per step, of 8-bit weights.
        steps: their names.

    Raises:
        BackendError: they are not exact in either mode, or they cannot be read.
    """
    if first_inexact(folder, steps, precise=False) is None:
        return False
    inexact = first_inexact(folder, steps, precise=True)
    if inexact is None:
        return True
    import onnxruntime

    raise BackendError(
        f'the steps with 8-bit weights in {folder} are not used: ONNX Runtime '
        f'{onnxruntime.__version__} does not multiply the integers of the step {inexact!r} exactly '
        'on this processor, not in its precise mode either: sums saturate where VNNI is lacking; '
        "set engine.backend to 'onnxruntime', or update ONNX Runtime and export again here with "
        '`activity-recognition export --int8`'
    )


def first_inexact(folder: Path, steps: Sequence[str], *, precise: bool) -> str | None:
    """Return the first step of a folder of which a product is not exact on this processor, if any.

    Args:
        folder: with one graph per step, of 8-bit weights.
        steps: their names.
        precise: whether ONNX Runtime is in its precise mode.
    """
    for product in _products(folder, steps):
        exact = product.exact(_LEVELS)
        # One row has a kernel of its own.
        for rows in (1, len(_LEVELS)):
            if not np.array_equal(multiply(product, _LEVELS[:rows], precise=precise), exact[:rows]):
                return product.step
    return None


def _products(folder: Path, steps: Sequence[str]) -> Iterator[Product]:
    """Yield the products of all steps whose weights are known before they run."""
    onnx = _onnx()
    for step in steps:
        path = folder / f'{step}.onnx'
        try:
            graph = onnx.load(path).graph
            constants = {entry.name: entry for entry in graph.initializer}
            found = [
                [onnx.numpy_helper.to_array(constants[name]) for name in node.input[1::2] if name]
                for node in graph.node
                if node.op_type == _OPERATOR and node.input[1] in constants
            ]
        except Exception as error:  # protobuf's errors have no base of their own
            raise BackendError(
                f'{path} cannot be read: {error}; '
                'export the checkpoint again with `activity-recognition export --int8`'
            ) from error
        for weights, *zero in found:
            yield Product(step, weights, zero[0] if zero else np.zeros((), weights.dtype))


def multiply(product: Product, levels: NDArray[np.uint8], *, precise: bool) -> NDArray[np.integer]:
    """Return the product (R, N) as ONNX Runtime computes it here.

    Args:
        product: with the weights.
        levels: (R,), of the activations of each row.
        precise: whether in the precise mode.
    """
    import onnxruntime

    onnx = _onnx()
    constants = [
        onnx.numpy_helper.from_array(np.array(0, np.uint8), 'zero'),
        onnx.numpy_helper.from_array(product.weights, 'weights'),
        onnx.numpy_helper.from_array(product.zero_points, 'zero_points'),
    ]
    types, helper = onnx.TensorProto, onnx.helper
    width, columns = product.weights.shape
    graph = helper.make_graph(
        [helper.make_node(_OPERATOR, ['levels', 'weights', 'zero', 'zero_points'], ['sums'])],
        'product',
        [helper.make_tensor_value_info('levels', types.UINT8, ('rows', width))],
        [helper.make_tensor_value_info('sums', types.INT32, ('rows', columns))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    set_precise_mode(options, precise)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    activations = np.repeat(levels[:, None], width, axis=1)
    return np.asarray(session.run(None, {'levels': activations})[0])


def set_precise_mode(options: SessionOptions, precise: bool) -> None:
    """Ask ONNX Runtime for its precise mode, or not.

    Args:
        options: of a session that is to be made.
        precise: whether it is asked for.
    """
    options.add_session_config_entry(PRECISE_MODE, '1' if precise else '0')


def _onnx() -> ModuleType:
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise BackendError(
            f'steps with 8-bit weights are checked with the package onnx, which cannot be loaded '
            f'({error}): pip install activity_recognition[onnx]'
        ) from error
    return onnx
