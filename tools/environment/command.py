"""The command line of the set-up."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from . import host, plan, steps
from .errors import SetupError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog='setup', description='Make the environment and build.')
    parser.add_argument('command', choices=('setup', 'clean'), nargs='?', default='setup')
    chosen = parser.parse_args(arguments)
    place = steps.Workplace(ROOT)
    try:
        with steps.alone(place):
            if chosen.command == 'clean':
                steps.clean(place)
            else:
                set_up(place)
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('setup: interrupted; the next run continues', file=sys.stderr)
        return 130
    return 0


def set_up(place: steps.Workplace) -> None:
    """Make the environment and build, as far as that is not done yet."""
    start = time.monotonic()
    facts = host.inspect(place.root, os.environ)
    choice = plan.choose(facts)
    for warning in choice.warnings:
        steps.say(f'warning: {warning}')
    made = steps.ensure_environment(place, choice, facts)
    built = steps.ensure_build(place, choice)
    if made or built:
        steps.say(f'ready after {time.monotonic() - start:.0f} s')
