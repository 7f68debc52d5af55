"""Show what the network sees and hears of labelled recordings: crops as training cuts them.

Every crop is a strip of its labels, frames at the network's resolution, spectrogram and words,
changed at random as the recipe says; --plain leaves them as they are. Frames are black and sound is
red where they are missing or the recipe hides them. Example:
    activity-recognition show recordings --out crops.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'draw what the network sees and hears of labelled recordings'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to show."""
    parser.add_argument(
        'data', metavar='DATA', help='folder with recordings, or folder or URL of shards'
    )
    parser.add_argument('--out', type=Path, required=True, help='picture to write, .png')
    parser.add_argument(
        '--config', default='nano_simulated', help='name or path of a training recipe'
    )
    parser.add_argument('--count', type=int, default=6, help='crops (default: 6)')
    parser.add_argument('--seed', type=int, help="of the crops (default: the recipe's)")
    parser.add_argument('--plain', action='store_true', help='change nothing at random')
    parser.add_argument('--cache', type=Path, help='prepared recordings (default: not kept)')
    parser.add_argument('--quiet', action='store_true', help='show no progress')


def run(arguments: argparse.Namespace) -> int:
    """Write the picture."""
    import dataclasses
    import tempfile

    from rich.console import Console

    from activity_recognition.commands.train import recipe
    from activity_recognition.config import TrainConfig
    from activity_recognition.config_io import load_config
    from activity_recognition.errors import ConfigError
    from activity_recognition.training.preview import write_preview

    if arguments.count < 1:
        raise ConfigError(f'--count must be at least 1, got {arguments.count}')
    if arguments.out.suffix.lower() != '.png':
        raise ConfigError(f'--out must name a .png file, got {arguments.out}')
    config = load_config(TrainConfig, recipe(arguments.config))
    if arguments.seed is not None:
        config = dataclasses.replace(config, seed=arguments.seed)
    if arguments.plain:
        still = dataclasses.replace(config.augmentation, strength=0.0)
        config = dataclasses.replace(config, augmentation=still)
    with tempfile.TemporaryDirectory() as scratch:
        write_preview(
            arguments.out,
            config,
            arguments.data,
            cache=arguments.cache or Path(scratch),
            count=arguments.count,
            console=None if arguments.quiet else Console(stderr=True),
        )
    print(arguments.out)
    return 0
