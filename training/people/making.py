"""Composes recordings, trains on them, measures on others: the checkpoint `people`.

Of the data sets, odd people and four folds of sounds are trained on; even people, the fifth fold,
other seeds of the simulator and sentences of their own are measured on. `people_real` also learns
from what the first split of JHMDB trains on, in recordings of one action each; its weights stay
where they were made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from activity_recognition.activities import Activity
from activity_recognition.config_io import load_config, shipped_file, to_mapping
from activity_recognition.front_ends.sound_labels import sound_map
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.settings import Ranged, setting
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.people_labels import TABLE, people_labels
from activity_recognition.training.evaluation.scoring import evaluate_recordings
from activity_recognition.training.people.bodies import RealMovements
from activity_recognition.training.people.composing import (
    ComposingConfig,
    Sources,
    compose_recording,
)
from activity_recognition.training.people.film import TRAINED, write_film_recordings
from activity_recognition.training.people.sounds import RealSounds
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.training.run.measured import save_measured
from activity_recognition.training.run.train import main_train

RECIPE = 'train/people.yaml'
HELD_OUT = 'held_out'
"""Begins the name of the folder of the recordings that it is measured on."""
TRAINED_SUBJECTS, HELD_OUT_SUBJECTS = (1, 3, 5, 7), (2, 4, 6, 8)
TRAINED_FOLDS, HELD_OUT_FOLDS = (1, 2, 3, 4), (5,)
ORIGIN = (
    '{recordings} recordings composed by a table of labels: joints of the simulator, seen by '
    'random cameras with the noise of a detector; joints of four people of UTD-MHAD (Chen, Jafari, '
    'Kehtarnavaz 2015, by its authors a public domain data set), likewise; sounds of the '
    'simulator, and of ESC-10 (Piczak 2015, CC BY 3.0); written sentences. Not measured on real '
    'people: {unmeasured}. Not to be used where a wrong answer harms somebody, nor to judge or '
    'identify people.'
)
ORIGIN_REAL = (
    ' Also joints marked in clips of films and home videos (JHMDB, Jhuang et al. 2013, on HMDB51), '
    'whose own terms were not found: these weights are not to be given away.'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PeopleScale(Ranged):
    """How much is composed. Seeds of training and measuring never meet."""

    training_recordings: int = setting(640, low=1, high=100_000)
    first_training_seed: int = 0
    held_out_recordings: int = setting(24, low=1, high=100_000)
    first_held_out_seed: int = 900_000
    composing: ComposingConfig = field(default=ComposingConfig())


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """What was made and what it reaches."""

    checkpoint: Path
    metrics: dict[str, Any]


def make_people(
    data: Path,
    out: Path,
    work: Path,
    *,
    real: bool = False,
    config: TrainConfig | None = None,
    scale: PeopleScale | None = None,
    console: Console | None = None,
) -> People:
    """Compose, train, measure on what was held out, write the checkpoint folder ``out``.

    What was begun in ``work`` is continued there.

    Args:
        data: folder with the data sets ``utd_mhad``, ``esc10`` and, where asked for,
            ``jhmdb_joints``.
        out: where the checkpoint goes.
        work: folder for recordings, prepared arrays and the run.
        real: whether JHMDB is trained on, too: `people_real`.
        config: how to train; the shipped recipe where None.
        scale: how much to compose.
        console: where to show progress.

    Raises:
        RecordingError: a data set is missing.
        ConfigError: the table of labels is damaged.
        WeightsError: a network that the preset names is not found.
    """
    config = config or load_config(TrainConfig, shipped_file(RECIPE))
    scale = scale or PeopleScale()
    training = compose(data, work, scale, workers=config.num_workers, console=console)
    if real:
        folder = folder_of(work, scale)
        training = with_films(
            training, data / 'jhmdb_joints', folder.with_name(f'{folder.name}_real')
        )
        # Features of these clips are no more to be given away than weights.
        config = dataclasses.replace(config, rehearsal_kb=0)
    held_out = compose(
        data, work, scale, held_out=True, workers=config.num_workers, console=console
    )
    origin = origin_of(len(training), real=real)
    name = 'people_real' if real else 'people'
    result = main_train(
        config,
        training[0].parent,
        work / f'run_{name}_{config.seed}',
        cache=work / 'cache',
        activities=known_sounds(),
        origin=origin,
        console=console,
    )
    trained = load_checkpoint(result.checkpoint)
    measured = evaluate_recordings(
        trained, held_out, cache=work / 'cache', workers=config.num_workers, console=console
    )
    metrics = {**result.metrics, 'held_out': measured}
    save_measured(
        trained,
        out,
        config,
        metrics,
        origin=origin,
        measured_on=f'{scale.held_out_recordings} composed recordings of other people, sounds, '
        'seeds and sentences',
    )
    return People(checkpoint=out, metrics=metrics)


def compose(
    data: Path,
    work: Path,
    scale: PeopleScale,
    *,
    held_out: bool = False,
    workers: int = 0,
    console: Console | None = None,
) -> list[Path]:
    """Compose the recordings to train on, or to measure on; those that exist are kept.

    Args:
        data: folder with the data sets.
        work: folder for them.
        scale: how much to compose.
        held_out: whether they are those to measure on.
        workers: processes; 0 takes one per core.
        console: where to show progress.
    """
    sources = Sources(
        table=people_labels(),
        movements=RealMovements(
            data / 'utd_mhad', HELD_OUT_SUBJECTS if held_out else TRAINED_SUBJECTS
        ),
        sounds=RealSounds(data / 'esc10', HELD_OUT_FOLDS if held_out else TRAINED_FOLDS),
        held_out=held_out,
    )
    first = scale.first_held_out_seed if held_out else scale.first_training_seed
    count = scale.held_out_recordings if held_out else scale.training_recordings
    folder = folder_of(work, scale, held_out=held_out)
    plans = [(folder / f'recording_{seed:06}', seed) for seed in range(first, first + count)]
    for _ in spread(
        partial(_compose, sources=sources, config=scale.composing),
        plans,
        workers=worker_count(workers),
        description='composing recordings',
        console=console,
    ):
        pass
    return [path for path, _ in plans]


def folder_of(work: Path, scale: PeopleScale, *, held_out: bool = False) -> Path:
    """Return the folder of recordings that are composed; others have another one.

    A run takes all that its folder holds.

    Args:
        work: folder of what is made.
        scale: how much is composed, and how.
        held_out: whether those to measure on are meant.
    """
    settings = json.dumps(to_mapping(scale), sort_keys=True).encode()
    key = hashlib.sha256(settings + shipped_file(TABLE).read_bytes()).hexdigest()[:8]
    return work / f'{HELD_OUT if held_out else "training"}_{key}'


def with_films(composed: Sequence[Path], films: Path, folder: Path) -> list[Path]:
    """Make a folder of composed recordings and those of JHMDB's training; return what is in it.

    Nothing of JHMDB ever lies where `people` is trained from. What exists is kept.

    Args:
        composed: recordings, of which hard links are made.
        films: folder of the data set.
        folder: to make, on the same disk.
    """
    linked = [folder / path.name for path in composed]
    for path, link in zip(composed, linked, strict=True):
        if not link.exists():
            shutil.copytree(path, link, copy_function=os.link)
    return linked + write_film_recordings(films, folder, TRAINED)


def _compose(plan: tuple[Path, int], *, sources: Sources, config: ComposingConfig) -> None:
    path, seed = plan
    compose_recording(path, sources, config, seed=seed)


def known_sounds() -> tuple[Activity, ...]:
    """Return which of YAMNet's sounds speak for which label, by the written map."""
    known = sound_map()
    return tuple(
        Activity(label=of.label, sounds=tuple(known[of.yamnet]))
        for of in people_labels()
        if of.yamnet
    )


def origin_of(recordings: int, *, real: bool) -> str:
    """Return what a checkpoint was trained on, and what it is not for: sentences of its card.

    Args:
        recordings: how many were trained on.
        real: whether JHMDB was among them.
    """
    unmeasured = [of.label for of in people_labels() if not of.has_real_joints]
    text = ORIGIN.format(recordings=recordings, unmeasured=', '.join(unmeasured))
    return text + (ORIGIN_REAL if real else '')
