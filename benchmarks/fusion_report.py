"""What the answers of a fusion are worth beside those of its parts, as tables and goals."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from baseline import FUSED
from fusion_sets import ClipSet, SetSource
from harness import Goal, Report
from numpy.typing import NDArray
from real_data import ClipAnswer, recipe, tested_recordings
from record import Table

from activity_recognition.training.evaluation.bootstrap import Bootstrap
from activity_recognition.training.evaluation.predict import Combination, combination_name

AFTER, BEFORE, ALONE = 'after', 'before', 'alone'
AVERAGE, WHOLE = 'average of its own heads', 'fused'
OVER_SINGLE = 'fused − best single modality'
PLAIN = 'plain classifiers, '
OWN = 'a network of its own, '
RESAMPLES = 2000
LEAST_GAIN, LEAST_OF_A_SEED, MOST_SPOILT = -0.5, -2.0, 2.0
"""Points: what the fusion may be below its parts, as the mean over seeds and with the worst of
them, and what a modality within it may be below a network of its own."""
ABOVE_SINGLE, OF_A_SEED = 10.0, 8.0
"""Points that a fusion of what frozen networks give is to be above the best of its modalities."""
PLAIN_AUDIO = 86.8
"""A support vector machine on log-mel mean, deviation, delta and maximum: ESC-10, five folds, %."""

Said = Mapping[str, str]
"""Label answered for each clip."""

NOTE = (
    'Balanced accuracy per clip: the mean over labels of the share of right answers. Best subset: '
    'of the modalities without one or more, the one that is best for a seed on these very clips, '
    'which favours it. In brackets the 95 % interval of the mean over seeds, paired by clip, '
    'bootstrap over groups. No setting was chosen on the clips tested on.'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What one way to answer is above another, points."""

    name: str
    seeds: tuple[float, ...]
    low: float
    high: float
    """Bounds of the mean over the seeds."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.seeds)


class Scores:
    """Balanced accuracy of ways to answer, on the clips that count."""

    def __init__(self, clips: ClipSet, *, seed: int) -> None:
        """Draw the resamples.

        Args:
            clips: the truth.
            seed: of the bootstrap.
        """
        self._counted = {name: clip for name, clip in clips.clips.items() if clip.counts}
        labels = sorted({clip.label for clip in self._counted.values()})
        truth = [labels.index(clip.label) for clip in self._counted.values()]
        self._is_label = np.eye(len(labels))[truth]
        """(clips, labels)."""
        groups = [clip.group for clip in self._counted.values()]
        bootstrap = Bootstrap.draw(len(truth), resamples=RESAMPLES, seed=seed, groups=groups)
        self._weights = bootstrap.weights

    def accuracy(self, said: Said) -> float:
        """Return the balanced accuracy, %."""
        return float(self._accuracies(said, np.ones((1, len(self._counted))))[0])

    def difference(self, name: str, first: Sequence[Said], second: Sequence[Said]) -> Difference:
        """Compare two ways to answer.

        Args:
            name: of the difference.
            first: what is answered with each seed.
            second: the same of the other way.
        """
        pairs = list(zip(first, second, strict=True))
        drawn = np.mean(
            [
                self._accuracies(a, self._weights) - self._accuracies(b, self._weights)
                for a, b in pairs
            ],
            axis=0,
        )
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        seeds = tuple(self.accuracy(a) - self.accuracy(b) for a, b in pairs)
        return Difference(name=name, seeds=seeds, low=float(low), high=float(high))

    def _accuracies(self, said: Said, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the balanced accuracy with each row of weights, (N,), %."""
        right = np.array([said[name] == clip.label for name, clip in self._counted.items()])
        asked = weights @ self._is_label
        found = weights @ (self._is_label * right[:, None])
        with np.errstate(invalid='ignore'):  # of labels that a resample lacks
            recalls = np.where(asked > 0, found / asked, np.nan)
        mean: NDArray[np.float64] = 100 * np.nanmean(recalls, axis=1)
        return mean


