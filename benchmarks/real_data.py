"""Cross-validation on clips of real scenes, through the package's own import and training.

Clips become recordings, a fold is a folder of recordings with a table of splits, and a network is
trained on it as on anybody's recordings. A clip's answer is the mean over the probabilities of its
decisions, or over their logarithms.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from record import ROOT, Provenance
from rich.console import Console

from activity_recognition.bags import import_clip, write_labels
from activity_recognition.checkpoint_folder import OF_RUN
from activity_recognition.config import EngineConfig, SyncConfig
from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.errors import RecordingError
from activity_recognition.inference.precision import choose_precision
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.dataset import open_segments
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.source import Preparing, cache_recordings
from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.training.evaluation.predict import (
    Combination,
    Prediction,
    predict_segment,
)
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.training.run.train import main_train
from activity_recognition.types import LabelSpan

ENVIRONMENT = ('ACTIVITY_RECOGNITION_DATA', 'AR_REAL_DATA')
"""Variables that may name the folder with the data sets."""
WORK = ROOT / 'runs' / 'real_data'
"""Where recordings, prepared arrays and runs are kept; a second run goes on with them."""
TRAINED_ON_ONLY = 0
"""Instead of a fold's number: the clip is never tested on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RealClip:
    """One clip of a data set."""

    name: str
    path: Path
    label: str
    group: str = ''
    """Clips of one group must not be parted; empty where unknown."""
    sound: str = 'audible'
    """``audible``, ``silent`` or ``none``."""
    fold: int = TRAINED_ON_ONLY
    """From 1; decides when it is tested on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldRun:
    """One network to train and to measure; sent to a process of its own."""

    config: TrainConfig
    data: Path
    """Folder with the recordings and the table of splits."""
    out: Path
    cache: Path
    combinations: tuple[Combination, ...]
    """Modalities to answer with."""
    logarithms: bool = False
    """Whether a clip's answer is the mean over the logarithms of its decisions' probabilities."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipAnswer:
    """What a network that never saw a clip says of it."""

    name: str
    labels: tuple[str, ...]
    probabilities: Mapping[Combination, NDArray[np.float64]]
    """(C,), the mean over the decisions; NaN where nothing was visible in any of them."""
    right: Mapping[Combination, tuple[int, int]] = field(default_factory=dict)
    """How many of its labelled decisions with anything visible are right, and how many there
    are."""
    average: NDArray[np.float64] | None = None
    """(C,), what the modalities' own heads say on average: the mean over decisions of the mean
    log-probability of those present; NaN where nothing was visible."""

    def label(self, combination: Combination) -> str:
        """Return the most probable label, empty where there is none."""
        probabilities = self.probabilities[combination]
        return '' if np.isnan(probabilities).any() else self.labels[int(probabilities.argmax())]


def data_folder(name: str, table: str = 'clips.csv') -> Path | None:
    """Return the folder of a data set, None with a word on the terminal where it is absent.

    Args:
        name: of the data set and of its folder.
        table: a file that it has.
    """
    named = next((os.environ[key] for key in ENVIRONMENT if os.environ.get(key)), None)
    folder = Path(named) if named else ROOT.parent / 'shared' / 'data'
    if (folder / name / table).is_file():
        return folder / name
    print(f'{name}: no recordings at {folder}: set {ENVIRONMENT[0]}', file=sys.stderr)
    return None


