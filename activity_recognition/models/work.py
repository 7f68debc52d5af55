"""Work of a network's parts: operations and bytes.

One multiplication with its addition counts as two operations, as in torch's ``FlopCounterMode``,
which leaves out attention on a CPU; here it is counted apart. Normalisation, activation functions,
softmax and copies are not counted. Bytes are those that a step has to read at least: every weight
of the part once, and the cached keys and values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn

FLOAT_BYTES = 4
"""Of a weight and of a cached number on a CPU."""
PER_MULTIPLY_ADD = 2
BLOCK_WEIGHTS = 12
"""Weights of a transformer block in squares of its width: 3 + 1 attention, 4 + 4 feed-forward."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Operations and bytes of one step of one part."""

    products: int = 0
    """Operations in matrix products and convolutions."""
    attention: int = 0
    """Operations in scaled dot-product attention."""
    fourier: int = 0
    """Operations in Fourier transforms, 2.5 n log2 n each (Frigo & Johnson 2005)."""
    weight_bytes: int = 0
    """Weights read, float32."""
    cache_bytes: int = 0
    """Keys and values read, float32."""

    @property
    def operations(self) -> int:
        """All operations counted."""
        return self.products + self.attention + self.fourier

    @property
    def read_bytes(self) -> int:
        """All bytes counted."""
        return self.weight_bytes + self.cache_bytes

    def __add__(self, other: Work) -> Work:
        return Work(
            products=self.products + other.products,
            attention=self.attention + other.attention,
            fourier=self.fourier + other.fourier,
            weight_bytes=self.weight_bytes + other.weight_bytes,
            cache_bytes=self.cache_bytes + other.cache_bytes,
        )


def total(parts: Mapping[str, Work]) -> Work:
    """Return the work of all parts together."""
    return sum(parts.values(), Work())


def attention_operations(queries: int, keys: int, width: int) -> int:
    """Return the operations of scores and of the sum over values.

    All heads of a query count as one query where each reads its own part of a key, and as one each
    where it reads whole keys (:func:`~activity_recognition.models.attention.attend_few`).

    Args:
        queries: number of queries.
        keys: that each of them reads.
        width: of a key.
    """
    return 2 * PER_MULTIPLY_ADD * queries * keys * width


def bytes_of(*modules: nn.Module) -> int:
    """Return the bytes of the modules' weights, float32."""
    return FLOAT_BYTES * sum(p.numel() for module in modules for p in module.parameters())


def convolution_operations(layers: Iterable[nn.Module], side: int) -> int:
    """Return the operations of the convolutions among layers that follow each other.

    Args:
        layers: of a network for square images.
        side: of the image that goes in.
    """
    products = 0
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            padding = int(layer.padding[0])
            side = (side + 2 * padding - layer.kernel_size[0]) // layer.stride[0] + 1
            products += side**2 * layer.weight.numel()
    return PER_MULTIPLY_ADD * products