def make_report(
    source: SetSource,
    clips: ClipSet,
    found: Mapping[str, Sequence[Sequence[ClipAnswer]]],
    plain: Mapping[str, Said],
    *,
    seeds: Sequence[int],
) -> Report:
    """Return what the answers are worth.

    Args:
        source: of the set.
        clips: the set.
        found: answers of each arm, with each seed.
        plain: labels of the plain classifiers.
        seeds: of the runs.
    """
    scores = Scores(clips, seed=seeds[0])
    answers = ways_of(source, clips, found)
    answers |= {way: [said] * len(seeds) for way, said in plain.items()}
    accuracies = {way: [scores.accuracy(said) for said in each] for way, each in answers.items()}
    compared = differences(source, scores, answers, accuracies)
    config = recipe(source.recipe, seed=0)
    return Report(
        theme=f'fusion_{clips.name}',
        title=f'Fusion: {source.title}',
        settings={
            'recipe': f'config/train/{source.recipe}.yaml',
            'preset': f'config/models/{config.preset}.yaml',
            'seeds': ' '.join(map(str, seeds)),
            'folds': len(clips.folds),
            'clips tested on': len(clips.clips),
            'of these compared on': sum(clip.counts for clip in clips.clips.values()),
        },
        goals=goals(source, clips, accuracies, compared),
        tables=[
            seed_table('Balanced accuracy per clip, %', accuracies, seeds),
            *([difference_table(compared, seeds)] if compared else []),
            decision_table(source, found, seeds),
        ],
        notes=[clips.note, NOTE],
    )


def ways_of(
    source: SetSource, clips: ClipSet, found: Mapping[str, Sequence[Sequence[ClipAnswer]]]
) -> dict[str, list[Said]]:
    """Return the labels answered in each way, with each seed.

    Args:
        source: of the set.
        clips: the set.
        found: answers of each arm, with each seed.
    """
    usual = {
        name: fold.usual_label for fold in clips.folds for name in tested_recordings(fold.folder)
    }
    ways: dict[str, list[Said]] = {}
    for arm, of_seeds in found.items():
        for shown in of_seeds[0][0].probabilities:
            ways[way_name(source, arm, shown)] = [
                {a.name: a.label(shown) or usual[a.name] for a in answers} for answers in of_seeds
            ]
        if len(source.modalities) > 1 and not arm.startswith(ALONE):
            ways[f'{arm}: {AVERAGE}'] = [
                {a.name: _label_of_average(a) or usual[a.name] for a in answers}
                for answers in of_seeds
            ]
    return ways


def way_name(source: SetSource, arm: str, shown: Combination) -> str:
    """Name a way to answer.

    Args:
        source: of the set.
        arm: how the network was trained.
        shown: modalities that it is shown.
    """
    if arm.startswith(ALONE):
        return f'{OWN}{combination_name(shown)}'
    whole = shown == source.modalities and len(shown) > 1
    return f'{arm}: {WHOLE if whole else combination_name(shown)}'


def _label_of_average(answer: ClipAnswer) -> str:
    """Return what the average of the heads answers, empty where there is none."""
    assert answer.average is not None
    if np.isnan(answer.average).any():
        return ''
    return answer.labels[int(answer.average.argmax())]


def differences(
    source: SetSource,
    scores: Scores,
    answers: Mapping[str, Sequence[Said]],
    accuracies: Mapping[str, Sequence[float]],
) -> list[Difference]:
    """Return what fusions are above their parts and above plain classifiers.

    Args:
        source: of the set.
        scores: on the clips that count.
        answers: of each way, with each seed.
        accuracies: of the same.
    """
    if len(source.modalities) < 2:
        return []
    found: list[Difference] = []
    for arm in (AFTER, BEFORE):
        fused = answers.get(f'{arm}: {WHOLE}')
        if fused is None:
            continue
        subsets = [
            way
            for way in answers
            if way.startswith(f'{arm}: ') and way not in (f'{arm}: {WHOLE}', f'{arm}: {AVERAGE}')
        ]
        singles = [way_name(source, arm, (modality,)) for modality in source.modalities]
        pairs = {
            f'{arm}: fused − best subset': _best(subsets, answers, accuracies),
            f'{arm}: {OVER_SINGLE}': _best(singles, answers, accuracies),
            f'{arm}: fused − average of its own heads': answers[f'{arm}: {AVERAGE}'],
            f'{arm}: fused − late fusion of plain classifiers': answers[f'{PLAIN}{FUSED}'],
        }
        found += [scores.difference(name, fused, other) for name, other in pairs.items()]
    for modality in source.modalities:
        within, alone = f'{AFTER}: {modality.value}', f'{OWN}{modality.value}'
        if within in answers and alone in answers:
            name = f'{modality.value} within − a network of its own'
            found.append(scores.difference(name, answers[within], answers[alone]))
    return found


