"""Decisions that follow from the host, without effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .host import Distribution, Host

SUPPORTED_DISTRIBUTION = 'jazzy'

STAND_INS = tuple(Path('interfaces') / name for name in ('audio_common_msgs', 'hri_msgs'))
"""Packages of messages that are built where they are missing, from the repository's root."""

SYSTEM_CERTIFICATES = Path('/etc/ssl/certs/ca-certificates.crt')
"""Where Debian and Ubuntu keep them, with those of a company's proxy."""

_OWN_VARIABLES = (
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
    'VIRTUAL_ENV',
    'PYTHONHOME',
    'COLCON_PREFIX_PATH',
)


@dataclass(frozen=True)
class Plan:
    """How to set up on one host."""

    lock: str
    """Name of the lock family under requirements/: wheels or jazzy."""
    distribution: Distribution | None
    """The ROS distribution to stand on; None for the wheels."""
    packages: tuple[Path, ...]
    """Folders of the ROS packages to build, from the repository's root."""
    warnings: tuple[str, ...] = ()

    @property
    def system_site_packages(self) -> bool:
        """Whether the virtual environment sees the distribution's Python packages."""
        return self.distribution is not None

    def locks(self, folder: Path) -> list[Path]:
        """Lock files to install, exactly."""
        return [folder / f'{self.lock}-{group}.lock' for group in ('run', 'dev')]


def choose(host: Host) -> Plan:
    """Choose between the wheels and the sourced distribution."""
    distribution = host.distribution
    if distribution is None:
        return Plan('wheels', None, (Path(), *STAND_INS))
    warnings = []
    if distribution.name != SUPPORTED_DISTRIBUTION:
        warnings.append(
            f'ROS {distribution.name} is sourced, which is untested: '
            f'{SUPPORTED_DISTRIBUTION} is the supported distribution'
        )
    missing = (path for path in STAND_INS if not distribution.has_package(path.name))
    return Plan('jazzy', distribution, (Path(), *missing), tuple(warnings))


def build_environment(plan: Plan, venv: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for colcon: our virtual environment first, and one set of ROS prefixes.

    Args:
        plan: what is to be installed.
        venv: the virtual environment.
        environ: variables of the process.
    """
    result = {key: value for key, value in environ.items() if key not in _OWN_VARIABLES}
    result['VIRTUAL_ENV'] = str(venv)
    result['PATH'] = f'{venv / "bin"}:{environ.get("PATH", "/usr/bin:/bin")}'
    if plan.distribution is None:
        result.pop('PYTHONPATH', None)
        result['CMAKE_PREFIX_PATH'] = result['AMENT_PREFIX_PATH'] = str(venv)
    else:
        prefixes = ':'.join(map(str, plan.distribution.prefixes))
        result['CMAKE_PREFIX_PATH'] = result['AMENT_PREFIX_PATH'] = prefixes
    return result


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for uv: the index that pip is configured with, and certificates as pip finds them.

    Extra indexes and folders of pip stay out: they may hold another build of a locked version.
    """
    result = dict(environ)
    for pip, uv in (('PIP_INDEX_URL', 'UV_DEFAULT_INDEX'), ('PIP_CERT', 'SSL_CERT_FILE')):
        if pip in environ:
            result.setdefault(uv, environ[pip])
    if SYSTEM_CERTIFICATES.exists():
        result.setdefault('UV_SYSTEM_CERTS', 'true')
    result['UV_PYTHON_DOWNLOADS'] = 'never'
    return result


def venv_command(plan: Plan, python: str, venv: Path) -> list[str]:
    """The making of an empty virtual environment.

    Args:
        plan: what is to be installed.
        python: the interpreter.
        venv: the virtual environment.
    """
    options = ['--system-site-packages'] if plan.system_site_packages else []
    return [python, '-m', 'venv', *options, str(venv)]


def colcon_command(plan: Plan, root: Path, venv: Path) -> list[str]:
    """The build, with the files linked so that edits count without another build.

    Args:
        plan: what is to be installed.
        root: of the repository.
        venv: the virtual environment.
    """
    return [
        *('colcon', '--log-base', str(root / 'build' / 'log'), 'build'),
        *('--base-paths', *(str(root / package) for package in plan.packages)),
        *('--build-base', str(root / 'build'), '--install-base', str(root / 'install')),
        *('--symlink-install', '--cmake-force-configure', '--event-handlers', 'console_direct-'),
        *('--cmake-args', '-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={venv / "bin" / "python"}'),
        *(() if plan.distribution else ('-G', 'Ninja')),
    ]
