"""Small .tflite networks, written by the classes that LiteRT generates from its schema."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class TfliteBuilder:
    """A network of a few operators, one after the other."""

    _tensors: list[Any] = field(default_factory=list)
    _buffers: list[Any] = field(default_factory=list)
    _operators: list[Any] = field(default_factory=list)
    _codes: list[int] = field(default_factory=list)

    def tensor(self, name: str, shape: Sequence[int], dtype: str = 'float32') -> int:
        """Add a tensor that is computed; returns its index."""
        return self._add(name, tuple(shape), dtype, None)

    def constant(self, name: str, values: np.ndarray) -> int:
        """Add a tensor that stands in the file; returns its index."""
        return self._add(name, values.shape, str(values.dtype), values)

    def operator(self, name: str, inputs: Sequence[int], output: int, options: Any = None) -> int:
        """Add an operator by its name in the schema; returns the index of its output."""
        from ai_edge_litert import schema_py_generated as schema

        code = getattr(schema.BuiltinOperator, name)
        if code not in self._codes:
            self._codes.append(code)
        found = schema.OperatorT()
        found.opcodeIndex = self._codes.index(code)
        found.inputs, found.outputs = list(inputs), [output]
        if options is not None:
            kind = type(options).__name__.removesuffix('T')
            found.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            found.builtinOptions = options
        self._operators.append(found)
        return output

    def write(self, path: Path, inputs: Sequence[int], outputs: Sequence[int]) -> Path:
        """Write the network to a file."""
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs = 3, [graph]
        model.buffers = [schema.BufferT(), *self._buffers]
        model.operatorCodes = []
        for number in self._codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b'TFL3')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(builder.Output()))
        return path

    def _add(self, name: str, shape: tuple[int, ...], dtype: str, values: np.ndarray | None) -> int:
        from ai_edge_litert import schema_py_generated as schema

        found = schema.TensorT()
        found.name, found.shape = name.encode(), list(shape)
        found.type = getattr(schema.TensorType, dtype.upper())
        found.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self._buffers.append(buffer)
            found.buffer = len(self._buffers)
        self._tensors.append(found)
        return len(self._tensors) - 1


def write_doubling(path: Path, size: int = 4) -> Path:
    """Write a network that adds a float32 array (1, size) to itself."""
    from ai_edge_litert import schema_py_generated as schema

    net = TfliteBuilder()
    given, doubled = net.tensor('given', (1, size)), net.tensor('doubled', (1, size))
    net.operator('ADD', (given, given), doubled, schema.AddOptionsT())
    return net.write(path, [given], [doubled])


def write_pose(path: Path, *, seed: int = 0) -> Path:
    """Write a network of MoveNet's forms, whose key points depend on all that an image shows."""
    from ai_edge_litert import schema_py_generated as schema

    rng, net = np.random.default_rng(seed), TfliteBuilder()
    image = net.tensor('image', (1, 192, 192, 3), 'uint8')
    levels = net.operator('CAST', (image,), net.tensor('levels', (1, 192, 192, 3)))
    pooling = schema.Pool2DOptionsT()
    pooling.filterHeight = pooling.filterWidth = pooling.strideH = pooling.strideW = 16
    pooling.padding = schema.Padding.VALID
    pooled = net.operator(
        'AVERAGE_POOL_2D', (levels,), net.tensor('pooled', (1, 12, 12, 3)), pooling
    )
    row = net.constant('row', np.array([1, 432], np.int32))
    flat = net.operator('RESHAPE', (pooled, row), net.tensor('flat', (1, 432)))
    # Differences of levels move joints, which lie about the middle, and hide one now and then.
    scale = np.tile([0.3, 0.3, 1.0], 17)
    weights = (rng.normal(0, 0.0008, (432, 51)) * scale).T.astype(np.float32)
    weights -= weights.mean(axis=1, keepdims=True)
    bias = (rng.normal(0, 0.5, 51) * scale).astype(np.float32)
    places = net.operator(
        'FULLY_CONNECTED',
        (
            flat,
            net.constant('weights', weights),
            net.constant('bias', bias),
        ),
        net.tensor('sums', (1, 51)),
        schema.FullyConnectedOptionsT(),
    )
    shares = net.operator('LOGISTIC', (places,), net.tensor('shares', (1, 51)))
    shape = net.constant('shape', np.array([1, 1, 17, 3], np.int32))
    found = net.operator('RESHAPE', (shares, shape), net.tensor('found', (1, 1, 17, 3)))
    return net.write(path, [image], [found])
