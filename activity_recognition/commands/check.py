"""Check labelled recordings before training on them: every problem in one run, then a table.

Looks at every recording below DATA: whether it can be read to its end, topics that are missing,
messages that cannot be decoded, clock jumps, silent sensors, labels that are malformed, overlap,
reach beyond the recording, or are rare, and the table of splits. The exit status is 1 where a
recording cannot be used and --strict is given, or none can. Example:
    activity-recognition check recordings
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.commands.options import add_recorded_options, recorded_overrides
from activity_recognition.commands.recipes import add_recipe_options
from activity_recognition.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from activity_recognition.recorded import RecordedConfig
    from activity_recognition.training.data.inspection import Inspection

HELP = 'find everything that is wrong with labelled recordings'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to look at."""
    parser.add_argument('data', metavar='DATA', type=Path, help='folder with recordings')
    parser.add_argument(
        '--labels', nargs='+', default=(), metavar='LABEL', help='labels that may occur'
    )
    parser.add_argument(
        '--strict', action='store_true', help='fail where any recording cannot be used'
    )
    parser.add_argument(
        '--config',
        help='name or path of a training recipe, for what it says of recordings (default: none)',
    )
    parser.add_argument('--jobs', type=int, default=0, help='processes; 0 takes one per core')
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    add_recipe_options(parser)
    add_recorded_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the problems and the summary."""
    from activity_recognition.console import PlainConsole, make_console
    from activity_recognition.training.data.inspection import inspect

    _note_networks(arguments)
    found = inspect(
        arguments.data,
        known=arguments.labels,
        recorded=_recorded(arguments),
        workers=arguments.jobs,
        console=make_console(quiet=arguments.quiet),
    )
    console = PlainConsole()
    for problem in found.all_problems:
        word, style = ('error', 'red') if problem.fatal else ('note', 'yellow')
        console.print(f'{word}: ', style=style, end='')
        console.print(problem.text, soft_wrap=True)
    if found.labels:
        console.print(label_table(found))
    console.print(_summary(found), soft_wrap=True)
    damaged = any(problem.fatal for problem in found.all_problems)
    unusable = len(found.damaged) == len(found.recordings)
    return int(unusable or (arguments.strict and damaged))


def _note_networks(arguments: argparse.Namespace) -> None:
    """Say which networks a recipe needs that are not here: a check does without, training not."""
    from activity_recognition.commands.recipes import load_recipe
    from activity_recognition.frozen_networks import (
        explain_networks,
        networks_of,
        networks_to_begin_with,
    )

    if not arguments.config:
        return
    model = load_recipe(arguments).model_config()
    if lacking := explain_networks(networks_of(model), networks_to_begin_with(model)):
        print(f'note: {arguments.config} cannot be trained here yet: {lacking}', file=sys.stderr)


def _recorded(arguments: argparse.Namespace) -> RecordedConfig:
    from activity_recognition.commands.recipes import load_recipe
    from activity_recognition.recorded import DEFAULTS

    if arguments.overrides and not arguments.config:
        raise ConfigError('--set replaces settings of a recipe; name one with --config')
    if arguments.config:
        return load_recipe(arguments).recorded
    return DEFAULTS.with_overrides(recorded_overrides(arguments))


def label_table(found: Inspection) -> Table:
    """Return how long each label lasts and how much of it each modality covers."""
    from rich.table import Table

    from activity_recognition.types import ALL_MODALITIES, MODALITIES

    usable = [recording for recording in found.recordings if recording.usable]
    there = {m for recording in usable for m, count in recording.samples.items() if count}
    shown = [m for m in ALL_MODALITIES if m in MODALITIES or m in there]
    table = Table('label', 'recordings', 'minutes', *(f'{m} %' for m in shown))
    for column in table.columns[1:]:
        column.justify = 'right'
    for label in found.labels:
        having = [recording for recording in usable if label in recording.label_s]
        seconds = sum(recording.label_s[label] for recording in having)
        shares = [
            100 * sum(r.covered_s.get((label, m), 0.0) for r in having) / seconds for m in shown
        ]
        table.add_row(
            label, str(len(having)), f'{seconds / 60:.1f}', *(f'{share:.0f}' for share in shares)
        )
    return table


def _summary(found: Inspection) -> str:
    usable = [recording for recording in found.recordings if recording.usable]
    minutes = sum(recording.duration_s for recording in usable) / 60
    errors = sum(problem.fatal for problem in found.all_problems)
    notes = len(found.all_problems) - errors
    return (
        f'{len(usable)} of {len(found.recordings)} recordings can be used, {minutes:.1f} minutes, '
        f'{len(found.labels)} labels; {errors} errors, {notes} notes'
    )
