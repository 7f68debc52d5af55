"""What the host made, to the device where the network runs, without waiting for that.

A GPU copies from pinned memory while the host goes on. From other memory a copy makes the host wait
for everything that it asked the GPU to do before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def upload(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array, of any shape, on a device.

    On a CPU it is shared, not copied: it must not be changed while the tensor is in use.

    Args:
        array: on the host.
        device: where it is to be.
    """
    tensor = torch.from_numpy(array)
    if device.type == 'cpu':
        return tensor
    if device.type == 'cuda':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=device.type == 'cuda')


def upload_stack(arrays: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """Return n arrays of one shape (...) on a device, (n, ...); on a CPU a single one is shared.

    Args:
        arrays: on the host.
        device: where it is to be.
    """
    if len(arrays) == 1:
        return upload(arrays[0][None], device)
    if device.type != 'cuda':
        return upload(np.stack(arrays), device)
    # Straight into memory that is used again: fresh memory costs more than the copy.
    shape, dtype = (len(arrays), *arrays[0].shape), torch.from_numpy(arrays[0]).dtype
    pinned = torch.empty(shape, dtype=dtype, pin_memory=True)
    np.stack(arrays, out=pinned.numpy())
    return pinned.to(device, non_blocking=True)
