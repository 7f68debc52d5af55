"""The command line of the set-up."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import build, host, locks, packages, plan
from .errors import SetupError
from .workplace import Workplace, say

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog='setup', description='Make the environment and build.')
    parser.add_argument('command', choices=sorted(COMMANDS), nargs='?', default='setup')
    parser.add_argument('--upgrade', action='store_true', help='lock the newest versions')
    chosen = parser.parse_args(arguments)
    place = Workplace(ROOT)
    try:
        with place.alone():
            COMMANDS[chosen.command](place, chosen)
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('setup: interrupted; run it again to go on', file=sys.stderr)
        return 130
    return 0


def set_up(place: Workplace, _: argparse.Namespace) -> None:
    """Make the environment and build, as far as that is not done yet."""
    start = time.monotonic()
    facts = host.inspect(place.root, os.environ)
    choice = plan.choose(facts)
    for warning in choice.warnings:
        say(f'warning: {warning}')
    changed = [packages.ensure(place, choice, facts), build.ensure(place, choice)]
    if any(changed):
        say(f'ready after {time.monotonic() - start:.0f} s')


def lock(place: Workplace, chosen: argparse.Namespace) -> None:
    """Write the locks again.

    Args:
        place: the folders.
        chosen: options of the command.
    """
    locks.renew(place, upgrade=chosen.upgrade)


def clean(place: Workplace, _: argparse.Namespace) -> None:
    """Remove everything that the set-up made."""
    for folder in (place.build, place.install, place.venv):
        shutil.rmtree(folder, ignore_errors=True)


COMMANDS: dict[str, Callable[[Workplace, argparse.Namespace], None]] = {
    'clean': clean,
    'lock': lock,
    'setup': set_up,
}
