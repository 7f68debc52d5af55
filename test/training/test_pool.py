"""Work in other processes comes back whole, and errors come back as they are."""

import io
import math
import multiprocessing
import queue
import subprocess
import sys
import types

import pytest
from rich.console import Console

from activity_recognition.training import pool
from activity_recognition.training.pool import (
    ALIVE_S,
    ProgressLines,
    make_progress,
    spread,
    worker_count,
)
from factories.timing import PATIENCE_S


@pytest.mark.parametrize('workers', [1, 2])
def test_every_item_comes_back_under_its_index(workers: int):
    console = Console(record=True, width=100)
    items = [5, 3, 8, 1]
    found = dict(
        spread(math.factorial, items, workers=workers, description='counting', console=console)
    )
    assert found == {0: 120, 1: 6, 2: 40320, 3: 1}
    assert 'counting' in console.export_text()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize('workers', [1, 2])
def test_an_error_ends_everything(workers: int):
    with pytest.raises(ValueError, match='factorial'):
        dict(spread(math.factorial, [1, -1], workers=workers, description='counting'))


def test_stopping_half_way_leaves_no_process_behind():
    results = spread(math.factorial, list(range(50)), workers=2, description='counting')
    next(results)
    children = multiprocessing.active_children()
    results.close()
    for child in children:
        child.join(PATIENCE_S)
    assert not multiprocessing.active_children()


WITH_A_WORKER_AT_WORK = """
import time
from activity_recognition.training.pool import spread
results = spread(time.sleep, [0, 3600, 3600], workers=2, description='sleeping')
next(results)
print('at work', flush=True)
next(results)
"""


def test_workers_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen(
        [sys.executable, '-c', WITH_A_WORKER_AT_WORK], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == 'at work\n'
    parent.kill()
    # Its workers have its output, which ends when the last of them does.
    parent.communicate(timeout=PATIENCE_S)


def test_nothing_to_do_is_done():
    assert list(spread(math.factorial, [], workers=2, description='counting')) == []


def test_zero_workers_are_one_per_core():
    assert worker_count(0) >= 1
    assert worker_count(3) == 3


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_without_a_terminal_lines_say_how_far_the_work_is():
    clock, written = Clock(), io.StringIO()
    console = Console(file=written, width=40)
    with ProgressLines(console, clock) as progress:
        task = progress.add_task('training [/x]', total=200, note='')
        for done in range(1, 101):
            clock.now_s += 1.0
            progress.update(task, completed=done, note=f'epoch 1, loss {done}')
    lines = written.getvalue().splitlines()
    assert len(lines) == 100 // ALIVE_S + 1
    assert lines[0] == 'training [/x]: 10 %, 0:00:20 gone, about 0:03:00 left; epoch 1, loss 20'
    assert lines[-1].startswith('training [/x]: 50 %, 0:01:40 gone')


def test_a_line_comes_also_where_nothing_is_reported(monkeypatch):
    """One recording, or a validation, may take minutes."""
    monkeypatch.setattr(pool, '_LOOK_S', 0.01)
    clock, written = Clock(), queue.SimpleQueue()
    console = Console(file=types.SimpleNamespace(write=written.put, flush=lambda: None))
    with ProgressLines(console, clock) as progress:
        progress.add_task('reading recordings', total=3, note='0 of 3')
        clock.now_s += ALIVE_S
        line = written.get(timeout=PATIENCE_S)
    assert line.strip() == 'reading recordings: 0 %, 0:00:20 gone; 0 of 3'


def test_short_work_is_one_line_and_a_terminal_has_its_bar():
    written = io.StringIO()
    with make_progress(Console(file=written)) as progress:
        progress.add_task('counting', total=3, note='0 of 3')
    assert written.getvalue() == 'counting: 0 %, 0:00:00 gone; 0 of 3\n'
    assert isinstance(progress, ProgressLines)
    assert not isinstance(make_progress(Console(force_terminal=True)), ProgressLines)
    assert not isinstance(make_progress(None), ProgressLines)
