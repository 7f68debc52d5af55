"""How much arithmetic and memory traffic a computation needs at least, counted by its operators."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a computation needs."""

    flops: float
    """Of matrix products, convolutions and attention; a multiplication and an addition are two."""
    bytes: float
    """Of what lay in memory before, read once: weights, caches, input."""

    def per(self, count: int) -> Work:
        """Return the mean of ``count`` equal shares."""
        return Work(flops=self.flops / count, bytes=self.bytes / count)

    def least_s(self, *, flops_per_s: float, bytes_per_s: float) -> float:
        """Return the time below which a machine cannot do it (Williams et al. 2009)."""
        return max(self.flops / flops_per_s, self.bytes / bytes_per_s)


def attention_flops(
    query: tuple[int, ...],
    key: tuple[int, ...],
    value: tuple[int, ...],
    *_: object,
    **__: object,
) -> int:
    """Return the FLOPs of attention of shapes (B, H, Q, D), (B, H, N, D), (B, H, N, V)."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])


def make_counter() -> FlopCounterMode:
    """Return torch's counter of FLOPs, which by itself knows no attention on a CPU."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return FlopCounterMode(display=False, custom_mapping={attention: attention_flops})


class Traffic(TorchDispatchMode):
    """Adds up what operators read of memory that was there before.

    What an operator makes may stay in a cache until it is used, so it costs nothing here; neither
    does a second look at the same bytes until :meth:`forget`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self._made: set[int] = set()
        self._read: set[tuple[int, int, int]] = set()

    def forget(self) -> None:
        """Begin another step: everything has to be read again."""
        self._made.clear()
        self._read.clear()

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operator and note what it read and made."""
        inputs = list(_tensors((args, kwargs)))
        storages = {tensor.untyped_storage().data_ptr() for tensor in inputs}
        result = func(*args, **(kwargs or {}))
        if func.is_view:
            return result
        for tensor in inputs:
            self._note(tensor)
        for tensor in _tensors(result):
            place = tensor.untyped_storage().data_ptr()
            if place not in storages:
                self._made.add(place)
        return result

    def _note(self, tensor: Tensor) -> None:
        place, size = tensor.untyped_storage().data_ptr(), occupied_bytes(tensor)
        part = (place, tensor.storage_offset(), size)
        if place not in self._made and part not in self._read:
            self._read.add(part)
            self.bytes += size


def _tensors(tree: object) -> Iterable[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def occupied_bytes(tensor: Tensor) -> int:
    """Return the bytes of memory under a tensor; an expanded one lies on fewer than it has."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count * tensor.element_size()


def count_work(
    step: Callable[[], object], steps: int = 1, *, counter: FlopCounterMode | None = None
) -> Work:
    """Return the mean work of ``steps`` calls.

    Fourier transforms, sums and functions of single numbers are not counted. The calls may look at
    the ``counter`` of FLOPs, from :func:`make_counter`, while they run.
    """
    counter, traffic = counter or make_counter(), Traffic()
    with counter, traffic:
        for _ in range(steps):
            traffic.forget()
            step()
    return Work(flops=counter.get_total_flops(), bytes=traffic.bytes).per(steps)
