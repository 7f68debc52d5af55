"""Make the checkpoint `people`: ``python -m activity_recognition.training.people --data DATA``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.console import PlainConsole
from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.people.making import RECIPE, PeopleScale, make_people


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; what is interrupted goes on with the same command."""
    parser = argparse.ArgumentParser(
        prog='python -m activity_recognition.training.people', description=__doc__
    )
    parser.add_argument(
        '--data', type=Path, required=True, help='folder with utd_mhad, esc10 and jhmdb_joints'
    )
    parser.add_argument('--out', type=Path, required=True, help='checkpoint folder to write')
    parser.add_argument(
        '--work', type=Path, default=Path('build/people'), help='%(default)s; kept, and resumed'
    )
    parser.add_argument(
        '--real',
        action='store_true',
        help='also train on JHMDB: people_real, whose weights must not be given away',
    )
    parser.add_argument('--recordings', type=int, help='to compose for training')
    parser.add_argument('--epochs', type=int, help="instead of the recipe's")
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--threads', type=int, default=0, help='of torch; 0 chooses')
    chosen = parser.parse_args(arguments)
    console = PlainConsole(stderr=True)
    try:
        config = load_config(TrainConfig, shipped_file(RECIPE))
        config = dataclasses.replace(config, seed=chosen.seed, num_threads=chosen.threads)
        if chosen.epochs is not None:
            config = config.with_epochs(chosen.epochs)
        scale = PeopleScale()
        if chosen.recordings is not None:
            scale = dataclasses.replace(scale, training_recordings=chosen.recordings)
        made = make_people(
            chosen.data,
            chosen.out,
            chosen.work,
            real=chosen.real,
            config=config,
            scale=scale,
            console=console,
        )
    except ActivityRecognitionError as error:
        console.print(str(error), style='red', markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        console.print('interrupted; the same command goes on from here')
        return 130
    for name, found in made.metrics['held_out']['combinations'].items():
        console.print(f'{name}: balanced accuracy {100 * (found["balanced_accuracy"] or 0):.1f} %')
    console.print(f'{made.checkpoint}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
