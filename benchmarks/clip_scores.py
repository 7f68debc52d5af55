"""What answers for clips are worth, per fold and over all of them."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import Report, arguments
from real_data import ENVIRONMENT, TRAINED_ON_ONLY, WORK, ClipAnswer, RealClip, recipe
from record import Table

from activity_recognition.training.evaluation.classification import confusion_matrix
from activity_recognition.training.evaluation.predict import Combination


@dataclass(frozen=True, kw_only=True, slots=True)
class Percentages:
    """Accuracy per fold, %."""

    folds: tuple[float, ...]
    counts: tuple[int, ...]
    """Clips of each fold."""

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return statistics.fmean(self.folds)

    @property
    def spread(self) -> float:
        """Sample standard deviation over the folds."""
        return statistics.stdev(self.folds) if len(self.folds) > 1 else float('nan')


def arguments_of_folds(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what the benchmarks on real clips take."""
    parser = arguments(description, seconds=0.0)
    parser.add_argument('--epochs', type=int, help="instead of the recipe's, for a quick look")
    parser.add_argument('--work', type=Path, default=WORK, help='folder for what is made')
    return parser


def arguments_of_seeds(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what the benchmarks take that train one network per seed and fold."""
    parser = arguments_of_folds(description)
    parser.add_argument('--seeds', type=int, default=3, help='how many, from --seed on')
    parser.add_argument('--workers', type=int, default=1, help='networks trained at a time')
    return parser


def percentages(
    folds: Sequence[Sequence[ClipAnswer]],
    clips: Sequence[RealClip],
    combination: Combination,
    *,
    sounds: Sequence[str] = (),
) -> Percentages:
    """Return the share of right answers in each fold.

    Args:
        folds: answers for each fold.
        clips: the truth.
        combination: modalities to answer with.
        sounds: kinds of sound of the clips that count; all when empty.
    """
    of_name = {clip.name: clip for clip in clips}
    right = [
        [
            answer.label(combination) == of_name[answer.name].label
            for answer in answers
            if not sounds or of_name[answer.name].sound in sounds
        ]
        for answers in folds
    ]
    return Percentages(
        folds=tuple(100 * statistics.fmean(fold) for fold in right),
        counts=tuple(len(fold) for fold in right),
    )


def spread_table(title: str, rows: Mapping[str, Sequence[float]], columns: Sequence[str]) -> Table:
    """Return a table with one row per way, its mean and its sample standard deviation.

    Args:
        title: of the table.
        rows: values by way.
        columns: what each value is of.
    """
    return Table(
        title,
        ['', *columns, 'mean', 'spread'],
        [
            [
                name,
                *(f'{value:.1f}' for value in values),
                f'{statistics.fmean(values):.1f}',
                f'{statistics.stdev(values):.1f}' if len(values) > 1 else '–',
            ]
            for name, values in rows.items()
        ],
    )


def fold_table(title: str, found: Mapping[str, Percentages]) -> Table:
    """Return a table with one row per way to answer and one column per fold."""
    first = next(iter(found.values()))
    columns = ['', 'clips', *(f'fold {i + 1}' for i in range(len(first.folds))), 'mean', 'spread']
    rows = [
        [
            name,
            str(sum(values.counts)),
            *(f'{value:.1f}' for value in values.folds),
            f'{values.mean:.1f}',
            f'{values.spread:.1f}',
        ]
        for name, values in found.items()
    ]
    return Table(title, columns, rows)


def confusion_table(
    title: str,
    folds: Sequence[Sequence[ClipAnswer]],
    clips: Sequence[RealClip],
    combination: Combination,
) -> Table:
    """Return how often each label (rows) was answered with each (columns), over all folds."""
    labels = sorted({clip.label for clip in clips})
    truth = {clip.name: labels.index(clip.label) for clip in clips}
    pairs = [
        (truth[a.name], labels.index(found) if (found := a.label(combination)) else -1)
        for answers in folds
        for a in answers
    ]
    true, decided = np.array(pairs, dtype=np.int64).T
    counts = confusion_matrix(true, decided, len(labels))
    rows = [[name, *map(str, row[:-1])] for name, row in zip(labels, counts, strict=True)]
    return Table(title, ['true \\ answered', *labels], rows)


def report_of(
    theme: str, title: str, clips: Sequence[RealClip], chosen: argparse.Namespace, seconds: float
) -> Report:
    """Return a report that says what was trained on what."""
    config = recipe(theme, seed=chosen.seed, epochs=chosen.epochs)
    tested = sum(clip.fold != TRAINED_ON_ONLY for clip in clips)
    return Report(
        theme=theme,
        title=title,
        settings={
            'recipe': f'config/train/{theme}.yaml',
            'preset': f'config/models/{config.preset}.yaml',
            'epochs': config.epochs,
            'seed': chosen.seed,
            'clips': len(clips),
            'of these tested on': tested,
            'minutes': f'{seconds / 60:.0f}',
        },
    )


def skipped(theme: str, title: str) -> Report:
    """Return the report of a benchmark whose data set is absent."""
    note = f'Skipped: the data set {theme} is not there; set {ENVIRONMENT[0]} to its folder.'
    return Report(theme=theme, title=title, settings={}, notes=[note])
