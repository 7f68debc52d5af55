"""Make shards of labelled recordings: what training reads, decoded once, fit for object storage.

Every recording below DATA goes through the node's own decoders and preprocessing, for the preset of
a training recipe, into WebDataset shards below OUT, with a manifest. `train --data OUT` gives the
same batches as `train --data DATA`. DATA and OUT are folders, or URLs that fsspec knows, such as
s3://bucket/shards. Started again, it makes only what is missing, damaged or changed. Example:
    activity-recognition prepare recordings --out shards
    activity-recognition train smoke --data shards --out runs/first
"""

from __future__ import annotations

import argparse

from activity_recognition.commands.options import add_recorded_options
from activity_recognition.commands.recipes import add_recipe_options

HELP = 'make shards of labelled recordings to train on'
TAKES_ROS_ARGUMENTS = False

MARGIN = 0.125


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is prepared, and where and how."""
    parser.add_argument('data', metavar='DATA', help='folder or URL with recordings')
    parser.add_argument('--out', required=True, metavar='SHARDS', help='folder or URL of shards')
    parser.add_argument(
        '--config', default='nano_simulated', help='name or path of the recipe to prepare for'
    )
    parser.add_argument(
        '--margin',
        type=float,
        help="share of the network's image by which a second copy of every image is larger, "
        f"for views to be cropped from; 0 keeps none (default: the recipe's, else {MARGIN:g})",
    )
    parser.add_argument(
        '--strict', action='store_true', help='fail where any recording cannot be used'
    )
    parser.add_argument(
        '--engine',
        choices=('processes', 'ray'),
        default='processes',
        help='work in processes of this machine, or on a Ray cluster (default: processes)',
    )
    parser.add_argument('--jobs', type=int, default=0, help='processes; 0 takes one per core')
    parser.add_argument(
        '--shard-size',
        type=int,
        default=256,
        metavar='MIB',
        help='a recording that gives more goes into several shards (default: 256)',
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    add_recipe_options(parser)
    add_recorded_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prepare, and say what was left out and where the shards are."""
    from activity_recognition.commands.recipes import load_recipe
    from activity_recognition.config import SyncConfig
    from activity_recognition.console import PlainConsole
    from activity_recognition.errors import ConfigError
    from activity_recognition.training.augmentation_config import with_margin
    from activity_recognition.training.sharding.writing import prepare_shards

    config = load_recipe(arguments)
    model = config.model_config()
    margin = arguments.margin
    if margin is None:
        margin = config.augmentation.margin or MARGIN
    if 'video' not in model.modalities or model.video.key_points:
        margin = 0
    if not 0 <= margin <= 1:
        raise ConfigError(f'--margin must lie in [0, 1], got {margin:g}')
    if arguments.shard_size < 1:
        raise ConfigError(f'--shard-size must be at least 1, got {arguments.shard_size}')
    console = PlainConsole(stderr=True)
    result = prepare_shards(
        arguments.data,
        arguments.out,
        model=model,
        sync=SyncConfig(),
        wide_px=with_margin(model.video.input_size_px, margin) if margin else 0,
        recorded=config.recorded,
        strict=arguments.strict,
        engine=arguments.engine,
        workers=arguments.jobs,
        shard_bytes=arguments.shard_size << 20,
        console=None if arguments.quiet else console,
    )
    manifest = result.manifest
    for name, reason in manifest.left_out:
        named = reason if name in reason.partition(': ')[0] else f'{name}: {reason}'
        console.print(f'left out: {named}', style='yellow', soft_wrap=True)
    shards = [shard for recording in manifest.recordings for shard in recording.shards]
    print(
        f'{arguments.out}: {len(manifest.recordings)} recordings in {len(shards)} shards, '
        f'{sum(s.size_bytes for s in shards) / 2**20:.1f} MiB, {len(manifest.labels)} labels; '
        f'{result.kept} recordings were there already'
    )
    return 0
