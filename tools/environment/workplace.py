"""The folders that the set-up writes to, and how it runs programs there."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError

_SILENCE_S = 30.0
"""Longest time without a sign of life, seconds."""


@dataclass(frozen=True)
class Workplace:
    """A checkout of the repository."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / '.venv'

    @property
    def python(self) -> Path:
        """Python of the virtual environment."""
        return self.venv / 'bin' / 'python'

    @property
    def build(self) -> Path:
        """Where colcon builds."""
        return self.root / 'build'

    @property
    def install(self) -> Path:
        """Where colcon installs."""
        return self.root / 'install'

    @property
    def requirements(self) -> Path:
        """Where the locks are, and what they are made from."""
        return self.root / 'requirements'

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other set-up works here."""
        with (self.root / '.setup.lock').open('w') as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say('waiting for another set-up of this folder')
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def say(text: str) -> None:
    """Report progress, one line at a time."""
    print(f'setup: {text}', flush=True)


def run(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> str:
    """Run a command silently and return what it printed; on failure show that, and raise.

    Args:
        command: program and arguments.
        environment: variables of the command.
        folder: where it runs.
    """
    with subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        text=True,
        errors='replace',
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        printed = _wait(process)
    if process.returncode:
        print(printed, file=sys.stderr)
        name = ' '.join(str(word) for word in (Path(command[0]).name, *command[1:4]))
        raise SetupError(
            f'`{name} …` ended with status {process.returncode}: '
            'its output is above; mend what it names and run make setup again'
        )
    return printed.strip()


def _wait(process: subprocess.Popen[str]) -> str:
    """Return what a process printed when it has ended; until then, say that it runs."""
    start = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=_SILENCE_S)[0]
        except subprocess.TimeoutExpired:
            say(f'still at it after {time.monotonic() - start:.0f} s{_busy()}')


def _busy() -> str:
    """Say so where other programs want more than this machine has."""
    wanting, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    return f'; the machine is busy: {wanting:.0f} processes for {cores} cores' * (wanting > cores)
