"""A run tells of itself in lines and, where asked, to TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from activity_recognition.errors import MissingExtraError
from activity_recognition.training.run import logbook as module
from activity_recognition.training.run.logbook import BOARD, LOG, Logbook


def scalars(run: Path) -> dict[str, dict[int, float]]:
    """Read back what was written, by name and step."""
    reading = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    events = reading.EventAccumulator(str(run / BOARD)).Reload()
    return {
        name: {event.step: event.value for event in events.Scalars(name)}
        for name in events.Tags()['scalars']
    }


def test_lines_hold_everything_and_the_board_the_numbers(tmp_path: Path):
    log = Logbook(tmp_path, tensorboard=True)
    log.write('trained', step=3, loss_total=1.5, stage='all')
    log.write('validated', step=4, own_heads={'video': 0.25, 'text': None}, epoch=1)
    log.close()
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines[0] == {'event': 'trained', 'step': 3, 'loss_total': 1.5, 'stage': 'all'}
    assert lines[1]['own_heads'] == {'video': 0.25, 'text': None}
    assert scalars(tmp_path) == {
        'trained/loss_total': {3: 1.5},
        'validated/own_heads/video': {4: 0.25},
        'validated/epoch': {4: 1.0},
    }


def test_what_a_killed_run_wrote_beyond_its_state_is_hidden(tmp_path: Path):
    killed = Logbook(tmp_path, tensorboard=True)
    for step in (1, 2, 3, 4):
        killed.write('trained', step=step, loss_total=float(step))
    killed.close()
    resumed = Logbook(tmp_path, tensorboard=True)
    resumed.write('trained', step=3, loss_total=30.0)
    resumed.close()
    assert scalars(tmp_path)['trained/loss_total'] == {1: 1.0, 2: 2.0, 3: 30.0}


def test_of_several_processes_one_writes(tmp_path: Path):
    Logbook(tmp_path, main=False, tensorboard=True).write('trained', step=1, loss_total=1.0)
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, 'find_spec', lambda name: None)
    with pytest.raises(MissingExtraError, match=r'install the extra \[tensorboard\]'):
        Logbook(tmp_path, tensorboard=True)
    Logbook(tmp_path).write('trained', step=1)
