"""The checkpoint that ships with the package, from nothing but seeds.

``python -m activity_recognition.training.shipped`` simulates recordings, trains on them, measures
the result on other seeds, and puts it where the recogniser looks for its default.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from activity_recognition.config_io import load_config, shipped_file, to_mapping
from activity_recognition.console import PlainConsole
from activity_recognition.default_checkpoint import SIMULATED_PEOPLE
from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.models import checkpoint
from activity_recognition.models.checkpoint import (
    load_checkpoint,
)
from activity_recognition.training.config import PretrainConfig, TrainConfig
from activity_recognition.training.data.simulated import (
    SimulatedRecording,
    plain,
    varied,
    write_recordings,
)
from activity_recognition.training.evaluation.scoring import evaluate_recordings
from activity_recognition.training.pretraining.pretrain import FIRST_SEED, pretrain
from activity_recognition.training.run.measured import save_measured
from activity_recognition.training.run.train import main_train

PRETRAINING_RECIPE, RECIPE = 'pretraining/nano_simulated.yaml', 'train/nano_simulated.yaml'
"""How its frame encoder is pretrained and how it is trained, under ``config/``."""
HELD_OUT = 'held_out'
"""Folder, below that of the work, of the recordings that it is measured on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """How much is simulated. Seeds of training and measuring never meet."""

    training_recordings: int = 220
    training_s: float = 60.0
    """Length of each, seconds."""
    first_training_seed: int = 100_000
    held_out_recordings: int = 15
    held_out_s: float = 120.0
    first_held_out_seed: int = 900_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Shipped:
    """What was made and what it reaches."""

    checkpoint: Path
    metrics: dict[str, Any]
    shortfalls: tuple[str, ...]
    """Which of the demands on it are not met; empty when it may ship."""


def make_default_checkpoint(
    out: Path,
    work: Path,
    *,
    pretraining: PretrainConfig | None = None,
    config: TrainConfig | None = None,
    scale: Scale | None = None,
    console: Console | None = None,
) -> Shipped:
    """Simulate, pretrain, train, measure on held-out seeds, write the checkpoint folder ``out``.

    What was begun in ``work`` is continued there. A checkpoint that falls short stays in ``work``.

    Args:
        out: where the checkpoint goes.
        work: folder for recordings, prepared arrays and the run.
        pretraining: how to pretrain the frame encoder; the shipped recipe where None.
        config: how to train; the shipped recipe where None.
        scale: how much to simulate.
        console: where to show progress.
    """
    pretraining = pretraining or load_config(PretrainConfig, shipped_file(PRETRAINING_RECIPE))
    config = config or load_config(TrainConfig, shipped_file(RECIPE))
    scale = scale or Scale()
    origin = _origin(pretraining, scale)
    started_s = time.monotonic()
    held_out = _simulate(work, config, scale, console)
    simulated_s = time.monotonic()
    pretrained = pretrain(pretraining, work / 'pretraining', console=console)
    pretrained_s = time.monotonic()
    result = main_train(
        config,
        work / 'training',
        work / 'run',
        cache=work / 'cache',
        frame_encoder=pretrained.path,
        origin=origin,
        console=console,
    )
    trained_s = time.monotonic()
    trained = load_checkpoint(result.checkpoint)
    measured = evaluate_recordings(
        trained, held_out, cache=work / 'cache', workers=config.num_workers, console=console
    )
    seconds = {
        'simulating': simulated_s - started_s,
        'pretraining': pretrained_s - simulated_s,
        'reading_and_training': trained_s - pretrained_s,
        'measuring': time.monotonic() - trained_s,
    }
    metrics = {
        **result.metrics,
        'pretraining': {'settings': to_mapping(pretraining), **pretrained.measures},
        'held_out': measured,
        'wall_seconds': seconds,
    }
    shortfalls = tuple(find_shortfalls(measured['combinations']))
    target = work / 'checkpoint' if shortfalls else out
    minutes = scale.held_out_recordings * scale.held_out_s / 60
    save_measured(
        trained,
        target,
        config,
        metrics,
        origin=origin,
        measured_on=f'{minutes:g} minutes of simulated recordings of other seeds',
    )
    return Shipped(checkpoint=target, metrics=metrics, shortfalls=shortfalls)


