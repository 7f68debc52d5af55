"""The processes that train together: one by itself, or what accelerate or torchrun has launched."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor

from activity_recognition.config import EngineConfig
from activity_recognition.errors import ConfigError
from activity_recognition.inference.precision import Precision, choose_precision

Item = TypeVar('Item')

_PATIENCE = timedelta(hours=2)
"""For how long the others wait while one reads recordings or measures the result."""

_SHARDED = {'ACCELERATE_USE_FSDP': 'FSDP', 'ACCELERATE_USE_DEEPSPEED': 'DeepSpeed'}


def choose_own_precision(device: str, precision: str) -> Precision:
    """Resolve device and precision of this process; of several, each takes a GPU of its own.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ….
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        ConfigError: launched to shard the network, which this trainer does not.
        DeviceError: what is asked for is not there.
    """
    for variable, name in _SHARDED.items():
        if os.environ.get(variable, 'false').lower() == 'true':
            raise ConfigError(
                f'expected a launch with one whole network per process, got {name}; leave it out '
                '(docs/training.md says what fits on one GPU)'
            )
    chosen = choose_precision(EngineConfig(device=device, precision=precision))
    if int(os.environ.get('WORLD_SIZE', '1')) > 1 and chosen.device.type == 'cuda':
        local = torch.device('cuda', int(os.environ.get('LOCAL_RANK', '0')))
        return replace(chosen, device=local)
    return chosen


def join_processes(precision: Precision) -> Accelerator:
    """Meet the other processes of the launch, if there are any.

    The precision stays with :class:`Precision`, hence 'no' here, whatever the launcher says.
    Crops go without modalities and stages without parts of the network, so not every parameter
    has a gradient in every process.
    """
    return Accelerator(
        cpu=precision.device.type == 'cpu',
        mixed_precision='no',
        device_placement=False,
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True),
            InitProcessGroupKwargs(timeout=_PATIENCE),
        ],
    )


class Peers:
    """What the processes of a run send each other."""

    def __init__(self, accelerator: Accelerator | None) -> None:
        """Speak through ``accelerator``; None is alone."""
        self._accelerator = accelerator
        self.number = accelerator.num_processes if accelerator is not None else 1
        self.index = accelerator.process_index if accelerator is not None else 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.index == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return those that are for this process to work on."""
        return items[self.index :: self.number]

    def sum_up(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return scalars added up over all processes, which have the same names in one order."""
        if self.number == 1 or not values:
            return dict(values)
        assert self._accelerator is not None
        total = self._accelerator.reduce(torch.stack(list(values.values())), reduction='sum')
        return dict(zip(values, total.unbind(), strict=True))

    def gather_rows(self, rows: Tensor) -> tuple[Tensor, slice]:
        """Return the rows of all processes, and where one's own are.

        Processes with fewer rows get rows of zeros. One's own rows keep their gradient; that of
        the others is for the others to compute, and added up over all is that of the whole.
        """
        if self.number == 1:
            return rows, slice(0, len(rows))
        assert self._accelerator is not None
        padded = self._accelerator.pad_across_processes(rows, dim=0)
        everyone = self._accelerator.gather(padded.detach())
        start = self.index * len(padded)
        end = start + len(padded)
        joined = torch.cat([everyone[:start], padded, everyone[end:]])
        return joined, slice(start, start + len(rows))

    def join(self, rows: Tensor, device: torch.device) -> Tensor:
        """Return the rows of all processes one after the other, moved to ``device`` on the way.

        Args:
            rows: of this process, (N, ...).
            device: where processes exchange them.
        """
        if self.number == 1:
            return rows
        assert self._accelerator is not None
        lengths = self._accelerator.gather(torch.tensor([len(rows)], device=device)).tolist()
        everyone, _ = self.gather_rows(rows.to(device))
        parts = everyone.split(max(lengths)) if max(lengths) else [everyone]
        return torch.cat([part[:n] for part, n in zip(parts, lengths, strict=False)])