def _best(
    ways: Sequence[str],
    answers: Mapping[str, Sequence[Said]],
    accuracies: Mapping[str, Sequence[float]],
) -> list[Said]:
    """Return what the best of some ways answers, seed by seed."""
    return [
        said[max(range(len(ways)), key=lambda place, n=number: accuracies[ways[place]][n])]
        for number, said in enumerate(zip(*(answers[way] for way in ways), strict=True))
    ]


def goals(
    source: SetSource,
    clips: ClipSet,
    accuracies: Mapping[str, Sequence[float]],
    compared: Sequence[Difference],
) -> list[Goal]:
    """Return what was expected.

    Args:
        source: of the set.
        clips: the set.
        accuracies: of each way, with each seed.
        compared: of :func:`differences`.
    """
    if not compared:
        only = statistics.fmean(next(iter(accuracies.values())))
        return [Goal(name='mean over seeds, %', value=only, at_least=PLAIN_AUDIO)]
    found: list[Goal] = []
    for one in compared:
        if one.name == f'{AFTER}: {OVER_SINGLE}':
            if source.is_pretrained:
                worst = f'{one.name}, worst seed'
                found.append(Goal(name=one.name, value=one.mean, at_least=ABOVE_SINGLE))
                found.append(Goal(name=worst, value=min(one.seeds), at_least=OF_A_SEED))
        elif one.name.startswith(f'{AFTER}: ') and 'plain' in one.name:
            wanted = 0.0 if source.is_pretrained else clips.above_baseline
            found.append(Goal(name=one.name, value=one.mean, at_least=wanted))
        elif one.name.startswith(f'{AFTER}: '):
            worst = f'{one.name}, worst seed'
            found.append(Goal(name=one.name, value=one.mean, at_least=LEAST_GAIN))
            found.append(Goal(name=worst, value=min(one.seeds), at_least=LEAST_OF_A_SEED))
        elif not one.name.startswith(f'{BEFORE}: '):
            found.append(Goal(name=one.name, value=one.mean, at_least=-MOST_SPOILT))
    return found


def seed_table(title: str, found: Mapping[str, Sequence[float]], seeds: Sequence[int]) -> Table:
    """Return a table with one row per way and one column per seed."""
    columns = ['', *(f'seed {seed}' for seed in seeds), 'mean', 'spread']
    return Table(title, columns, [[way, *_summary(values)] for way, values in found.items()])


def _summary(values: Sequence[float]) -> list[str]:
    spread = statistics.stdev(values) if len(values) > 1 else float('nan')
    return [f'{value:.1f}' for value in (*values, statistics.fmean(values), spread)]


def difference_table(compared: Sequence[Difference], seeds: Sequence[int]) -> Table:
    """Return the differences with each seed, and their mean with its interval."""
    rows = [
        [
            one.name,
            *(f'{value:+.1f}' for value in one.seeds),
            f'{one.mean:+.1f} ({one.low:+.1f} to {one.high:+.1f})',
        ]
        for one in compared
    ]
    return Table('Differences, points', ['', *(f'seed {seed}' for seed in seeds), 'mean'], rows)


def decision_table(
    source: SetSource, found: Mapping[str, Sequence[Sequence[ClipAnswer]]], seeds: Sequence[int]
) -> Table:
    """Return how many decisions are right, of those at which anything is visible."""
    rows = {}
    for arm, of_seeds in found.items():
        for shown in of_seeds[0][0].right:
            counts = [np.sum([a.right[shown] for a in answers], axis=0) for answers in of_seeds]
            values = [100 * float(right) / max(1, int(number)) for right, number in counts]
            rows[way_name(source, arm, shown)] = values
    return seed_table('Accuracy of single decisions, all clips, %', rows, seeds)
