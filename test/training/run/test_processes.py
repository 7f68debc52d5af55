"""Two processes do together what one does alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from activity_recognition.errors import ConfigError
from activity_recognition.training.run.processes import Peers, choose_own_precision
from activity_recognition.training.run.state import read_progress
from activity_recognition.training.run.trainer import STATE

from . import two_processes

SCRIPT = Path(__file__).with_name('two_processes.py')
LAUNCHERS = {
    'torchrun': ['torch.distributed.run', '--standalone', '--nproc-per-node', '2'],
    # With --cpu it would start its processes through MPI.
    'accelerate': [
        *('accelerate.commands.launch', '--multi_gpu', '--num_processes', '2'),
        *('--num_machines', '1', '--mixed_precision', 'no', '--dynamo_backend', 'no'),
        *('--main_process_port', '0'),
    ],
}


def train_in_two(out: Path, accumulation: int, launcher: str) -> list[dict[str, float]]:
    command = [sys.executable, '-m', *LAUNCHERS[launcher], str(SCRIPT), str(out), str(accumulation)]
    out.mkdir()
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((out / 'losses.json').read_text(encoding='utf-8'))


@pytest.mark.slow
@pytest.mark.parametrize(('launcher', 'accumulation'), [('torchrun', 1), ('accelerate', 2)])
def test_two_processes_have_the_losses_of_one(tmp_path: Path, launcher: str, accumulation: int):
    alone = two_processes.run(tmp_path / 'alone', accumulation)
    together = train_in_two(tmp_path / 'two', accumulation, launcher)
    assert len(alone) == len(together) >= 20
    for one, two in zip(alone, together, strict=True):
        assert one.keys() == two.keys()
        for name, value in one.items():
            tolerance = {'rel': 1e-4} if name == 'norm' else {'abs': 1e-5}
            assert two[name] == pytest.approx(value, **tolerance), name
    assert alone[-1]['total'] < alone[0]['total'] - 0.01
    states = [read_progress(tmp_path / run / STATE) for run in ('alone', 'two')]
    assert states[0].step == states[1].step
    assert states[0].best == pytest.approx(states[1].best, abs=0.02)


def test_who_works_on_what_leaves_nobody_idle():
    peers = Peers(None)
    assert peers.is_main
    assert peers.share([1, 2, 3]) == [1, 2, 3]
    rows = torch.ones(2, 3, requires_grad=True)
    gathered, own = peers.gather_rows(rows)
    assert gathered is rows
    assert own == slice(0, 2)


@pytest.mark.parametrize('name', ['FSDP', 'DEEPSPEED'])
def test_a_launch_that_shards_the_network_is_refused(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f'ACCELERATE_USE_{name}', 'true')
    with pytest.raises(ConfigError, match='expected a launch with one whole network per process'):
        choose_own_precision('cpu', 'auto')
