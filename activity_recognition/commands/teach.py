"""Teach a checkpoint more activities from a few recordings of each, in a minute.

RECORDINGS are what `train` takes: a folder of rosbag2 recordings with a labels.csv each, or shards;
or what `import` takes: a folder with a folder of clips for each label, or a table of clips. Five to
ten recordings of an activity are enough to begin with, of several people where it can be.

A label that the checkpoint does not know is added. One that it knows is learnt again, from what the
checkpoint keeps of it and the new recordings; with --replace from the new ones alone. What it says
of all other labels stays as it is. How good the taught ones are is found out by leaving each
recording out once, or each group that splits.csv names; then the report says what is confused and
what to record more of. Recordings of the split test are left alone, for `evaluate`. Examples:
    activity-recognition teach clips/ --out my_checkpoint
    activity-recognition teach recordings --from runs/first --out runs/taught --replace waving
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.commands.options import add_recorded_options, recorded_overrides

if TYPE_CHECKING:
    from rich.table import Table

    from activity_recognition.training.teaching.teach import Lesson

HELP = 'teach a checkpoint more activities from a few recordings'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is taught, to whom, and where the result goes."""
    parser.add_argument(
        'recordings',
        metavar='RECORDINGS',
        help='folder with labelled recordings, shards, folder of label folders, or table of clips',
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the taught checkpoint')
    parser.add_argument(
        '--from',
        dest='taught_from',
        metavar='CHECKPOINT',
        help='folder of a checkpoint or of a training run to begin with, or people or nano '
        '(default: people where its networks are found, else nano)',
    )
    parser.add_argument(
        '--replace',
        action='append',
        default=[],
        metavar='LABEL',
        help='learn a label that the checkpoint knows from these recordings alone; may be given '
        'several times',
    )
    parser.add_argument(
        '--forget',
        action='store_true',
        help='leave out the labels of before: the result knows those of RECORDINGS alone',
    )
    parser.add_argument(
        '--keep-nothing',
        action='store_true',
        help='keep no features of these recordings in the checkpoint; the next lesson then does '
        'not know them',
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, … (default: cpu)')
    parser.add_argument('--jobs', type=int, default=0, help='processes; 0 takes one per core')
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    add_recorded_options(parser, before="what the checkpoint's training used")


def run(arguments: argparse.Namespace) -> int:
    """Teach, report, and say where the checkpoint is."""
    from activity_recognition.console import PlainConsole, make_console
    from activity_recognition.default_checkpoint import choose_checkpoint
    from activity_recognition.frozen_networks import demand_checkpoint
    from activity_recognition.models.checkpoint import load_checkpoint
    from activity_recognition.training.evaluation.recordings import recorded_of
    from activity_recognition.training.teaching.teach import TeachConfig, teach

    config = TeachConfig(
        replace=tuple(arguments.replace),
        forget=arguments.forget,
        keep=not arguments.keep_nothing,
        device=arguments.device,
        num_workers=arguments.jobs,
    )
    choice = choose_checkpoint(arguments.taught_from or '')
    if choice.remark:
        PlainConsole(stderr=True).print(choice.remark, style='yellow')
    demand_checkpoint(choice.path)
    checkpoint = load_checkpoint(choice.path)
    lesson = teach(
        checkpoint,
        arguments.recordings,
        arguments.out,
        config,
        recorded=recorded_of(checkpoint).with_overrides(recorded_overrides(arguments)),
        console=make_console(quiet=arguments.quiet),
    )
    _report(lesson)
    print(lesson.checkpoint)
    return 0


def _report(lesson: Lesson) -> None:
    """Say on stderr what came of it, what is most doubtful last."""
    from activity_recognition.console import PlainConsole

    console = PlainConsole(stderr=True)
    for reason in lesson.skipped:
        console.print(f'left out: {reason}', style='yellow')
    console.print(_table(lesson))
    for sentence in (lesson.estimate.headline(), *lesson.confusions, *lesson.sentences):
        console.print(sentence)
    for sentence in lesson.warnings:
        console.print(f'note: {sentence}', style='yellow')
    for sentence in lesson.to_record:
        console.print(f'to record: {sentence}', style='yellow')
    console.print(f'taught in {sum(lesson.seconds.values()):.0f} s')


def _table(lesson: Lesson) -> Table:
    from rich.table import Table

    table = Table('label', box=None, pad_edge=False)
    for head in ('recordings', 'right when left out', '95 % interval'):
        table.add_column(head, justify='right')
    for each in lesson.estimate.labels:
        low, high = each.interval
        asked = f'{each.right} of {each.asked}' if each.asked else 'not known'
        interval = f'{100 * low:.0f}–{100 * high:.0f} %' if each.asked else ''
        table.add_row(each.label, str(each.recordings), asked, interval)
    return table
