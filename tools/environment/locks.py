"""The exact versions, chosen again: `make lock`."""

from __future__ import annotations

import os
from pathlib import Path

from . import plan
from .errors import SetupError
from .workplace import Workplace, run, say

_OPTIONS = (
    *('--universal', '--python-version', '3.10', '--quiet'),
    *('--no-header', '--no-annotate', '--no-emit-index-url', '--no-emit-find-links'),
)

_FAMILIES = {
    'wheels': ('wheels.in',),
    'jazzy': ('jazzy.in', '--overrides', 'jazzy-overrides.in'),
}


def renew(place: Workplace, *, upgrade: bool = False) -> None:
    """Write the locks from the .in files and pyproject.toml.

    Args:
        place: the checkout.
        upgrade: choose the newest versions that fit; otherwise those locked so far stay.
    """
    uv = place.venv / 'bin' / 'uv'
    if not uv.exists():
        raise SetupError(f'expected the installer at {uv}: run `make setup` first')
    for family, inputs in _FAMILIES.items():
        say(f'locking {family}')
        run_lock, dev_lock = (f'{family}-{group}.lock' for group in ('run', 'dev'))
        options = ('--upgrade',) if upgrade else ()
        common = (*options, '../pyproject.toml', 'run.in', 'build.in')
        _compile(uv, place.requirements, (*common, *inputs), run_lock)
        _compile(uv, place.requirements, (*options, 'dev.in', '--constraints', run_lock), dev_lock)


def _compile(uv: Path, folder: Path, inputs: tuple[str, ...], lock: str) -> None:
    run(
        [uv, 'pip', 'compile', *_OPTIONS, *inputs, '--output-file', lock],
        plan.installer_environment(os.environ),
        folder,
    )
