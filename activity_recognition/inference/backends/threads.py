"""How many threads: the fewest that are nearly as fast as any, for a robot has other work."""

from __future__ import annotations

import os
import statistics
import time

import torch

from activity_recognition.models.examples import Sizes, example_inputs
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import ActivityRecognitionSystem

WORTH = 0.8
"""Share of the time that another thread must leave, at most, to be worth its core."""
_MOST, _ROUNDS, _WARM_UP = 8, 9, 2


def fewest_threads(system: ActivityRecognitionSystem) -> int:
    """Time the frame encoder, which is nearly all of a step, with 1, 2, 4 … threads.

    A number of threads is taken while each doubling leaves at most ``WORTH`` of the time.
    """
    available = len(os.sched_getaffinity(0))
    counts = [count for count in (1, 2, 4, 8) if count <= min(available, _MOST)]
    step, images = Steps(system).frame, example_inputs(system, Sizes())['frame'][0]
    before, chosen, fastest_s = torch.get_num_threads(), 1, float('inf')
    try:
        for count in counts:
            torch.set_num_threads(count)
            spent_s = []
            with torch.inference_mode():
                for _ in range(_WARM_UP + _ROUNDS):
                    since_s = time.perf_counter()
                    step(images)
                    spent_s.append(time.perf_counter() - since_s)
            median_s = statistics.median(spent_s[_WARM_UP:])
            if median_s > WORTH * fastest_s:
                break
            chosen, fastest_s = count, median_s
    finally:
        torch.set_num_threads(before)
    return chosen
