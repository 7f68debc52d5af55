"""Programs of this package let threads of PyTorch wait asleep, unless the user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from activity_recognition.entry import missing_modules_named

COMMAND = """
import contextlib, sys
from activity_recognition.cli import main
with contextlib.suppress(SystemExit):
    main(['--version'])
assert 'torch' not in sys.modules
import torch
"""
PROGRAM = """
from activity_recognition.entry import missing_modules_named
with missing_modules_named('recognizer'):
    import torch
"""


def spins_of(script: str, **environment: str) -> int:
    """How often a waiting thread of OpenMP looks before it sleeps, by its own word."""
    inherited = {k: v for k, v in os.environ.items() if k != 'OMP_WAIT_POLICY'}
    done = subprocess.run(
        [sys.executable, '-c', script],
        env={**inherited, 'OMP_DISPLAY_ENV': 'VERBOSE', **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if 'GOMP_SPINCOUNT' in line]
    if not lines:
        pytest.skip("PyTorch's OpenMP is not that of GNU")
    return int(lines[0].partition("'")[2].rstrip("'"))


@pytest.mark.parametrize('script', [COMMAND, PROGRAM], ids=['command', 'program'])
def test_threads_wait_passively(script: str):
    assert spins_of(script) == 0


def test_what_the_user_says_stays():
    assert spins_of(COMMAND, OMP_WAIT_POLICY='ACTIVE') > 1000
    assert spins_of(COMMAND, GOMP_SPINCOUNT='7') == 7


def test_what_is_started_inherits_it(monkeypatch):
    monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)
    with missing_modules_named('player'):
        said = subprocess.run(
            ['printenv', 'OMP_WAIT_POLICY'], capture_output=True, text=True, check=True
        )
    assert said.stdout == 'PASSIVE\n'
