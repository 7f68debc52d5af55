"""The effects: virtual environment, packages, build."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import host, plan, stamps, wheels
from .errors import SetupError

_REPAIR_VERSION = '1'
"""Changes when an installed environment has to be made afresh."""

_PRINT_NUMPY_HEADERS = 'import numpy; print(numpy.get_include())'


@dataclass(frozen=True)
class Workplace:
    """The folders that the steps write to."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / '.venv'

    @property
    def install(self) -> Path:
        """Where colcon installs."""
        return self.root / 'install'

    @property
    def python_stamp(self) -> Path:
        """Says which Python the virtual environment belongs to."""
        return self.venv / '.python-stamp'

    @property
    def environment_stamp(self) -> Path:
        """Says which locks were installed."""
        return self.venv / '.environment-stamp'

    @property
    def build_stamp(self) -> Path:
        """Says which sources were built."""
        return self.install / '.build-stamp'


def say(text: str) -> None:
    """Report progress, one line at a time."""
    print(f'setup: {text}', flush=True)


@contextmanager
def alone(place: Workplace) -> Iterator[None]:
    """Wait until no other set-up works on the same folders."""
    with (place.root / '.setup.lock').open('w') as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('waiting for another set-up of this folder')
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure_environment(place: Workplace, choice: plan.Plan, facts: host.Host) -> bool:
    """Make the virtual environment unless it is current; tell whether it was made."""
    fingerprint = environment_fingerprint(place, choice)
    if stamps.is_current(place.environment_stamp, fingerprint):
        return False
    host.check(facts)
    if not place.venv.exists():
        host.check_disk(facts, place.root)
    make_virtual_environment(place, choice)
    install_packages(place, choice)
    stamps.write(place.environment_stamp, fingerprint)
    return True


def ensure_build(place: Workplace, choice: plan.Plan) -> bool:
    """Build with colcon unless the install is current; tell whether it was built."""
    fingerprint = stamps.of_values(
        [stamps.of_sources(place.root), environment_fingerprint(place, choice)]
    )
    if stamps.is_current(place.build_stamp, fingerprint):
        return False
    say('building the messages and linking the package into install/')
    environment = plan.build_environment(choice, place.venv, os.environ)
    run(plan.colcon_command(choice, place.root, place.venv), environment, place.root)
    remove_dangling_links(place.install)
    stamps.write(place.build_stamp, fingerprint)
    return True


def environment_fingerprint(place: Workplace, choice: plan.Plan) -> str:
    """What the virtual environment is made from."""
    return stamps.of_values(
        [_REPAIR_VERSION, _python_fingerprint(choice), stamps.of_contents(choice.locks(place.root))]
    )


def make_virtual_environment(place: Workplace, choice: plan.Plan) -> None:
    """Create an empty virtual environment, unless there is one of this Python."""
    fingerprint = _python_fingerprint(choice)
    if stamps.is_current(place.python_stamp, fingerprint):
        return
    say(f'making {place.venv.name} with Python {sys.version.split()[0]}')
    python = os.path.realpath(sys.executable)
    options = ['--clear', *(['--system-site-packages'] if choice.system_site_packages else [])]
    run([python, '-m', 'venv', *options, str(place.venv)], dict(os.environ), place.root)
    stamps.write(place.python_stamp, fingerprint)


def install_packages(place: Workplace, choice: plan.Plan) -> None:
    """Install exactly what the locks list, and repair what the wheels got wrong."""
    environment = plan.build_environment(choice, place.venv, os.environ)
    locks = [str(lock) for lock in choice.locks(place.root)]
    python = str(place.venv / 'bin' / 'python')
    say('installing the installer')
    pip = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    run([*pip, locked_requirement(choice.locks(place.root), 'uv')], environment, place.root)
    say('installing the locked packages, about 5 GB')
    uv = [str(place.venv / 'bin' / 'uv'), 'pip', 'sync', '--quiet', '--python', python]
    run([*uv, *locks], environment, place.root)
    if choice.distribution is None:
        headers = Path(output([python, '-c', _PRINT_NUMPY_HEADERS], environment))
        wheels.repair_cmake_files(place.venv, Path(sysconfig.get_path('include')), headers)


def locked_requirement(locks: Sequence[Path], name: str) -> str:
    """Return the line of the locks that fixes one package, for example uv==1.2.3."""
    for lock in locks:
        for line in lock.read_text(encoding='utf-8').splitlines():
            if line.startswith(f'{name}=='):
                return line
    raise SetupError(f'{name} is in none of {", ".join(map(str, locks))}: run `make lock`')


def remove_dangling_links(folder: Path) -> None:
    """Remove links to files that are gone from the source tree."""
    for path in folder.rglob('*'):
        if path.is_symlink() and not path.exists():
            path.unlink()


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
    """Run a command silently; on failure show all it said."""
    done = subprocess.run(
        command, env=environment, cwd=folder, text=True, errors='replace',
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise SetupError(
            f'`{Path(command[0]).name} {command[1]} …` ended with {done.returncode}: '
            'its output above says why; mend that and run make setup again'
        )


def output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a command prints."""
    return subprocess.run(
        command, env=environment, text=True, capture_output=True, check=True
    ).stdout.strip()


def clean(place: Workplace) -> None:
    """Remove everything that the set-up made."""
    for name in ('build', 'install', '.venv'):
        shutil.rmtree(place.root / name, ignore_errors=True)


def _python_fingerprint(choice: plan.Plan) -> str:
    python = os.path.realpath(sys.executable)
    return stamps.of_values([sys.version, python, choice.lock, str(choice.distribution)])
