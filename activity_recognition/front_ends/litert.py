"""Runs pretrained networks (.tflite) by LiteRT, on one thread of the CPU.

A network is known by its name in the register of weights. It keeps nothing between two calls, so
that everybody in a process shares one interpreter of it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import MissingExtraError, ShapeError, WeightsError
from activity_recognition.weights import find_weights


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """What one input or output of a network is."""

    shape: tuple[int, ...]
    dtype: str
    """As NumPy calls it."""

    def __str__(self) -> str:
        """Return dtype and shape."""
        return f'{self.dtype} {self.shape}'


@dataclass(frozen=True, slots=True)
class InnerArray:
    """A result on the way to a network's outputs, such as an embedding."""

    name: str
    """Of the tensor in the file."""
    shape: tuple[int, ...]


class LiteRtNetwork:
    """One network, loaded."""

    def __init__(
        self,
        path: Path,
        *,
        inputs: Sequence[ArrayForm],
        outputs: Sequence[ArrayForm],
        inner: Sequence[InnerArray] = (),
    ) -> None:
        """Load a network and check what it takes and gives.

        Args:
            path: a .tflite file.
            inputs: what it has to take, in its order.
            outputs: what it has to give, in its order.
            inner: what else is read of it, as float32, also where the network computes with 8 bits.

        Raises:
            MissingExtraError: LiteRT is not installed.
            WeightsError: the file cannot be read, is no such network, or one with other inputs or
                outputs.
        """
        try:
            # Read whole: a file that is mapped may change while it is used.
            content = path.read_bytes()
        except OSError as error:
            raise WeightsError(f'{path}: cannot read it ({error.strerror or error})') from error
        self._path = path
        self._interpreter = _interpreter(path, content, keep_inner=bool(inner))
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._input_indices = _checked(
            path, 'inputs', self._interpreter.get_input_details(), self._inputs
        )
        self._output_indices = _checked(
            path, 'outputs', self._interpreter.get_output_details(), self._outputs
        )
        self._inner = _scaled_tensors(path, self._interpreter.get_tensor_details(), inner)
        # An interpreter is not for several threads at once.
        self._lock = threading.Lock()

    def run(self, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Return the network's outputs, then its inner arrays, each an array of its own.

        Args:
            arrays: its inputs, of the forms that it was loaded with.

        Raises:
            ShapeError: an array has another shape or dtype.
        """
        if not self._fit(arrays):
            given = [ArrayForm(array.shape, str(array.dtype)) for array in arrays]
            raise ShapeError(
                f'expected {", ".join(map(str, self._inputs))}, got {", ".join(map(str, given))}'
            )
        with self._lock:
            for index, array in zip(self._input_indices, arrays, strict=True):
                self._interpreter.set_tensor(index, array)
            self._interpreter.invoke()
            found = [self._interpreter.get_tensor(index) for index in self._output_indices]
            for index, scale, zero in self._inner:
                values = self._interpreter.get_tensor(index).astype(np.float32)
                found.append((values - zero) * scale)
        return tuple(found)

    def _fit(self, arrays: Sequence[NDArray[Any]]) -> bool:
        """Return whether arrays are what the network takes; asked for every image."""
        return len(arrays) == len(self._inputs) and all(
            array.shape == form.shape and array.dtype == form.dtype
            for array, form in zip(arrays, self._inputs, strict=True)
        )

    def constant(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return weights of the network as float32, also where it has them in 8 bits.

        Args:
            name: of the tensor in the file; the network was loaded with inner arrays.
            shape: that it has.

        Raises:
            WeightsError: the network has no such tensor.
        """
        details = self._interpreter.get_tensor_details()
        ((index, _, _),) = _scaled_tensors(self._path, details, (InnerArray(name, shape),))
        quantised = next(item for item in details if item['index'] == index)
        how = quantised['quantization_parameters']
        with self._lock:
            values: NDArray[np.float32] = self._interpreter.get_tensor(index).astype(np.float32)
        if len(how['scales']):
            along = [1] * values.ndim
            along[how['quantized_dimension']] = -1
            values = (values - how['zero_points'].reshape(along)) * how['scales'].reshape(along)
        return values.astype(np.float32)


def load_network(
    name: str,
    *,
    inputs: tuple[ArrayForm, ...],
    outputs: tuple[ArrayForm, ...],
    inner: tuple[InnerArray, ...] = (),
) -> LiteRtNetwork:
    """Return a registered network; it is loaded once per process.

    Args:
        name: in the register of weights, for example ``movenet_lightning``.
        inputs: what it has to take, in its order.
        outputs: what it has to give, in its order.
        inner: what else is read of it.

    Raises:
        MissingExtraError: LiteRT is not installed.
        WeightsError: the network is not on this machine, or is not what the register says.
    """
    return _loaded(find_weights(name), inputs, outputs, inner)


@cache
def _loaded(
    path: Path,
    inputs: tuple[ArrayForm, ...],
    outputs: tuple[ArrayForm, ...],
    inner: tuple[InnerArray, ...],
) -> LiteRtNetwork:
    return LiteRtNetwork(path, inputs=inputs, outputs=outputs, inner=inner)


def _interpreter(path: Path, content: bytes, *, keep_inner: bool) -> Any:
    """Return an interpreter with its tensors allocated, which may keep what lies between."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError(
            f'LiteRT, which runs {path.name}, is not installed: '
            "pip install 'activity_recognition[litert]'"
        ) from error
    try:
        with warnings.catch_warnings():
            # It warns of the memory that this takes: some megabytes.
            warnings.simplefilter('ignore', UserWarning)
            interpreter = Interpreter(
                model_content=content, num_threads=1, experimental_preserve_all_tensors=keep_inner
            )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().partition('\n')[0]
        raise WeightsError(f'{path}: expected a network for LiteRT, got {reason}') from error
    return interpreter


def _checked(
    path: Path, what: str, details: list[dict[str, Any]], expected: tuple[ArrayForm, ...]
) -> list[int]:
    """Return the indices of a network's inputs or outputs, which have to be as expected."""
    found = tuple(
        ArrayForm(tuple(map(int, item['shape'])), np.dtype(item['dtype']).name) for item in details
    )
    if found != expected:
        raise WeightsError(
            f'{path}: expected {what} {", ".join(map(str, expected))}, '
            f'got {", ".join(map(str, found))}'
        )
    return [item['index'] for item in details]


def _scaled_tensors(
    path: Path, details: list[dict[str, Any]], wanted: Sequence[InnerArray]
) -> list[tuple[int, np.float32, int]]:
    """Return index, scale and zero of the tensors inside of a network."""
    by_name = {item['name']: item for item in details}
    found = []
    for array in wanted:
        item = by_name.get(array.name)
        if item is None or tuple(map(int, item['shape'])) != array.shape:
            raise WeightsError(
                f'{path}: expected a tensor {array.name} of shape {array.shape} inside, got '
                f'{"none of that name" if item is None else tuple(map(int, item["shape"]))}'
            )
        scale, zero = item['quantization']
        found.append((item['index'], np.float32(scale or 1.0), int(zero)))
    return found