def read_table(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a data set's ``clips.csv``, each with the clip's file as ``path``."""
    files = {path.stem: path for path in (folder / 'clips').iterdir()}
    with (folder / 'clips.csv').open(encoding='utf-8', newline='') as file:
        return [{**row, 'path': str(files[row['clip']])} for row in csv.DictReader(file)]


def recipe(name: str, *, seed: int, epochs: int | None = None) -> TrainConfig:
    """Read a recipe of ``config/train`` for a process that has one core to itself."""
    config = load_config(TrainConfig, shipped_file(f'train/{name}.yaml'))
    config = replace(config, seed=seed, num_threads=1, num_workers=1, device='cpu')
    return config if epochs is None else replace(config, epochs=epochs)


def write_recordings(
    clips: Sequence[RealClip], folder: Path, *, workers: int = 0, console: Console | None = None
) -> None:
    """Import clips to recordings ``folder/<name>``; those that are there already are kept.

    Args:
        clips: what to import.
        folder: where to.
        workers: processes; 0 takes one per core.
        console: where to show progress.
    """
    work = [(clip, folder / clip.name) for clip in clips]
    missing = [item for item in work if not (item[1] / 'labels.csv').is_file()]
    for _ in spread(
        _import,
        missing,
        workers=worker_count(workers),
        description='importing clips',
        console=console,
    ):
        pass


def _import(work: tuple[RealClip, Path]) -> None:
    clip, out = work
    imported = import_clip(clip.path, out, overwrite=True)
    span = LabelSpan(start_s=0.0, end_s=imported.duration_s, label=clip.label)
    write_labels(out / 'labels.csv', [span])


def cross_validate(
    theme: str,
    clips: Sequence[RealClip],
    combinations: tuple[Combination, ...],
    chosen: argparse.Namespace,
    began: Provenance,
) -> list[list[ClipAnswer]]:
    """Train one network per fold and answer for the clips of that fold; one list per fold.

    A run that was interrupted goes on where it was, as long as the commit is the same.
    """
    console = Console(stderr=True)
    work: Path = chosen.work / theme
    write_recordings(clips, work / 'recordings', console=console)
    runs = work / f'{began.commit or "unknown"}_seed_{chosen.seed}_epochs_{chosen.epochs or "all"}'
    if began.dirty or not began.commit:
        shutil.rmtree(runs, ignore_errors=True)
    folds = [
        FoldRun(
            config=recipe(theme, seed=chosen.seed, epochs=chosen.epochs),
            data=fold_folder(work / 'recordings', clips, fold, runs / f'data_{fold}'),
            out=runs / f'fold_{fold}',
            cache=work / 'cache',
            combinations=combinations,
        )
        for fold in sorted({clip.fold for clip in clips} - {TRAINED_ON_ONLY})
    ]
    return run_folds(folds, console=console)


def fold_folder(
    recordings: Path,
    clips: Sequence[RealClip],
    tested: int,
    folder: Path,
    *,
    validated: bool = False,
) -> Path:
    """Make a folder that trains on every clip but those of the fold ``tested``.

    The recordings in it are hard links.

    Args:
        recordings: folder of the clips' recordings.
        clips: all of them.
        tested: number of a fold.
        folder: to make.
        validated: whether training may hold out groups for validation; without, the number of
            epochs is fixed, and the weights of the last one are kept.

    Raises:
        RecordingError: a group is both trained on and tested.
    """
    outside = {clip.group for clip in clips if clip.group and clip.fold == tested}
    inside = {clip.group for clip in clips if clip.group and clip.fold != tested}
    if both := sorted(outside & inside):
        raise RecordingError(f'expected whole groups in a fold, got {", ".join(both)} in two')
    link_recordings(recordings, [clip.name for clip in clips], folder)
    rows = ['recording,split,group']
    for clip in clips:
        others = '' if validated and clip.group else 'train'
        rows.append(f'{clip.name},{"test" if clip.fold == tested else others},{clip.group}')
    (folder / SPLITS_FILE).write_text('\n'.join(rows) + '\n', encoding='utf-8')
    return folder


def link_recordings(recordings: Path, names: Sequence[str], folder: Path) -> None:
    """Make a folder of recordings that are hard links; what was in it is deleted.

    Args:
        recordings: folder in which they lie.
        names: of those to link.
        folder: to make.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in names:
        shutil.copytree(recordings / name, folder / name, copy_function=os.link)


def run_folds(
    runs: Sequence[FoldRun], *, workers: int = 0, console: Console | None = None
) -> list[list[ClipAnswer]]:
    """Train and measure every network.

    Args:
        runs: what to train and measure.
        workers: how many at a time; 0 takes one per core.
        console: where to show progress.
    """
    outcomes = dict(
        spread(
            run_fold,
            runs,
            workers=worker_count(workers),
            description='training networks',
            console=console,
        )
    )
    return [outcomes[index] for index in range(len(runs))]


def run_fold(run: FoldRun) -> list[ClipAnswer]:
    """Train one network and answer for the clips that it never saw."""
    main_train(run.config, run.data, run.out, cache=run.cache)
    checkpoint = load_checkpoint(run.out / OF_RUN)
    held_out = [run.data / name for name in tested_recordings(run.data)]
    return answer(checkpoint, held_out, run)


def tested_recordings(folder: Path) -> list[str]:
    """Return the names that the table of splits of a folder says to test on."""
    with (folder / SPLITS_FILE).open(encoding='utf-8', newline='') as file:
        return [row['recording'] for row in csv.DictReader(file) if row['split'] == 'test']


def answer(checkpoint: Checkpoint, recordings: Sequence[Path], run: FoldRun) -> list[ClipAnswer]:
    """Answer for whole recordings with each combination of modalities.

    Raises:
        RecordingError: a recording is damaged.
    """
    how = Preparing(model=checkpoint.config, sync=SyncConfig(), cache=run.cache, workers=1)
    prepared, wrong = cache_recordings(recordings, how)
    if wrong:
        raise RecordingError('; '.join(wrong))
    precision = choose_precision(EngineConfig(device=run.config.device))
    answers = []
    for recording in prepared:
        segments = open_segments([recording], checkpoint.config.labels)
        predictions = [
            predict_segment(
                checkpoint.system, _words(segment, checkpoint), run.combinations, precision
            )
            for segment in segments
        ]
        answers.append(
            ClipAnswer(
                name=recording.recording.name,
                labels=checkpoint.config.labels,
                probabilities={
                    chosen: mean_probabilities(
                        [p[chosen] for p in predictions],
                        checkpoint.temperature,
                        logarithms=run.logarithms,
                    )
                    for chosen in run.combinations
                },
                right={c: count_right([p[c] for p in predictions]) for c in run.combinations},
                average=average_of_heads([p[run.combinations[0]] for p in predictions]),
            )
        )
    return answers


def _words(segment: LabelledSegment, checkpoint: Checkpoint) -> LabelledSegment:
    return segment.tokenised(checkpoint.tokenizer)


def mean_probabilities(
    predictions: Sequence[Prediction], temperature: float, *, logarithms: bool = False
) -> NDArray[np.float64]:
    """Average the probabilities (C,) of all decisions at which anything was visible.

    Args:
        predictions: of a clip's segments.
        temperature: of the network.
        logarithms: whether to average the logarithms of the probabilities.
    """
    logits = torch.cat([p.logits[torch.from_numpy(p.anything)] for p in predictions])
    scaled = logits.double() / temperature
    each = scaled.log_softmax(-1) if logarithms else scaled.softmax(-1)
    mean: NDArray[np.float64] = each.mean(0).numpy()
    return mean


def average_of_heads(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """Return the mean (C,) over decisions of the mean log-probability of the heads present.

    Args:
        predictions: of a clip's segments.
    """
    found = [
        np.ma.masked_array(
            np.stack([p.unimodal[m].double().log_softmax(-1).numpy() for m in p.unimodal]),
            np.stack([np.repeat(~p.present[m][:, None], len(p.logits.T), 1) for m in p.unimodal]),
        ).mean(0)
        for p in predictions
    ]
    each = np.ma.concatenate(found)
    mean: NDArray[np.float64] = np.ma.filled(each.mean(0), np.nan).astype(np.float64)
    return mean


def count_right(predictions: Sequence[Prediction]) -> tuple[int, int]:
    """Return how many labelled decisions with anything visible are right, and how many there are.

    Args:
        predictions: of a clip's segments.
    """
    right = counted = 0
    for prediction in predictions:
        asked = prediction.anything & (prediction.targets >= 0)
        found = prediction.logits.argmax(-1).numpy()
        right += int((found == prediction.targets)[asked].sum())
        counted += int(asked.sum())
    return right, counted
