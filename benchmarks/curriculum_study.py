"""Does a curriculum beat training everything at once, for the same compute?

A small network is trained from scratch on simulated recordings, with the stages of
docs/training.md and without, with several seeds each. What is begun in the work folder is gone on
with, step by step, when the command is given again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from harness import Goal, Report, arguments, publish, seeds_of
from record import ROOT, Table, provenance
from rich.console import Console

from activity_recognition.config_io import load_model_config
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.training.config import StageConfig, TrainConfig
from activity_recognition.training.data.crops import plan_epoch
from activity_recognition.training.data.dataset import open_segments
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.simulated import (
    SimulatedRecording,
    varied,
    write_recordings,
)
from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.training.evaluation.scoring import evaluate_recordings
from activity_recognition.training.run.curriculum import Curriculum
from activity_recognition.training.run.logbook import LOG
from activity_recognition.training.run.train import main_train, read_dataset
from activity_recognition.types import Modality

ACTIVITIES = ('none', 'walking', 'knocking', 'wiping', 'greeting', 'calling_for_help')
"""Some differ in audio alone, some in text alone: no single modality suffices."""

PRESET: dict[str, Any] = {
    'hidden_dim': 64,
    'video': {'input_size_px': 64, 'stem_channels': [16, 32], 'width': 64, 'temporal_depth': 1},
    'audio': {'num_mels': 32, 'channels': [16, 32]},
    'text': {'width': 64, 'depth': 1},
}
"""A network small enough for six runs in less than an hour on two cores."""

STAGES = (
    StageConfig(
        name='alone', epochs=4, fused_weight=0.0, unimodal_weight=1.0, modality_dropout=0.0
    ),
    StageConfig(name='pairs', epochs=5, modalities_at_once=2),
    StageConfig(name='all', epochs=11, contrast_weight=0.1, agreement_weight=0.1),
)
ARMS = ('curriculum', 'everything at once')
LEVELS = (0.5, 0.7, 0.9)
FIRST_TRAINING_SEED, FIRST_HELD_OUT_SEED = 970_000, 980_000
"""No other recording is made of the seeds from here on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """How much is simulated and trained."""

    recordings: int
    """To train on, a sixth of them to validate with."""
    held_out: int
    """To measure with."""
    duration_s: float
    """Of each, seconds."""
    stretch: int
    """Factor on the epochs of :data:`STAGES`."""


