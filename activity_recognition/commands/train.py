"""Train a network on labelled recordings.

CONFIG is the name of a recipe (below), or a path to a .yaml file; --set replaces single settings
of it. Recordings are found below --data: rosbag2 folders with a labels.csv, or bag files with a
.labels.csv beside them; or --data is the folder or URL of shards that `prepare` made. The run ends
with the checkpoint OUT/checkpoint; one that was interrupted goes on where it was. Examples:
    activity-recognition train nano_simulated --data recordings --out runs/first
    activity-recognition train few_clips --data recordings --out runs/first --set epochs=3
    activity-recognition train nano_simulated --data recordings --out runs/first --overfit-one-batch
    torchrun --nproc-per-node 2 -m activity_recognition train nano_simulated --data ... --out ...
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.commands.options import CACHE_OF_SHARDS, add_recorded_options
from activity_recognition.commands.recipes import add_recipe_options, load_recipe, recipe_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from activity_recognition.activities import Activity
    from activity_recognition.training.config import TrainConfig

HELP = 'train a network on labelled recordings'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run."""
    parser.epilog = f'recipes (docs/training.md says which to take):\n{recipe_list()}'
    parser.add_argument('config', metavar='CONFIG', help='name or path of a training recipe')
    parser.add_argument(
        '--data', required=True, help='folder with recordings, or folder or URL of shards'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument(
        '--cache', type=Path, help=f'prepared recordings (default: OUT/cache; {CACHE_OF_SHARDS})'
    )
    parser.add_argument(
        '--activities',
        type=Path,
        metavar='FILE',
        help='file of activities, from whose sentences and sounds the network begins '
        '(docs/pretrained_encoders.md); needs a preset with text.backbone or audio.backbone',
    )
    parser.add_argument(
        '--restart', action='store_true', help='start a run that OUT already holds from scratch'
    )
    parser.add_argument(
        '--overfit-one-batch',
        action='store_true',
        help='only check that the network can overfit a single batch; exit status 1 when not',
    )
    parser.add_argument(
        '--strict', action='store_true', help='fail where any recording cannot be used'
    )
    parser.add_argument(
        '--tensorboard', action='store_true', help='write OUT/tensorboard beside OUT/log.jsonl'
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    add_recipe_options(parser)
    add_recorded_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train and say where the checkpoint is, or check that training can work."""
    config = load_recipe(arguments)
    if arguments.overfit_one_batch:
        return _check(config, arguments)
    return _train(config, arguments)


def _check(config: TrainConfig, arguments: argparse.Namespace) -> int:
    from activity_recognition.training.run.overfit import check_overfit
    from activity_recognition.training.sharding.opening import usual_cache

    verdict = check_overfit(
        config,
        arguments.data,
        cache=arguments.cache or usual_cache(arguments.data, arguments.out / 'cache'),
        strict=arguments.strict,
        console=_console(arguments),
    )
    print(verdict.sentence)
    return 0 if verdict.passed else 1


def _train(config: TrainConfig, arguments: argparse.Namespace) -> int:
    from accelerate import PartialState

    from activity_recognition.activities import read_activities
    from activity_recognition.checkpoint_folder import RUN_STATE
    from activity_recognition.training.run.descriptions import demand_described
    from activity_recognition.training.run.resuming import explain_interruption, saved_ns
    from activity_recognition.training.run.train import main_train

    activities: Sequence[Activity] = ()
    if arguments.activities:
        demand_described(arguments.activities, config.model_config())
        activities = read_activities(arguments.activities)
    state = arguments.out / RUN_STATE
    before_ns = saved_ns(state)
    try:
        result = main_train(
            config,
            arguments.data,
            arguments.out,
            resume=not arguments.restart,
            cache=arguments.cache,
            activities=activities,
            strict=arguments.strict,
            tensorboard=arguments.tensorboard,
            console=_console(arguments),
        )
    except KeyboardInterrupt as end:
        sentence = explain_interruption(state, before_ns, _command(arguments))
        raise type(end)(sentence) from None
    processes = PartialState()
    if processes.is_main_process:
        for finding in result.findings:
            print(finding, file=sys.stderr)
        if result.curves is not None:
            print(f'training beside validation, epoch by epoch: {result.curves}', file=sys.stderr)
        print(result.checkpoint)
    processes.destroy_process_group()
    return 0


def _command(arguments: argparse.Namespace) -> str:
    """Return the command that goes on with a run, as a shell takes it."""
    words = [word for word in arguments.given if word != '--restart']
    return shlex.join(['activity-recognition', *words])


def _console(arguments: argparse.Namespace) -> Console | None:
    from activity_recognition.console import make_console

    return make_console(quiet=arguments.quiet)
