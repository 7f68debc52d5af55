"""Means and rates between two lines of the log."""

import pytest
import torch

from activity_recognition.training.run.throughput import Throughput


def test_means_leave_out_what_was_not_asked_and_rates_count_everything():
    now = [10.0]
    throughput = Throughput(lambda: now[0])
    seeing = {'fused': torch.tensor(2.0), 'video': torch.tensor(3.0)}
    blind = {'fused': torch.tensor(1.0), 'video': torch.tensor(0.0)}
    throughput.add(seeing, frames=4, crops=2, recorded_s=12.0, loading_s=0.5)
    throughput.add(blind, frames=0, crops=1, recorded_s=8.0, loading_s=0.1)
    now[0] += 2.0
    assert throughput.steps == 2
    assert throughput.read() == pytest.approx(
        {
            'fused': 1.5,
            'video': 3.0,
            'frames_per_s': 2.0,
            'crops_per_s': 1.5,
            'steps_per_s': 1.0,
            'recorded_hours_per_hour': 10.0,
            'loading_share': 0.3,
        }
    )
    assert throughput.steps == 0
    assert throughput.read()['frames_per_s'] == 0
