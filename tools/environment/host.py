"""What the machine has, and a sentence for what it lacks."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError

NEEDED_DISK_BYTES = 8 * 1000**3
"""Room for the packages (5 GB), their downloads and the build."""


@dataclass(frozen=True)
class Distribution:
    """A sourced ROS distribution."""

    name: str
    """Value of ROS_DISTRO, for example jazzy."""
    prefixes: tuple[Path, ...]
    """Its entries of AMENT_PREFIX_PATH, and those of overlays, in their order."""

    def pythons(self) -> list[str]:
        """Names of the Pythons that its rclpy was built for, for example python3.12."""
        found = {
            path.parents[1].name
            for prefix in self.prefixes
            for kind in ('site-packages', 'dist-packages')
            for path in prefix.glob(f'lib/python3.*/{kind}/rclpy')
        }
        return sorted(found)

    def has_package(self, name: str) -> bool:
        """Return whether a ROS package is installed in one of the prefixes."""
        marker = Path('share/ament_index/resource_index/packages') / name
        return any((prefix / marker).exists() for prefix in self.prefixes)


@dataclass(frozen=True)
class Host:
    """The facts that the plan is made from."""

    python: tuple[int, int]
    machine: str
    """Processor architecture as `uname -m` says it."""
    system: str
    """Operating system as `uname -s` says it."""
    distribution: Distribution | None
    compiler: str | None
    """The C compiler, a path; None without one."""
    has_cxx: bool
    has_headers: bool
    """Whether Python.h is installed."""
    has_venv: bool
    """Whether virtual environments with pip can be made."""
    free_bytes: int


def inspect(root: Path, environ: Mapping[str, str]) -> Host:
    """Look at the machine that would hold an environment under `root`.

    Args:
        root: of the repository.
        environ: variables of the process.
    """
    headers = Path(sysconfig.get_path('include')) / 'Python.h'
    path = environ.get('PATH')
    return Host(
        python=sys.version_info[:2],
        machine=platform.machine(),
        system=platform.system(),
        distribution=sourced_distribution(root, environ),
        compiler=_first_program((environ.get('CC'), 'cc', 'gcc', 'clang'), path),
        has_cxx=_first_program((environ.get('CXX'), 'c++', 'g++', 'clang++'), path) is not None,
        has_headers=headers.exists(),
        has_venv=all(importlib.util.find_spec(name) for name in ('venv', 'ensurepip')),
        free_bytes=shutil.disk_usage(root).free,
    )


def sourced_distribution(root: Path, environ: Mapping[str, str]) -> Distribution | None:
    """Find the ROS distribution that the environment names, apart from our own prefixes.

    Args:
        root: of the repository.
        environ: variables of the process.
    """
    name = environ.get('ROS_DISTRO')
    prefixes = [Path(item) for item in environ.get('AMENT_PREFIX_PATH', '').split(':') if item]
    foreign = tuple(p for p in prefixes if not p.resolve().is_relative_to(root.resolve()))
    return Distribution(name, foreign) if name and foreign else None


def check(host: Host) -> None:
    """Raise SetupError for the first thing that is missing."""
    _check_platform(host)
    _check_distribution_python(host)
    version = '.'.join(map(str, host.python))
    if not host.has_venv:
        raise SetupError(
            f'Python {version} cannot make virtual environments: install its venv module, '
            f'on Debian and Ubuntu: apt install python{version}-venv'
        )
    if host.compiler is None or not host.has_cxx:
        missing = 'C compiler' if host.compiler is None else 'C++ compiler'
        raise SetupError(
            f'no {missing} found, and the ROS messages are compiled: install one, '
            'on Debian and Ubuntu: apt install build-essential'
        )
    if not host.has_headers:
        raise SetupError(
            f'Python.h of Python {version} not found, and the ROS messages are compiled: '
            f'install the headers, on Debian and Ubuntu: apt install python{version}-dev'
        )


def check_disk(host: Host, root: Path) -> None:
    """Raise SetupError when the packages would not fit.

    Args:
        host: the machine.
        root: folder of the environment.
    """
    if host.free_bytes < NEEDED_DISK_BYTES:
        raise SetupError(
            f'{root} has {host.free_bytes / 1e9:.1f} GB free, and the environment needs '
            f'{NEEDED_DISK_BYTES / 1e9:.0f} GB: free some, or clone onto a larger disk'
        )


def _check_platform(host: Host) -> None:
    if host.distribution is not None:
        return
    if host.system != 'Linux':
        raise SetupError(f'expected Linux, got {host.system}: use a Linux machine or container')
    if host.machine != 'x86_64':
        raise SetupError(
            f'there are no ROS wheels for {host.machine}: install ROS 2 Jazzy, '
            'run `. /opt/ros/jazzy/setup.sh`, and try again'
        )


def _check_distribution_python(host: Host) -> None:
    if host.distribution is None:
        return
    wanted = host.distribution.pythons()
    current = 'python{}.{}'.format(*host.python)
    if wanted and current not in wanted:
        raise SetupError(
            f'ROS {host.distribution.name} is built for {" and ".join(wanted)}, got {current}: '
            f'make setup PYTHON=/usr/bin/{wanted[0]}'
        )


def _first_program(names: tuple[str | None, ...], path: str | None) -> str | None:
    found = (shutil.which(name.split()[0], path=path) for name in names if name)
    return next((item for item in found if item), None)