FULL = Scale(recordings=48, held_out=12, duration_s=60.0, stretch=2)
QUICK = Scale(recordings=6, held_out=2, duration_s=24.0, stretch=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one run came to."""

    steps: int
    cpu_s: float | None
    """None where an earlier call had trained it."""
    accuracy: dict[str, float]
    """Balanced accuracy per decision on held-out recordings, by combination of modalities."""
    reached: dict[float, int | None]
    """Steps after which a validation first reached a level."""

    @property
    def all(self) -> float:
        """With all modalities."""
        return self.accuracy['video+audio+text']

    @property
    def one_missing(self) -> float:
        """Mean over the three pairs."""
        return statistics.mean(v for k, v in self.accuracy.items() if k.count('+') == 1)


def main(argv: list[str] | None = None) -> int:
    """Train, measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('--seeds', type=int, default=3, help='runs of each kind')
    parser.add_argument('--quick', action='store_true', help='minutes: shows that it works')
    parser.add_argument('--work', type=Path, help='where runs are kept, and gone on with')
    chosen = parser.parse_args(argv)
    began, console = provenance(), Console(stderr=True)
    # Processes that simulate import this script, and are to find the installed package.
    os.environ['PYTHONSAFEPATH'] = '1'
    scale = QUICK if chosen.quick else FULL
    name = 'curriculum_study_quick' if chosen.quick else 'curriculum_study'
    work = (chosen.work or ROOT / 'build' / name).resolve()
    held_out = simulate(work, scale, console)
    arms = plan_arms(work, scale, console)
    outcomes = {
        arm: [
            train(arm, seed, config, work=work, held_out=held_out, console=console)
            for seed in seeds_of(chosen)
        ]
        for arm, config in arms.items()
    }
    return publish(report(outcomes, arms, scale, chosen), chosen, began=began)


def simulate(work: Path, scale: Scale, console: Console) -> list[Path]:
    """Write the recordings and the preset; returns the held-out recordings."""
    training = _planned(work / 'training', FIRST_TRAINING_SEED, scale.recordings, scale)
    held_out = _planned(work / 'held_out', FIRST_HELD_OUT_SEED, scale.held_out, scale)
    paths = write_recordings(training + held_out, console=console)
    # A draw would follow the seed: other recordings to validate with in every run.
    splits = ['validation' if index % 6 == 5 else 'train' for index in range(len(training))]
    rows = [f'{r.path.name},{split}' for r, split in zip(training, splits, strict=True)]
    table = '\n'.join(['recording,split', *rows, ''])
    (work / 'training' / SPLITS_FILE).write_text(table, encoding='utf-8')
    _preset(work).write_text(yaml.safe_dump(PRESET), encoding='utf-8')
    return paths[len(training) :]


def _planned(folder: Path, first: int, count: int, scale: Scale) -> list[SimulatedRecording]:
    return [
        dataclasses.replace(
            recording,
            config=dataclasses.replace(recording.config, activities=ACTIVITIES, difficulty=0.3),
        )
        for recording in varied(folder, range(first, first + count), scale.duration_s)
    ]


def _preset(work: Path) -> Path:
    return work / 'preset.yaml'


def plan_arms(work: Path, scale: Scale, console: Console) -> dict[str, TrainConfig]:
    """Return the recipes; both encode as many crops with video, which is what costs time."""
    stages = tuple(dataclasses.replace(s, epochs=s.epochs * scale.stretch) for s in STAGES)
    curriculum = TrainConfig(
        preset=str(_preset(work)),
        batch_size=8,
        crop_s=8.0,
        frame_rate_hz=2.5,
        learning_rate=2e-3,
        validate_every=2,
        device='cpu',
        stages=stages,
    )
    model = load_model_config(curriculum.preset)
    dataset = read_dataset(
        curriculum, model, work / 'training', cache=work / 'cache', console=console
    )
    segments = open_segments(dataset.training, dataset.labels)
    budget = seeing_crops(segments, curriculum)
    once = dataclasses.replace(curriculum, stages=(), epochs=1)
    while seeing_crops(segments, once) < budget:
        once = dataclasses.replace(once, epochs=once.epochs + 1)
    return dict(zip(ARMS, (curriculum, once), strict=True))


def seeing_crops(segments: Sequence[LabelledSegment], config: TrainConfig) -> int:
    """Count the crops with video of a whole run."""
    epoch, count = 0, 0
    for stage in Curriculum(config).stages:
        for _ in range(stage.settings.epochs):
            plans = [p for batch in plan_epoch(segments, stage.settings, epoch) for p in batch]
            count += sum(Modality.VIDEO not in plan.hidden for plan in plans)
            epoch += 1
    return count


def train(
    arm: str,
    seed: int,
    config: TrainConfig,
    *,
    work: Path,
    held_out: list[Path],
    console: Console,
) -> Outcome:
    """Train one run, or go on with it, and measure it; what was measured is kept."""
    out = work / f'{arm.replace(" ", "_")}_{seed}'
    kept = out / 'outcome.json'
    if not kept.exists():
        console.print(f'{arm}, seed {seed}')
        resumed, began_s = (out / LOG).exists(), time.process_time()
        result = main_train(
            dataclasses.replace(config, seed=seed),
            work / 'training',
            out,
            cache=work / 'cache',
            console=console,
        )
        cpu_s = None if resumed else time.process_time() - began_s
        measured = evaluate_recordings(
            load_checkpoint(result.checkpoint), held_out, cache=work / 'cache', console=console
        )
        steps = result.metrics['training']['steps']
        kept.write_text(
            json.dumps({'steps': steps, 'cpu_s': cpu_s, 'measured': measured}), encoding='utf-8'
        )
    return read_outcome(kept, out / LOG)


def read_outcome(kept: Path, log: Path) -> Outcome:
    """Read what a finished run has left."""
    found = json.loads(kept.read_text(encoding='utf-8'))
    events = [json.loads(line) for line in log.read_text(encoding='utf-8').splitlines()]
    validated = [e for e in events if e['event'] == 'validated']
    return Outcome(
        steps=found['steps'],
        cpu_s=found['cpu_s'],
        accuracy={
            name: measures['balanced_accuracy'] or 0.0
            for name, measures in found['measured']['combinations'].items()
        },
        reached={
            level: next(
                (e['step'] for e in validated if (e['balanced_accuracy'] or 0.0) >= level), None
            )
            for level in LEVELS
        },
    )


def report(
    outcomes: Mapping[str, Sequence[Outcome]],
    arms: Mapping[str, TrainConfig],
    scale: Scale,
    chosen: argparse.Namespace,
) -> Report:
    """Put the runs side by side."""
    return Report(
        theme='curriculum_study',
        title='A curriculum against everything at once',
        settings={
            'recordings': f'{scale.recordings} of {scale.duration_s:g} s, a sixth for validation',
            'held out': scale.held_out,
            'activities': len(ACTIVITIES),
            'seeds': f'{chosen.seed} to {chosen.seed + chosen.seeds - 1}',
            **{f'epochs, {arm}': Curriculum(config).epochs for arm, config in arms.items()},
        },
        goals=[
            _gain('all modalities', [[run.all for run in outcomes[arm]] for arm in ARMS]),
            _gain('one missing', [[run.one_missing for run in outcomes[arm]] for arm in ARMS]),
        ],
        tables=[_accuracies(outcomes), _steps(outcomes), _cost(outcomes)],
        notes=[
            'Balanced accuracy per decision, %, on held-out recordings: mean over the seeds and, '
            'in brackets, the lowest and the highest. Both kinds of run encode the same number of '
            'crops with video, which is what costs time. Steps are optimiser steps until a '
            'validation first reached a level, and in brackets how many of the runs reached it. '
            'Stages: ' + ', '.join(f'{s.name} {s.epochs}' for s in arms[ARMS[0]].stages) + '.'
        ],
    )


def _gain(name: str, values: Sequence[Sequence[float]]) -> Goal:
    """Hold the difference against 0; it says nothing where it is within twice its error."""
    first, second = values
    difference = 100 * (statistics.mean(first) - statistics.mean(second))
    errors = [statistics.variance(v) / len(v) if len(v) > 1 else float('inf') for v in values]
    return Goal(
        name=f'curriculum − everything at once, {name}, points',
        value=difference,
        at_least=0.0,
        settled=abs(difference) > 2 * 100 * sum(errors) ** 0.5,
    )


def _accuracies(outcomes: Mapping[str, Sequence[Outcome]]) -> Table:
    names = list(outcomes[ARMS[0]][0].accuracy)
    rows = [
        (name, *(_spread([100 * run.accuracy[name] for run in outcomes[arm]]) for arm in ARMS))
        for name in names
    ]
    missing = [_spread([100 * run.one_missing for run in outcomes[arm]]) for arm in ARMS]
    rows.append(('mean with one missing', *missing))
    return Table('Final accuracy', ('modalities', *ARMS), rows)


def _steps(outcomes: Mapping[str, Sequence[Outcome]]) -> Table:
    rows = []
    for level in LEVELS:
        cells = [f'{100 * level:g} %']
        for arm in ARMS:
            steps = [s for run in outcomes[arm] if (s := run.reached[level]) is not None]
            cells.append(f'{_spread(steps)} [{len(steps)} of {len(outcomes[arm])}]')
        rows.append(cells)
    return Table('Steps to reach a level in validation', ('level', *ARMS), rows)


def _cost(outcomes: Mapping[str, Sequence[Outcome]]) -> Table:
    spent = [[run.cpu_s for run in outcomes[arm] if run.cpu_s is not None] for arm in ARMS]
    return Table(
        'Cost',
        ('', *ARMS),
        [
            ('steps', *(_spread([run.steps for run in outcomes[arm]]) for arm in ARMS)),
            ('CPU seconds', *(_spread(values) for values in spent)),
        ],
    )


def _spread(values: Sequence[float]) -> str:
    if not values:
        return '–'
    return f'{statistics.mean(values):.4g} ({min(values):.4g}–{max(values):.4g})'


if __name__ == '__main__':
    sys.exit(main())
