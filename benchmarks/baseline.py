"""What plain classifiers reach on whole clips: a logistic regression per sense, and late fusion.

    tools/run env -u PYTHONSAFEPATH python benchmarks/baseline.py recordings --record

Reads labelled recordings as training does, one label each. A StandardScaler and a
LogisticRegression per sense, C from 0.01 to 10 by grouped cross-validation inside the training
clips; words as TF-IDF of words and characters. Late fusion is the mean log-probability of the
senses that a clip has. Where splits.csv names a test split, this is tested on; else whole groups
are dealt to folds, and clips without a group are trained on alone (--all: each is a group).
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from clip_features import ClipFeatures, read_features
from frozen_features import read_frozen_features
from harness import Report, arguments, publish
from numpy.typing import NDArray
from record import Table, provenance
from rich.console import Console
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from activity_recognition.bags import load_labels
from activity_recognition.errors import ActivityRecognitionError, RecordingError
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.training.data.places import BagFolder
from activity_recognition.training.data.splits import Assignment, settings_of
from activity_recognition.training.evaluation.bootstrap import Bootstrap
from activity_recognition.training.evaluation.classification import (
    confusion_matrix,
    overall_scores,
)
from activity_recognition.training.pool import spread, worker_count

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Of C, the inverse of the regularisation."""
INNER_FOLDS = 4
TEXT = 'text'
FUSED = 'late fusion'
NOTHING = -1
"""Instead of a class, where a clip has nothing to answer from."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """One recording with one label."""

    name: str
    label: str
    group: str
    """Clips of one group are never parted; empty where unknown."""
    split: str
    features: ClipFeatures


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answers:
    """What was answered for the clips that were tested on."""

    clips: tuple[Clip, ...]
    folds: tuple[int, ...]
    """Of each clip."""
    labels: tuple[str, ...]
    log_probabilities: Mapping[str, NDArray[np.float64]]
    """(clips, labels) by sense, and of late fusion; NaN where a clip lacks the sense."""
    strengths: Mapping[str, Counter[float]]
    """C that was chosen, by sense."""

    def classes(self, sense: str) -> NDArray[np.int64]:
        """Return the class of each clip; NOTHING where it lacks the sense."""
        found = self.log_probabilities[sense]
        there = ~np.isnan(found).any(axis=1)
        return np.where(there, np.where(there[:, None], found, 0).argmax(axis=1), NOTHING)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('recordings', type=Path, help='folder with labelled recordings')
    parser.add_argument('--folds', type=int, default=5, help='where there is no test split')
    parser.add_argument(
        '--all', action='store_true', help='test on clips without a group, too, each for itself'
    )
    parser.add_argument(
        '--course',
        action='store_true',
        help='also take joints and inertial measurements step by step, as an action that is the '
        'same from first to last allows',
    )
    parser.add_argument(
        '--frozen', action='store_true', help='classify what YAMNet and MiniLM give, beside joints'
    )
    parser.add_argument('--answers', type=Path, help='write what is answered for each clip, .csv')
    parser.add_argument('--title', help='of the record (default: the name of the folder)')
    chosen = parser.parse_args(argv)
    began = provenance()
    clips, left_out = read_clips(
        chosen.recordings,
        course=chosen.course,
        frozen=chosen.frozen,
        console=Console(stderr=True),
    )
    folds = deal_folds(clips, chosen.folds, seed=chosen.seed, alone=chosen.all)
    answers = cross_validate(clips, folds, seed=chosen.seed)
    if chosen.answers:
        write_answers(answers, chosen.answers)
    title = chosen.title or chosen.recordings.resolve().name
    report = Report(
        theme=f'baseline_{title.replace(" ", "_").lower()}',
        title=f'Plain classifiers of whole clips: {title}',
        settings={
            'clips': len(clips),
            'of these tested on': len(answers.clips),
            'folds': len(set(folds.values())),
            'groups': len({clip.group for clip in clips if clip.group}),
            'labels': len(answers.labels),
            'seed': chosen.seed,
            'course': 'step by step' if chosen.course else 'not looked at',
            'sound and words': 'by frozen networks' if chosen.frozen else 'plain features',
        },
        tables=[scores_table(answers, seed=chosen.seed), strengths_table(answers)],
        notes=[NOTE, *(f'Left out: {reason}' for reason in left_out)],
    )
    return publish(report, chosen, began=began)


NOTE = (
    'Balanced accuracy per clip, over the clips of all folds together; in brackets the 95 % '
    'interval, bootstrap over groups. A sense alone is asked of the clips that have it; late '
    'fusion, the mean log-probability of the senses that a clip has, of all.'
)


def read_clips(
    folder: Path,
    *,
    course: bool = False,
    frozen: bool = False,
    workers: int = 1,
    console: Console | None = None,
) -> tuple[list[Clip], list[str]]:
    """Read the recordings of a folder that have one label each.

    Args:
        folder: of the recordings.
        course: of :func:`read_features`.
        frozen: whether sound and words are what frozen networks give, without a course.
        workers: processes.
        console: where to show progress.

    Returns:
        The clips, and why each recording that is none was left out.

    Raises:
        RecordingError: the table of splits is wrong, or no recording can be used.
    """
    bags = BagFolder(folder)
    table = bags.table()
    settings = settings_of(bags.found, table, DEFAULTS)
    features_of = read_frozen_features if frozen else partial(read_features, course=course)
    read = partial(_read, root=folder, features_of=features_of)
    work = [(path, settings[path], table.get(path)) for path in bags.found]
    found = dict(
        spread(
            read,
            work,
            workers=worker_count(workers),
            description='reading recordings',
            console=console,
        )
    )
    outcomes = [found[place] for place in range(len(work))]
    clips = [each for each in outcomes if isinstance(each, Clip)]
    if len({clip.label for clip in clips}) < 2:
        raise RecordingError(
            f'{folder}: expected recordings of at least two labels, one in each, got '
            f'{len(clips)} that can be used'
        )
    return clips, [*bags.unread, *(each for each in outcomes if isinstance(each, str))]


def _read(
    work: tuple[Path, Any, Assignment | None],
    *,
    root: Path,
    features_of: Callable[[Path, RecordedConfig], ClipFeatures],
) -> Clip | str:
    path, recorded, assignment = work
    try:
        labels = {span.label for span in load_labels(path)}
        if len(labels) != 1:
            return f'{path.relative_to(root)}: expected one label, got {len(labels)}'
        return Clip(
            name=path.relative_to(root).as_posix(),
            label=labels.pop(),
            group=assignment.group if assignment else '',
            split=assignment.split if assignment else '',
            features=features_of(path, recorded),
        )
    except (ActivityRecognitionError, OSError) as error:
        return str(error)


def deal_folds(
    clips: Sequence[Clip], folds: int, *, seed: int = 0, alone: bool = False
) -> dict[str, int]:
    """Return the fold, from 1, of every clip that is tested on; the others are trained on alone.

    Args:
        clips: all of them.
        folds: how many, where no clip is of the split test.
        seed: of the dealing of groups.
        alone: whether clips without a group are tested on, too.

    Raises:
        RecordingError: there are fewer groups than folds.
    """
    if any(clip.split == 'test' for clip in clips):
        return {clip.name: 1 for clip in clips if clip.split == 'test'}
    dealt = [clip for clip in clips if clip.group or alone]
    groups = [clip.group or f'\0{clip.name}' for clip in dealt]
    if len(set(groups)) < folds:
        raise RecordingError(
            f'expected at least {folds} groups in splits.csv, got {len(set(groups))}; give groups, '
            'or fewer --folds, or --all to take each clip for a group'
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    labels = [clip.label for clip in dealt]
    parts = splitter.split(np.zeros(len(dealt)), labels, groups)
    return {dealt[i].name: fold for fold, (_, tested) in enumerate(parts, 1) for i in tested}


def cross_validate(clips: Sequence[Clip], folds: Mapping[str, int], *, seed: int = 0) -> Answers:
    """Train on what is not in a fold, nor of its groups, and answer for the fold.

    Args:
        clips: all of them.
        folds: of :func:`deal_folds`.
        seed: of the inner cross-validation.
    """
    labels = tuple(sorted({clip.label for clip in clips}))
    tested = [clip for clip in clips if clip.name in folds]
    place = {clip.name: index for index, clip in enumerate(tested)}
    senses = sorted({sense for clip in clips for sense in senses_of(clip)})
    found = {sense: np.full((len(tested), len(labels)), np.nan) for sense in senses}
    strengths: dict[str, Counter[float]] = {sense: Counter() for sense in senses}
    for fold in sorted(set(folds.values())):
        held_out = [clip for clip in tested if folds[clip.name] == fold]
        training = [clip for clip in clips if folds.get(clip.name) != fold]
        for sense in senses:
            asked = [clip for clip in held_out if sense in senses_of(clip)]
            known = [clip for clip in training if sense in senses_of(clip)]
            if not asked or len({clip.label for clip in known}) < 2:
                continue
            model, strength = fit(known, sense, seed=seed)
            strengths[sense][strength] += 1
            rows = [place[clip.name] for clip in asked]
            found[sense][rows] = log_probabilities(model, asked, sense, labels)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of clips without any sense
        fused = np.nanmean(np.stack([found[sense] for sense in senses]), axis=0)
    return Answers(
        clips=tuple(tested),
        folds=tuple(folds[clip.name] for clip in tested),
        labels=labels,
        log_probabilities={**found, FUSED: fused},
        strengths=strengths,
    )


def senses_of(clip: Clip) -> frozenset[str]:
    """Return the senses that a clip has."""
    return frozenset([*clip.features.vectors, *([TEXT] if clip.features.words else [])])


def fit(clips: Sequence[Clip], sense: str, *, seed: int) -> tuple[BaseEstimator, float]:
    """Train the classifier of a sense; C by cross-validation over groups, if there are enough.

    Args:
        clips: that have the sense.
        sense: to train on.
        seed: of the cross-validation.

    Returns:
        The classifier, and its C.
    """
    labels = [clip.label for clip in clips]
    groups = [clip.group or f'\0{clip.name}' for clip in clips]
    inner = min(INNER_FOLDS, *Counter(labels).values(), len(set(groups)))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)
        warnings.simplefilter('ignore', UserWarning)  # of labels with fewer groups than folds
        if inner < 2:
            return _classifier(sense).fit(inputs(clips, sense), labels), 1.0
        several = len(set(groups)) < len(groups)
        kind = StratifiedGroupKFold if several else StratifiedKFold
        search = GridSearchCV(
            _classifier(sense),
            {'logisticregression__C': list(STRENGTHS)},
            scoring='balanced_accuracy',
            cv=kind(inner, shuffle=True, random_state=seed),
        )
        search.fit(inputs(clips, sense), labels, groups=groups)
    return search.best_estimator_, float(search.best_params_['logisticregression__C'])


def _classifier(sense: str) -> BaseEstimator:
    regression = LogisticRegression(max_iter=2000)
    if sense != TEXT:
        return make_pipeline(StandardScaler(), regression)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r'(?u)\b\w+\b')
    characters = TfidfVectorizer(analyzer='char_wb', ngram_range=(2, 4), sublinear_tf=True)
    scaler = StandardScaler(with_mean=False)  # which would fill the sparse matrix
    return make_pipeline(make_union(words, characters), scaler, regression)


def inputs(clips: Sequence[Clip], sense: str) -> Any:
    """Return what a classifier of a sense takes: an array, or a list of texts."""
    if sense == TEXT:
        return [clip.features.words for clip in clips]
    return np.stack([clip.features.vectors[sense] for clip in clips])


def log_probabilities(
    model: Any, clips: Sequence[Clip], sense: str, labels: Sequence[str]
) -> NDArray[np.float64]:
    """Return log-probabilities (clips, labels); a label that was not trained on is improbable.

    Args:
        model: of :func:`fit`.
        clips: that have the sense.
        sense: of the model.
        labels: all that there are.
    """
    found = np.full((len(clips), len(labels)), np.log(1e-6))
    columns = [labels.index(label) for label in model.classes_]
    found[:, columns] = np.maximum(model.predict_log_proba(inputs(clips, sense)), np.log(1e-6))
    return found


def scores_table(answers: Answers, *, seed: int = 0) -> Table:
    """Return the balanced accuracy of each sense and of late fusion, with its interval."""
    folds = sorted(set(answers.folds))
    rows = []
    for sense in answers.log_probabilities:
        chosen = [
            place
            for place, decided in enumerate(answers.classes(sense))
            if decided != NOTHING or sense == FUSED
        ]
        if not chosen:
            continue
        score, (low, high) = score_of(answers, sense, chosen, seed=seed)
        of_folds = [
            score_of(answers, sense, [p for p in chosen if answers.folds[p] == fold])[0]
            for fold in folds
        ]
        rows.append(
            [
                sense,
                str(len(chosen)),
                *(f'{value:.1f}' for value in of_folds if len(folds) > 1),
                f'{score:.1f} ({low:.1f}–{high:.1f})',
            ]
        )
    numbers = [f'fold {fold}' for fold in folds if len(folds) > 1]
    return Table('Balanced accuracy per clip, %', ['', 'clips', *numbers, 'all'], rows)


def score_of(
    answers: Answers, sense: str, chosen: Sequence[int], *, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return the balanced accuracy over some clips and its interval, %.

    Args:
        answers: of all clips.
        sense: one of them, or late fusion.
        chosen: places of the clips that count.
        seed: of the bootstrap.
    """
    decided, count = answers.classes(sense), len(answers.labels)
    truth = [answers.labels.index(answers.clips[place].label) for place in chosen]
    counts = np.zeros((len(chosen), count, count + 1), np.int64)
    for row, (place, true) in enumerate(zip(chosen, truth, strict=True)):
        counts[row] = confusion_matrix(np.array([true]), decided[[place]], count)
    groups = [answers.clips[place].group for place in chosen]
    bootstrap = Bootstrap.draw(len(chosen), resamples=1000, seed=seed, groups=groups)
    interval = bootstrap.intervals(overall_scores, counts)['balanced_accuracy']
    low, high = interval or (float('nan'), float('nan'))
    value = float(overall_scores(counts.sum(0))['balanced_accuracy'])
    return 100 * value, (100 * low, 100 * high)


def strengths_table(answers: Answers) -> Table:
    """Return how often each C was chosen for each sense."""
    rows = [
        [sense, *(str(found[strength]) for strength in STRENGTHS)]
        for sense, found in answers.strengths.items()
    ]
    return Table('C that was chosen, folds', ['', *(f'{c:g}' for c in STRENGTHS)], rows)


def write_answers(answers: Answers, path: Path) -> None:
    """Write what is answered for each clip, to be paired with what another network answers."""
    senses = list(answers.log_probabilities)
    classes = {sense: answers.classes(sense) for sense in senses}
    with path.open('w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['recording', 'label', 'group', 'fold', *senses])
        for place, clip in enumerate(answers.clips):
            found = [classes[sense][place] for sense in senses]
            said = [answers.labels[value] if value != NOTHING else '' for value in found]
            writer.writerow([clip.name, clip.label, clip.group, answers.folds[place], *said])


if __name__ == '__main__':
    sys.exit(main())
