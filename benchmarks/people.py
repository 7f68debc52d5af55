"""The checkpoint `people`, and `people_real`, which also learnt from films: two looks at each.

For each seed both are trained as `python -m activity_recognition.training.people` does. One look is
at composed recordings of other people, sounds, seeds and sentences, as the node would decide and
smooth. The other is at clips cut from films (JHMDB), joints marked by hand: those that the authors'
first split tests on, of the ten labels that they show. `people` has never seen any of JHMDB,
`people_real` has learnt from what that split trains on. A clip's answer is the mean over its
decisions of the log-probabilities. Beside it stands a logistic regression on mean, deviation and
range of every joint over the whole clip, trained on the same clips as `people_real`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import baseline
from clip_scores import arguments_of_seeds, skipped, spread_table
from harness import Goal, Report, publish, seeds_of
from real_data import data_folder
from record import Table, provenance
from rich.console import Console

from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.evaluation.measuring import (
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.people.film import TESTED, TRAINED, write_film_recordings
from activity_recognition.training.people.making import (
    RECIPE,
    PeopleScale,
    folder_of,
    make_people,
)

NAME, TITLE = 'people', 'The checkpoint people'
PEOPLE, REAL = 'people', 'people_real'
SETS = ('utd_mhad', 'esc10', 'jhmdb_joints')
F1_WANTED, CHANGES_ALLOWED = 80.0, 1.4
"""Smoothed F1 at an overlap of a half, %, and changes of the answer per change of the truth."""
ANSWERS = 'answers.json'


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """Where the data sets are, and what is made of them."""

    data: Path
    work: Path

    @property
    def films(self) -> Path:
        """Clips tested on, as recordings."""
        return self.work / 'films'


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What was found of one network."""

    composed: Mapping[str, Any]
    """Scores of all modalities, and temporal measures."""
    films: Mapping[str, tuple[str, str]]
    """Of each clip, its label and what was answered."""


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    chosen = arguments_of_seeds(__doc__).parse_args(argv)
    began = provenance()
    folders = [data_folder(name, table) for name, table in zip(SETS, _TABLES, strict=True)]
    if None in folders:
        return publish(skipped(NAME, TITLE), chosen, began=began)
    work = chosen.work / f'{NAME}_{began.commit or "unknown"}_epochs_{chosen.epochs or "all"}'
    if began.dirty or not began.commit:
        shutil.rmtree(work, ignore_errors=True)
    where = Folders(data=Path(str(folders[0])).parent, work=work)
    write_film_recordings(where.data / SETS[2], where.films, TESTED)
    found = {
        name: [look(where, name, seed, chosen.epochs) for seed in seeds_of(chosen)]
        for name in (PEOPLE, REAL)
    }
    return publish(make_report(found, plain_answers(where), chosen), chosen, began=began)


_TABLES = ('recordings.csv', 'clips.csv', 'clips.csv')


def look(where: Folders, name: str, seed: int, epochs: int | None) -> Looked:
    """Train one network and look at what it answers; what was answered before is read.

    Args:
        where: the data sets, and what is made.
        name: which of the two.
        seed: of the training.
        epochs: instead of the recipe's.
    """
    work = where.work
    out = work / f'{name}_{seed}'
    if not (out / ANSWERS).is_file():
        config = replace(load_config(TrainConfig, shipped_file(RECIPE)), seed=seed)
        if epochs:
            config = config.with_epochs(epochs)
        console = Console(stderr=True)
        make_people(where.data, out, work, real=name == REAL, config=config, console=console)
        checkpoint, how = load_checkpoint(out), EvaluationConfig(cost_decisions=0)
        cache, tested = work / 'cache', folder_of(work, PeopleScale(), held_out=True)
        composed = evaluate_checkpoint(checkpoint, tested, cache=cache, config=how)
        clips = evaluate_checkpoint(checkpoint, where.films, cache=cache, config=how)
        whole = composed.metrics['combinations']['video+audio+text']
        kept = {
            'composed': {
                'smoothed': whole['smoothed'],
                'decisions': whole['balanced_accuracy'],
                'video': composed.metrics['combinations']['video']['balanced_accuracy'],
                'audio': composed.metrics['combinations']['audio']['balanced_accuracy'],
                'text': composed.metrics['combinations']['text']['balanced_accuracy'],
                'temporal': composed.metrics['temporal']['smoothed'],
            },
            'films': {
                row['name']: (row['clip']['label'], row['clip']['answer'] or '')
                for row in clips.metrics['recordings']
            },
        }
        (out / ANSWERS).write_text(json.dumps(kept), encoding='utf-8')
    read = json.loads((out / ANSWERS).read_text(encoding='utf-8'))
    return Looked(composed=read['composed'], films=read['films'])