def write_held_out(
    work: Path,
    *,
    scale: Scale | None = None,
    workers: int = 0,
    console: Console | None = None,
) -> Path:
    """Write the recordings that the checkpoint is measured on, byte for byte the same anywhere.

    Args:
        work: folder for them; those that exist are kept.
        scale: how much to simulate.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Returns:
        Their folder, below ``work``.
    """
    write_recordings(_held_out(work, scale or Scale()), workers=workers, console=console)
    return work / HELD_OUT


def find_shortfalls(measures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say which demands a measured checkpoint does not meet.

    All modalities together reach 90 % balanced accuracy per decision; each single one is at least
    10 points worse and each pair at least 3: the truth needs all of them, and the network uses
    them.

    Args:
        measures: result of :func:`activity_recognition.training.evaluation.scoring.measure`.
    """
    reached = {name: 100 * (found['balanced_accuracy'] or 0.0) for name, found in measures.items()}
    best = reached[max(reached, key=lambda name: name.count('+'))]
    faults = [f'all modalities: expected at least 90 %, got {best:.1f} %'] if best < 90 else []
    for name, value in reached.items():
        behind = {1: 10.0, 2: 3.0}.get(len(name.split('+')), 0.0)
        if best - value < behind:
            faults.append(
                f'{name}: expected at least {behind:g} points less than all modalities, '
                f'got {best - value:.1f}'
            )
    return faults


def _simulate(work: Path, config: TrainConfig, scale: Scale, console: Console | None) -> list[Path]:
    """Write the recordings; returns the held-out ones."""
    first, count = scale.first_training_seed, scale.training_recordings
    training = varied(work / 'training', range(first, first + count), scale.training_s)
    wanted = training + _held_out(work, scale)
    return write_recordings(wanted, workers=config.num_workers, console=console)[len(training) :]


def _held_out(work: Path, scale: Scale) -> list[SimulatedRecording]:
    first, count = scale.first_held_out_seed, scale.held_out_recordings
    return plain(work / HELD_OUT, range(first, first + count), scale.held_out_s)


def _origin(pretraining: PretrainConfig, scale: Scale) -> str:
    last = scale.first_training_seed + scale.training_recordings - 1
    return (
        f'{pretraining.scenes * pretraining.stills_per_scene} images of {pretraining.scenes} '
        f'simulated rooms (the frame encoder alone, seeds from {FIRST_SEED}), then '
        f'{scale.training_recordings} simulated recordings of {scale.training_s:g} s, '
        f'seeds {scale.first_training_seed} to {last}. No recording of a real person.'
    )


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; exit status 1 when the checkpoint falls short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # A symlinked install is followed back to the source tree.
    package = Path(checkpoint.__file__).resolve().parents[1]
    shipped_at = package / 'checkpoints' / SIMULATED_PEOPLE
    parser.add_argument('--out', type=Path, default=shipped_at, help='%(default)s')
    parser.add_argument(
        '--work', type=Path, default=Path('build/shipped'), help='%(default)s; kept, and resumed'
    )
    parser.add_argument(
        '--held-out',
        action='store_true',
        help='only write the recordings that the checkpoint is measured on, below WORK',
    )
    chosen = parser.parse_args(arguments)
    console = PlainConsole(stderr=True)
    try:
        if chosen.held_out:
            print(write_held_out(chosen.work, console=console))
            return 0
        shipped = make_default_checkpoint(chosen.out, chosen.work, console=console)
    except ActivityRecognitionError as error:
        console.print(str(error), style='red', markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        console.print('interrupted; the same command goes on from here')
        return 130
    for fault in shipped.shortfalls:
        console.print(fault, style='red', markup=False)
    console.print(f'{shipped.checkpoint}')
    return 1 if shipped.shortfalls else 0


if __name__ == '__main__':
    sys.exit(main())
