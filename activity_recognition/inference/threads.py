"""How many threads: the fewest that are nearly as fast as any, for a robot has other work."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import step_specs
from activity_recognition.models.system import ActivityRecognitionSystem

WORTH = 0.8
"""Share of the time that another thread must leave, at most, to be worth its core."""
_MOST, _ROUNDS, _WARM_UP = 8, 9, 2


def use_threads(count: int) -> None:
    """Have PyTorch and OpenCV share their work between ``count`` threads, in the whole process."""
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


@contextmanager
def threads_restored() -> Iterator[None]:
    """Put the numbers of threads back after the block."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@contextmanager
def one_thread() -> Iterator[None]:
    """Do work in the block that is too small to share, and of which much runs side by side."""
    with threads_restored():
        use_threads(1)
        yield


def fewest_threads(system: ActivityRecognitionSystem) -> int:
    """Time the first step, which with video is nearly all of the work, with 1, 2, 4 … threads.

    A number of threads is taken while each doubling leaves at most ``WORTH`` of the time.
    """
    available = len(os.sched_getaffinity(0))
    counts = [count for count in (1, 2, 4, 8) if count <= min(available, _MOST)]
    spec = step_specs(system.modalities)[0]
    step, inputs = spec.module(system), spec.inputs_for(system, Sizes())
    chosen, fastest_s = 1, float('inf')
    with threads_restored():
        for count in counts:
            torch.set_num_threads(count)
            spent_s = []
            with torch.inference_mode():
                for _ in range(_WARM_UP + _ROUNDS):
                    since_s = time.perf_counter()
                    step(*inputs)
                    spent_s.append(time.perf_counter() - since_s)
            median_s = statistics.median(spent_s[_WARM_UP:])
            if median_s > WORTH * fastest_s:
                break
            chosen, fastest_s = count, median_s
    return chosen
