"""The folders that the set-up writes to, and how it runs programs there."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError


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
    """Run a command silently and return what it printed; on failure show that, and raise."""
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        text=True,
        errors='replace',
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        name = ' '.join(str(word) for word in (Path(command[0]).name, *command[1:4]))
        raise SetupError(
            f'`{name} …` ended with status {done.returncode}: '
            'its output is above; mend what it names and run make setup again'
        )
    return done.stdout.strip()
