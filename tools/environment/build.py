"""Building with colcon, as little of it as the changes ask for."""

from __future__ import annotations

import os
from pathlib import Path

from . import plan, stamps
from .workplace import Workplace, run, say

_COMMAND = """#!/bin/sh
# Made by `make setup`: the command line in the built environment.
exec '{run}' python '{command}' "$@"
"""


def ensure(place: Workplace, choice: plan.Plan) -> bool:
    """Build unless the install is current; return whether it was built.

    Other packages in the virtual environment need no mention: with it, what was built is removed.

    Args:
        place: the folders.
        choice: what is to be installed.
    """
    compiled_stamp = place.install / '.compiled-stamp'
    linked_stamp = place.install / '.linked-stamp'
    compiled, linked = stamps.of_compiled(place.root), stamps.of_linked(place.root)
    is_compiled = stamps.is_current(compiled_stamp, compiled)
    if is_compiled and stamps.is_current(linked_stamp, linked):
        return False
    linked_stamp.unlink(missing_ok=True)
    if is_compiled:
        _link(place, choice)
    else:
        compiled_stamp.unlink(missing_ok=True)
        _compile(place, choice)
        stamps.write(compiled_stamp, compiled)
    remove_dangling_links(place.install)
    stamps.write(linked_stamp, linked)
    return True


def remove_dangling_links(folder: Path) -> None:
    """Remove links to files that are gone from the source tree."""
    for path in folder.rglob('*'):
        if path.is_symlink() and not path.exists():
            path.unlink()


def _compile(place: Workplace, choice: plan.Plan) -> None:
    say(
        'building the messages and linking the package into install/: a minute of two idle cores, '
        'ten on a machine that does other work'
    )
    environment = plan.build_environment(choice, place.venv, os.environ)
    run(plan.colcon_command(choice, place.root, place.venv), environment, place.root)
    command = place.venv / 'bin' / 'activity-recognition'
    script = place.install / 'activity_recognition' / 'bin' / command.name
    text = _COMMAND.format(run=place.root / 'tools' / 'run', command=script)
    command.write_text(text, encoding='utf-8')
    command.chmod(0o755)


def _link(place: Workplace, choice: plan.Plan) -> None:
    say('linking added files into install/')
    folder = place.build / 'activity_recognition'
    environment = plan.build_environment(choice, place.venv, os.environ)
    run([place.venv / 'bin' / 'cmake', '--install', folder], environment, folder)