def plain_answers(where: Folders) -> dict[str, tuple[str, str]]:
    """Return the label of each clip tested on, and what a logistic regression answers.

    Args:
        where: the data sets, and what is made.
    """
    films, folder = where.data / SETS[2], where.work / 'films_of_both_parts'
    tested = {path.name for path in write_film_recordings(films, folder, TESTED)}
    write_film_recordings(films, folder, TRAINED)
    clips, _ = baseline.read_clips(folder, console=Console(stderr=True))
    answers = baseline.cross_validate(clips, dict.fromkeys(tested, 1))
    classes = answers.classes('joints')
    return {
        clip.name: (clip.label, answers.labels[place])
        for clip, place in zip(answers.clips, classes, strict=True)
    }


def make_report(
    found: Mapping[str, Sequence[Looked]],
    plain: Mapping[str, tuple[str, str]],
    chosen: argparse.Namespace,
) -> Report:
    """Return what the networks reach.

    Args:
        found: by name, with each seed.
        plain: of the logistic regression.
        chosen: the command line.
    """
    seeds = list(seeds_of(chosen))
    temporal = [one.composed['temporal'] for one in found[PEOPLE]]
    f1 = statistics.fmean(one['f1_at_50'] for one in temporal)
    changes = statistics.fmean(one['changes_ratio'] for one in temporal)
    clips = {f'{name}': [one.films for one in of] for name, of in found.items()}
    clips |= {'logistic regression': [plain] * len(seeds)}
    return Report(
        theme=NAME,
        title=TITLE,
        settings={
            'recipe': f'config/{RECIPE}',
            'seeds': ' '.join(map(str, seeds)),
            'epochs': chosen.epochs or "the recipe's",
            'clips of films tested on': len(plain),
        },
        goals=[
            Goal(name='people, composed: smoothed F1@50, %', value=f1, at_least=F1_WANTED),
            Goal(
                name='people, composed: changes of the answer per change of the truth',
                value=changes,
                at_most=CHANGES_ALLOWED,
            ),
        ],
        tables=[
            composed_table(found, seeds),
            spread_table(
                'Clips of films, accuracy, %',
                {way: [accuracy(said) for said in each] for way, each in clips.items()},
                seed_names(seeds),
            ),
            recall_table(clips),
        ],
        notes=list(NOTES),
    )


def accuracy(said: Mapping[str, tuple[str, str]], label: str = '') -> float:
    """Return the share of right answers, of one label or of all clips, %."""
    right = [answer == truth for truth, answer in said.values() if label in ('', truth)]
    return 100 * statistics.fmean(right)


def composed_table(found: Mapping[str, Sequence[Looked]], seeds: Sequence[int]) -> Table:
    """Return what is reached on composed recordings."""
    rows = {}
    for name, of in found.items():
        each = [one.composed for one in of]
        rows |= {
            f'{name}: balanced accuracy, %': [100 * one['decisions'] for one in each],
            f'{name}: the same, smoothed, %': [
                100 * one['smoothed']['balanced_accuracy'] for one in each
            ],
            **{
                f'{name}: {modality} alone, %': [100 * one[modality] for one in each]
                for modality in ('video', 'audio', 'text')
            },
            f'{name}: smoothed F1@50, %': [one['temporal']['f1_at_50'] for one in each],
            f'{name}: changes per change': [one['temporal']['changes_ratio'] for one in each],
        }
    return spread_table('Composed recordings', rows, seed_names(seeds))


def seed_names(seeds: Sequence[int]) -> list[str]:
    """Return the names of the columns."""
    return [f'seed {seed}' for seed in seeds]


def recall_table(clips: Mapping[str, Sequence[Mapping[str, tuple[str, str]]]]) -> Table:
    """Return how many of each label's clips are answered rightly, mean over the seeds."""
    some = next(iter(clips.values()))[0]
    labels = sorted({label for label, _ in some.values()})
    counts = [sum(label == truth for truth, _ in some.values()) for label in labels]
    rows = [
        [
            f'{label} ({count})',
            *(
                f'{statistics.fmean(accuracy(said, label) for said in each):.0f}'
                for each in clips.values()
            ),
        ]
        for label, count in zip(labels, counts, strict=True)
    ]
    return Table('Clips of films, recall by label (clips), %', ['', *clips], rows)


NOTES = (
    'Composed recordings are not real: joints of the simulator and of UTD-MHAD seen by random '
    'cameras with the noise of a detector, sounds of the simulator and of ESC-10, written '
    'sentences; a seventh of the stretches shows nobody, some sounds and words are of another '
    'label. The four people of UTD-MHAD, the fold of ESC-10 and the sentences measured on are not '
    'trained on.',
    'Films show ten of the seventeen labels. Any of the seventeen may be answered.',
    'Nothing was chosen by the clips tested on.',
)


if __name__ == '__main__':
    sys.exit(main())
