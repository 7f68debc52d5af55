"""The command line in this process, and as a process of its own."""

import os
import subprocess
import sys

import pytest

from activity_recognition import cli


@pytest.fixture
def command(capsys):
    """Run a command here; return its exit status and what it printed."""

    def run(*words):
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as end:  # argparse's way
            status = end.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def start():
    """Start a command as a process; whatever still runs at the end is killed."""
    started = []

    def begin(*words, **environment):
        process = subprocess.Popen(
            [sys.executable, '-m', 'activity_recognition', *map(str, words)],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
