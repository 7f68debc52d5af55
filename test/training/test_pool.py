"""Work in other processes comes back whole, and errors come back as they are."""

import math
import multiprocessing
import subprocess
import sys

import pytest
from rich.console import Console

from activity_recognition.training.pool import spread, worker_count
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
