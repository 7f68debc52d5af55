"""Make a checkpoint from a file that describes activities in words, before anything was recorded.

For each label the file has sentences that people say when it happens, and names of sounds. What is
said is compared with the sentences by MiniLM; sounds are those of YAMNet's classes. The checkpoint
is one like any other: run it, evaluate it, train on from it. Example:
    activity-recognition weights fetch minilm yamnet yamnet_class_map
    activity-recognition describe config/activities.yaml --out runs/described
    activity-recognition run --checkpoint runs/described
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

HELP = 'make a checkpoint from activities described in words, without recordings'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is described, and where the checkpoint goes."""
    parser.add_argument('activities', type=Path, metavar='ACTIVITIES.yaml', help='the description')
    parser.add_argument(
        '--out', type=Path, required=True, metavar='CHECKPOINT', help='folder to write'
    )
    parser.add_argument(
        '--preset',
        default='described',
        help='name or path of a preset of audio and text (default: described)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of what counts only after training')


def run(arguments: argparse.Namespace) -> int:
    """Read, make, write, and say what it knows."""
    from activity_recognition.activities import read_activities
    from activity_recognition.config_io import load_model_config
    from activity_recognition.training.described import describe, save_described
    from activity_recognition.training.run.descriptions import demand_described

    preset = load_model_config(arguments.preset)
    demand_described(arguments.activities, preset)
    activities = read_activities(arguments.activities)
    described = describe(activities, preset, seed=arguments.seed)
    save_described(described, arguments.out, source=arguments.activities.name)
    spoken = sum(bool(activity.words) for activity in activities)
    heard = sum(bool(activity.sounds) for activity in activities)
    print(
        f'{arguments.out}: {len(activities)} activities, {spoken} known by words, {heard} by '
        'sounds; nothing was learnt from recordings'
    )
    if described.words is not None:
        print(
            f'of the sentences, each left out in turn, the others find '
            f'{100 * described.words.recalled:.0f} %'
        )
    return 0
