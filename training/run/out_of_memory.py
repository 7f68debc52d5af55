"""Running out of memory, explained as what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accelerate.utils.memory import should_reduce_batch_size

from activity_recognition.errors import DeviceError
from activity_recognition.training.config import TrainConfig


@contextmanager
def explain_out_of_memory(config: TrainConfig, processes: int) -> Iterator[None]:
    """Turn running out of memory in the block into a sentence with a batch size to try.

    Args:
        config: of the run.
        processes: that share a batch.

    Raises:
        DeviceError: there was not enough memory.
    """
    try:
        yield
    except MemoryError as error:
        raise DeviceError(_advice(config, processes)) from error
    except RuntimeError as error:
        if not should_reduce_batch_size(error):
            raise
        raise DeviceError(_advice(config, processes)) from error


def _advice(config: TrainConfig, processes: int) -> str:
    parts = processes * config.accumulation
    at_once = -(-config.batch_size // parts)
    crops = 'crop' if at_once == 1 else 'crops'
    found = f'out of memory with {at_once} {crops} of {config.crop_s:g} s at a time; '
    if at_once == 1:
        return found + f'try crop_s {config.crop_s / 2:g}, or a lower frame_rate_hz'
    half = at_once // 2
    accumulation = -(-config.batch_size // (half * processes))
    return found + (
        f'try accumulation {accumulation} (the same batch, {half} crops at a time; the run goes on '
        f'where it was), or batch_size {half * parts} in a new run'
    )
