"""The virtual environment, and the packages in it."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from . import host, plan, stamps, wheels
from .errors import SetupError
from .workplace import Workplace, run, say

_VERSION = '2'
"""Changes when environments made by an older set-up have to be made again."""

_PRINT_NUMPY_HEADERS = 'import numpy; print(numpy.get_include())'


def ensure(place: Workplace, choice: plan.Plan, facts: host.Host) -> bool:
    """Make the virtual environment and fill it, unless that is done; return whether it was not.

    Always from scratch: the ROS wheels bring packages that no lock lists (rclpy inside ros-rclpy),
    which an installer that brings an environment up to date would take away.

    Args:
        place: the folders.
        choice: what is to be installed.
        facts: about the machine.
    """
    stamp = place.venv / '.packages-stamp'
    wanted = fingerprint(place, choice)
    if stamps.is_current(stamp, wanted):
        return False
    host.check(facts)
    if not place.venv.exists():
        host.check_disk(facts, place.root)
    _make_virtual_environment(place, choice)
    _install(place, choice)
    stamps.write(stamp, wanted)
    return True


def fingerprint(place: Workplace, choice: plan.Plan) -> str:
    """What the packages depend on.

    Args:
        place: the folders.
        choice: what is to be installed.
    """
    locks = stamps.of_contents(choice.locks(place.requirements))
    return stamps.of_values([_python_fingerprint(place, choice), locks])


def locked_requirement(locks: Sequence[Path], name: str) -> str:
    """Return the line of the locks that fixes one package, for example uv==1.2.3.

    Args:
        locks: lock files.
        name: of the package.
    """
    for lock in locks:
        for line in lock.read_text(encoding='utf-8').splitlines():
            if line.startswith(f'{name}=='):
                return line
    names = ' or '.join(str(lock) for lock in locks)
    raise SetupError(f'expected {name}==… in {names}, found none: run `make lock`')


def _make_virtual_environment(place: Workplace, choice: plan.Plan) -> None:
    """Replace the old virtual environment, and what was built with it, by an empty one."""
    say(f'making .venv with Python {sys.version.split()[0]}')
    for stale in (place.venv, place.build, place.install):
        shutil.rmtree(stale, ignore_errors=True)
    run(plan.venv_command(choice, _base_python(), place.venv), os.environ, place.root)


def _install(place: Workplace, choice: plan.Plan) -> None:
    """Install exactly what the locks list, and repair what the wheels got wrong."""
    locks = choice.locks(place.requirements)
    environment = plan.build_environment(choice, place.venv, os.environ)
    say('fetching the installer')
    run(
        [place.python, '-m', 'pip', 'install', '--quiet', locked_requirement(locks, 'uv')],
        environment,
        place.root,
    )
    say(
        'installing the locked packages, 5 GB: half a minute where the installer has them and the '
        'machine is idle; otherwise as long as network, disk and other work make it'
    )
    run(
        [place.venv / 'bin' / 'uv', 'pip', 'sync', '--quiet', '--python', place.python, *locks],
        plan.installer_environment(environment),
        place.root,
    )
    if choice.distribution is None:
        numpy_headers = run([place.python, '-c', _PRINT_NUMPY_HEADERS], environment, place.root)
        python_headers = Path(sysconfig.get_path('include'))
        wheels.repair_cmake_files(place.venv, python_headers, Path(numpy_headers))


def _python_fingerprint(place: Workplace, choice: plan.Plan) -> str:
    """What an empty virtual environment depends on."""
    distribution = str(choice.distribution)
    return stamps.of_values([_VERSION, str(place.root), sys.version, _base_python(), distribution])


def _base_python() -> str:
    """The interpreter outside of any virtual environment."""
    return os.path.realpath(sys.executable)
