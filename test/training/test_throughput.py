"""Means and rates between two lines of the log."""

import pytest
import torch

from activity_recognition.training.throughput import Throughput


def test_means_leave_out_what_was_not_asked_and_rates_count_everything():
    now = [10.0]
    throughput = Throughput(lambda: now[0])
    stamps = torch.tensor([[7, 9, 11, 0, 0], [6, 6, 6, 6, 6]]) * 10**9
    seeing = {
        'frame_mask': torch.tensor([[True, True, False]] * 2),
        'targets': torch.zeros(2, 5),
        'decision_stamps': stamps,
    }
    blind = {
        'frame_mask': torch.zeros(1, 0, dtype=torch.bool),
        'targets': torch.zeros(1, 5),
        'decision_stamps': stamps[:1],
    }
    with throughput.loading():
        now[0] += 0.5
    throughput.add({'fused': torch.tensor(2.0), 'video': torch.tensor(3.0)}, seeing)
    throughput.add({'fused': torch.tensor(1.0), 'video': torch.tensor(0.0)}, blind)
    now[0] += 1.5
    assert throughput.steps == 2
    assert throughput.read() == pytest.approx(
        {
            'fused': 1.5,
            'video': 3.0,
            'frames_per_s': 2.0,
            'crops_per_s': 1.5,
            'steps_per_s': 1.0,
            'recorded_hours_per_hour': 4.0,
            'loading_share': 0.25,
        }
    )
    assert throughput.steps == 0
    assert throughput.read()['frames_per_s'] == 0
