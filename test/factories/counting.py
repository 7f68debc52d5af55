"""What torch does in a step, counted: the same on every machine, however busy it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Operations(TorchDispatchMode):
    """Counts operators as the dispatcher sees them, below autograd, and the memory they take.

    An operator takes memory where a tensor that it returns lies in a storage that none of its
    arguments lies in: neither views nor what works in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.allocations = 0
        """Calls that took memory."""
        self.new_bytes = 0
        """Taken in all, as if nothing were given back."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self.calls[str(func)] += 1
        known = {_storage(tensor) for tensor in _tensors((args, kwargs))}
        new = [tensor for tensor in _tensors(result) if _storage(tensor) not in known]
        self.allocations += bool(new)
        self.new_bytes += sum(tensor.nbytes for tensor in new)
        return result


def _tensors(values: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
