"""Draw the network inputs of labelled recordings: crops as training cuts them.

Every crop is a strip: the name of its recording and the seconds of it, its labels, and a row per
modality, such as frames at the network's resolution, the spectrogram and the text. They are
changed at random as the recipe says; --plain changes, hides and thins nothing, at even places;
--only makes some of the changes alone. Where a modality is missing or the recipe hides it, frames
are black, and the spectrogram or curves are red.

Example:
    activity-recognition show recordings --out crops.png --only mirror word_errors
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from activity_recognition.commands.options import CACHE_OF_SHARDS, add_recorded_options
from activity_recognition.commands.recipes import add_recipe_options
from activity_recognition.config_io import build_config, to_mapping, unknown_key
from activity_recognition.errors import ConfigError
from activity_recognition.scratch import scratch_folder
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig

HELP = 'draw the network inputs of labelled recordings'
TAKES_ROS_ARGUMENTS = False

DROPOUT = 'modality_dropout'
_HOW = ('strength', 'mel_mask_bins', 'time_mask_columns')
"""Settings of `augmentation` that say how a change is made, not whether."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to show."""
    parser.add_argument(
        'data', metavar='DATA', help='folder with recordings, or folder or URL of shards'
    )
    parser.add_argument('--out', type=Path, required=True, help='image to write, .png')
    parser.add_argument(
        '--config', default='nano_simulated', help='name or path of a training recipe'
    )
    parser.add_argument('--count', type=int, default=6, help='crops (default: 6)')
    parser.add_argument('--seed', type=int, help="of the crops (default: the recipe's)")
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='CHANGE',
        help='make these changes alone: settings of `augmentation`, or modality_dropout',
    )
    parser.add_argument('--plain', action='store_true', help='change nothing at random')
    parser.add_argument(
        '--cache', type=Path, help=f'prepared recordings (default: not kept; {CACHE_OF_SHARDS})'
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    add_recipe_options(parser)
    add_recorded_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the image."""
    from activity_recognition.commands.recipes import load_recipe
    from activity_recognition.console import make_console
    from activity_recognition.training.preview.strips import write_preview
    from activity_recognition.training.sharding.opening import usual_cache

    if arguments.count < 1:
        raise ConfigError(f'--count must be at least 1, got {arguments.count}')
    if arguments.out.suffix.lower() != '.png':
        raise ConfigError(f'--out must name a .png file, got {arguments.out}')
    config = load_recipe(arguments)
    if arguments.seed is not None:
        config = dataclasses.replace(config, seed=arguments.seed)
    if arguments.only:
        config = alone(config, arguments.only)
    with scratch_folder() as scratch:
        write_preview(
            arguments.out,
            config,
            arguments.data,
            cache=arguments.cache or usual_cache(arguments.data, scratch),
            count=arguments.count,
            plain=arguments.plain,
            console=make_console(quiet=arguments.quiet),
        )
    print(arguments.out)
    return 0


def alone(config: TrainConfig, names: Sequence[str]) -> TrainConfig:
    """Return a recipe that makes some of its random changes and no other.

    Args:
        config: the recipe.
        names: of the random changes to keep.

    Raises:
        ConfigError: a change is not known, or the recipe does not make it.
    """
    whole = {**to_mapping(config.augmentation), DROPOUT: config.modality_dropout}
    changes = [name for name in whole if name not in _HOW]
    for name in names:
        if name not in changes:
            raise ConfigError(unknown_key(name, changes, '--only'))
        if not whole[name]:
            raise ConfigError(
                f'--only: {name} is 0 in the recipe; expected a change that it makes, set it there'
            )
    kept = {name: value if name in (*names, *_HOW) else 0 for name, value in whole.items()}
    dropout = float(kept.pop(DROPOUT))
    return dataclasses.replace(
        config, modality_dropout=dropout, augmentation=build_config(AugmentationConfig, kept)
    )
