"""Sixty clips, the documented command, and plain classifiers on the same features.

Of fights, ESC-10 and UTD-MHAD sixty clips are drawn for training, as evenly over the labels as
they go, others in each draw; fights and ESC-10 are tested on another fold in each draw, whole
sources apart, UTD-MHAD on its even subjects. Networks are trained by the recipes that
docs/training.md names for few clips. The baseline (baseline.py) classifies the same sixty clips: of
fights by plain features of image and sound, of ESC-10 by what YAMNet gives, of UTD-MHAD by key
points and inertial measurements. A clip's answer is the mean over its decisions of the
log-probabilities.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import baseline
import numpy as np
from fusion_sets import SETS, ClipSet
from harness import Goal, Report, arguments, publish, seeds_of
from kept_answers import answers_of
from real_data import WORK, FoldRun, link_recordings, recipe
from record import Table, provenance
from rich.console import Console

from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.training.evaluation.predict import combinations_of
from activity_recognition.types import Modality

NAME, TITLE = 'sixty_clips', 'Sixty clips, by the documented command and by plain classifiers'
CLIPS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A data set, and the command that its clips are trained with."""

    title: str
    recipe: str
    modalities: tuple[Modality, ...]

    @property
    def is_pretrained(self) -> bool:
        """Whether network and classifiers see what frozen networks give."""
        return 'pretrained' in self.recipe


TASKS = {
    'fights': Task(title='fights', recipe='few_clips', modalities=(Modality.VIDEO, Modality.AUDIO)),
    'esc10': Task(title='ESC-10', recipe='few_clips_pretrained', modalities=(Modality.AUDIO,)),
    'utd_mhad': Task(title='UTD-MHAD', recipe='few_clips_pretrained', modalities=(Modality.VIDEO,)),
}
"""By the set's name in fusion_sets.py."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """What a draw of a set reached, %."""

    network: float
    plain: float


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('--seeds', type=int, default=5, help='draws, from --seed on')
    parser.add_argument('--sets', nargs='+', choices=TASKS, default=list(TASKS))
    parser.add_argument('--work', type=Path, default=WORK, help='folder for what is made')
    chosen = parser.parse_args(argv)
    began, draws = provenance(), seeds_of(chosen)
    report = Report(
        theme=NAME,
        title=TITLE,
        settings={'clips to train on': CLIPS, 'draws': ' '.join(map(str, draws))},
        notes=[
            'Right answers per clip, the mean over labels of the share that is right. Fights: '
            'recipe few_clips, by video and sound. ESC-10: few_clips_pretrained, by sound. '
            'UTD-MHAD: few_clips_pretrained, by key points and an inertial sensor; of its 27 '
            'actions, sixty clips are two or three each.'
        ],
    )
    rows = []
    for name in chosen.sets:
        clips = SETS[name].write(chosen.work / name)
        if clips is None:
            report.goals.append(_goal(TASKS[name], float('nan'), skipped='the data set is absent'))
            continue
        kept = chosen.work / f'{NAME}_{began.commit or "unknown"}{"_dirty" * began.dirty}' / name
        found = [answer_draw(name, clips, kept / str(draw), draw) for draw in draws]
        rows += _rows(TASKS[name], found)
        gain = statistics.fmean(each.network - each.plain for each in found)
        report.goals.append(_goal(TASKS[name], gain))
    columns = ['', '', *(f'draw {draw}' for draw in draws), 'mean']
    report.tables.append(Table('Right per clip, %', columns, rows))
    return publish(report, chosen, began=began)


def _goal(task: Task, value: float, *, skipped: str = '') -> Goal:
    return Goal(
        name=f'{task.title}: the command − the baseline, mean points',
        value=value,
        at_least=0.0,
        skipped=skipped,
    )


def _rows(task: Task, found: Sequence[Drawn]) -> list[list[str]]:
    ways = {
        task.recipe: [each.network for each in found],
        'baseline': [each.plain for each in found],
        'difference': [each.network - each.plain for each in found],
    }
    return [
        [task.title, way, *(f'{v:.1f}' for v in values), f'{statistics.fmean(values):.1f}']
        for way, values in ways.items()
    ]


def answer_draw(name: str, clips: ClipSet, out: Path, draw: int) -> Drawn:
    """Train on a draw of a set, and answer for the clips of its test.

    Args:
        name: of the set.
        clips: the set.
        out: folder of this draw.
        draw: its number, which is its seed as well.
    """
    task = TASKS[name]
    folder = clips.folds[draw % len(clips.folds)].folder
    data = draw_clips(folder, out.parent / f'data_{draw}', seed=draw)
    config = recipe(task.recipe, seed=draw)
    model = replace(config.model, modalities=tuple(m.value for m in task.modalities))
    run = FoldRun(
        config=replace(config, model=model),
        data=data,
        out=out,
        cache=out.parents[2] / 'cache' / name,
        combinations=combinations_of(task.modalities),
        logarithms=True,
    )
    said = {answer.name: answer.label(task.modalities) for answer in answers_of(run)}
    return Drawn(
        network=balanced_accuracy(clips, said),
        plain=balanced_accuracy(clips, plain_answers(data, task)),
    )


def draw_clips(folder: Path, out: Path, *, seed: int) -> Path:
    """Make a folder of sixty clips to train on, and of those tested on.

    Args:
        folder: of a fold; its recordings become hard links.
        out: to make.
        seed: of the draw.
    """
    with (folder / SPLITS_FILE).open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    tested = [row for row in rows if row['split'] == 'test']
    by_label: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if row['split'] != 'test':
            by_label[label_of(folder / row['recording'])].append(row)
    rng = np.random.default_rng(seed)
    shuffled = [
        [by_label[label][place] for place in rng.permutation(len(by_label[label]))]
        for label in rng.permutation(sorted(by_label))
    ]
    # One of each label in turn.
    turns = [
        of[turn] for turn in range(max(map(len, shuffled))) for of in shuffled if turn < len(of)
    ]
    kept = [{**row, 'split': ''} for row in turns[:CLIPS]] + tested
    link_recordings(folder, [row['recording'] for row in kept], out)
    with (out / SPLITS_FILE).open('w', encoding='utf-8', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    return out


def label_of(recording: Path) -> str:
    """Return the label of a recording of one activity."""
    (label,) = {span.label for span in baseline.load_labels(recording)}
    return label


def plain_answers(data: Path, task: Task) -> dict[str, str]:
    """Return what the plain classifiers answer for each clip of the test."""
    read, _ = baseline.read_clips(data, frozen=task.is_pretrained, console=Console(stderr=True))
    tested = {clip.name: 1 for clip in read if clip.split == 'test'}
    answers = baseline.cross_validate(read, tested)
    classes = answers.classes(baseline.FUSED)
    return {
        clip.name: '' if place == baseline.NOTHING else answers.labels[place]
        for clip, place in zip(answers.clips, classes, strict=True)
    }


def balanced_accuracy(clips: ClipSet, said: dict[str, str]) -> float:
    """Return the mean over labels of the share of right answers, %."""
    right: dict[str, list[bool]] = defaultdict(list)
    for name, label in said.items():
        right[clips.clips[name].label].append(label == clips.clips[name].label)
    return 100 * statistics.fmean(statistics.fmean(each) for each in right.values())


if __name__ == '__main__':
    sys.exit(main())
