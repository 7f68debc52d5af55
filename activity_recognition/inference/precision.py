"""Where the network runs and in which precision: decided once, here.

What the host makes goes to the device without waiting for that. A GPU copies from pinned memory
while the host goes on. From other memory a copy makes the host wait for everything that it asked
the GPU to do before.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from activity_recognition.config import EngineConfig
from activity_recognition.errors import DeviceError

_Module = TypeVar('_Module', bound=nn.Module)
_CAST = (nn.Linear, nn.Conv1d, nn.Conv2d)
"""Layers whose weights autocast casts."""
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """A device and the dtype in which autocast runs matrix products on it."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context for the network's forward; float32 needs none."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def with_cast_weights(self, network: _Module) -> _Module:
        """Return a copy of a network whose weights need no cast at every call; of float32 itself.

        Its numbers under :meth:`autocast` are the same. What changes in the network later does not
        change in the copy.
        """
        if self.dtype is torch.float32:
            return network
        network = copy.deepcopy(network)
        for layer in network.modules():
            # Autocast leaves float64 alone.
            if isinstance(layer, _CAST) and layer.weight.dtype is torch.float32:
                layer.to(self.dtype)
        return network

    def make_scaler(self) -> GradScaler:
        """Return what keeps gradients in range while training; float32 and bfloat16 need none."""
        return GradScaler(self.device.type, enabled=self.dtype is torch.float16)

    @property
    def name(self) -> str:
        """Device and precision in words."""
        precision = next(name for name, dtype in DTYPES.items() if dtype is self.dtype)
        if self.device.type == 'cuda':
            return f'{torch.cuda.get_device_name(self.device)} ({self.device}, {precision})'
        return f'{platform.processor() or platform.machine()} (cpu, {precision})'


def host_type(dtype: torch.dtype) -> type[np.floating]:
    """Return the type of arrays that go into a network whose weights have ``dtype``."""
    return np.float64 if dtype is torch.float64 else np.float32


def choose_precision(config: EngineConfig) -> Precision:
    """Resolve ``auto`` and refuse what the machine lacks.

    Raises:
        DeviceError: a CUDA device is asked for that is not there, or fp16 on a CPU.
    """
    device = _choose_device(config.device)
    name = config.precision
    if name == 'auto':
        name = 'fp32'
        if device.type == 'cuda':
            name = 'bf16' if torch.cuda.is_bf16_supported() else 'fp16'
    if device.type == 'cpu' and name == 'fp16':
        raise DeviceError('expected fp32 or bf16 on a CPU, got fp16; set engine.precision to auto')
    return Precision(device=device, dtype=DTYPES[name])


def _choose_device(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"expected a device such as 'auto', 'cpu' or 'cuda:0', got {name!r}"
        ) from error
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == 'cuda' and (device.index or 0) >= available:
        raise DeviceError(
            f'expected a CUDA device for engine.device={name!r}, found {available} of them; '
            "set engine.device to 'auto' or 'cpu'"
        )
    return device


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
        device: where they are to be.
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
