"""Fourteen actions of JHMDB by joints marked by hand, and by joints as a detector finds them.

For each seed and each of the authors' three splits a network of key points is trained, with a
fixed number of epochs, and answers for the clips tested on: by the mean over the logarithms of the
probabilities of its decisions, ten a second, each of which sees only what came before. The same
networks answer for the same clips with noise, missing joints and confused sides. Beside it stands a
logistic regression on the mean, the deviation and the range of every joint over the whole clip.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import baseline
import numpy as np
from clip_scores import arguments_of_seeds, skipped
from harness import Goal, Report, publish, seeds_of
from joint_data import JointClip, jhmdb_joints, write_recording
from kept_answers import read_answers, write_answers
from numpy.typing import NDArray
from real_data import ClipAnswer, FoldRun, answer, data_folder, link_recordings, recipe
from record import Provenance, Table, provenance
from rich.console import Console

from activity_recognition.checkpoint_folder import OF_RUN
from activity_recognition.keypoints import SKELETONS
from activity_recognition.keypoints.skeletons import canonical_name, other_side
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.training.run.train import main_train
from activity_recognition.types import Modality

NAME, DATA, TITLE = 'jhmdb', 'jhmdb_joints', 'Actions of JHMDB by joints'
SPLITS = (1, 2, 3)
JOINTS = (Modality.VIDEO,)
CLEAN, NOISY = 'as marked', 'as detected'
NOISE, MISSING, CONFUSED = 0.05, 0.15, 0.05
"""Standard deviation of the noise as a share of the trunk, share of the joints that are missing,
share of the frames in which left and right change places."""
NOISE_SEED = 0
"""The noise is the same for every network."""
WANTED = {CLEAN: 77.0, NOISY: 68.0}
"""Mean accuracy per clip to reach, %."""
MOST_CONFUSED = 10

Answers = Mapping[str, Sequence[Sequence[Sequence[ClipAnswer]]]]
"""By the kind of joints; per seed, per split."""
Truth = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitRun:
    """One network to train, and where the noisy recordings are."""

    run: FoldRun
    noisy: Path


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    chosen = arguments_of_seeds(__doc__).parse_args(argv)
    began, start_s = provenance(), time.monotonic()
    folder = data_folder(DATA)
    if folder is None:
        return publish(skipped(NAME, TITLE), chosen, began=began)
    work, tested = chosen.work / NAME, tested_clips(folder)
    truth = write_recordings(folder, work)
    answers = train_and_answer(work, tested, chosen, began)
    plain = plain_answers(work, tested)
    report = make_report(answers, plain, truth, chosen)
    report.settings['minutes of this run'] = f'{(time.monotonic() - start_s) / 60:.0f}'
    return publish(report, chosen, began=began)


def tested_clips(folder: Path) -> dict[int, frozenset[str]]:
    """Return the names of the recordings that are tested on in each of the authors' splits."""
    with (folder / 'clips.csv').open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    names = [clip.name for clip in jhmdb_joints(folder)]
    return {
        split: frozenset(
            name for name, row in zip(names, rows, strict=True) if row[f'split_{split}'] == 'test'
        )
        for split in SPLITS
    }


def write_recordings(folder: Path, work: Path) -> dict[str, str]:
    """Write every clip to ``recordings``, and with noise to ``noisy``; return the labels by name.

    Recordings that are there already are kept.

    Args:
        folder: of the data set.
        work: folder for the recordings.
    """
    rng = np.random.default_rng(NOISE_SEED)
    clips = list(jhmdb_joints(folder))
    for clip in clips:
        as_detected = replace(clip, arrays={**clip.arrays, 'joints': detected(clip, rng)})
        for kind, out in ((clip, work / 'recordings'), (as_detected, work / 'noisy')):
            if not (out / clip.name / 'labels.csv').is_file():
                write_recording(kind, out)
    return {clip.name: clip.label for clip in clips}


def detected(clip: JointClip, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the joints (T, J, 2) of a clip as a detector might find them, NaN where missing.

    Args:
        clip: with joints marked by hand.
        rng: what is drawn.
    """
    joints: NDArray[Any] = np.array(clip.arrays['joints'], np.float64)
    names = [canonical_name(name) or name for name in SKELETONS[str(clip.arrays['names'])]]
    hips = joints[:, [names.index('left_hip'), names.index('right_hip')]].mean(axis=1)
    trunk = np.median(np.linalg.norm(joints[:, names.index('neck')] - hips, axis=1))
    found = joints + rng.normal(size=joints.shape) * NOISE * trunk
    others = [names.index(other_side(name)) for name in names]
    confused = rng.random(len(found)) < CONFUSED
    found[confused] = found[confused][:, others]
    found[rng.random(found.shape[:2]) < MISSING] = np.nan
    return found.astype(np.float32)


def split_folder(work: Path, tested: frozenset[str], folder: Path) -> Path:
    """Make a folder that trains on every recording but those tested on; they are hard links.

    Args:
        work: has the recordings.
        tested: names of those to test on.
        folder: to make.
    """
    names = sorted(path.parent.name for path in (work / 'recordings').glob('*/labels.csv'))
    link_recordings(work / 'recordings', names, folder)
    rows = [f'{name},{"test" if name in tested else "train"}' for name in names]
    text = '\n'.join(['recording,split', *rows])
    (folder / SPLITS_FILE).write_text(text + '\n', encoding='utf-8')
    return folder


def train_and_answer(
    work: Path,
    tested: Mapping[int, frozenset[str]],
    chosen: argparse.Namespace,
    began: Provenance,
) -> dict[str, list[list[list[ClipAnswer]]]]:
    """Train a network per seed and split, and answer for both kinds of joints.

    What was interrupted goes on where it was, as long as the commit is the same. Nothing is held
    out for validation: the number of epochs is fixed, and the averaged weights of the last are
    kept.

    Args:
        work: has the recordings.
        tested: on which, by split.
        chosen: the command line.
        began: of this run.
    """
    out = work / f'{began.commit or "unknown"}_epochs_{chosen.epochs or "all"}'
    if began.dirty or not began.commit:
        shutil.rmtree(out, ignore_errors=True)
    folders = {split: split_folder(work, tested[split], out / f'data_{split}') for split in SPLITS}
    runs = [
        SplitRun(
            run=FoldRun(
                config=recipe(NAME, seed=seed, epochs=chosen.epochs),
                data=folders[split],
                out=out / f'split_{split}_{seed}',
                cache=work / 'cache',
                combinations=(JOINTS,),
                logarithms=True,
            ),
            noisy=work / 'noisy',
        )
        for seed in seeds_of(chosen)
        for split in SPLITS
    ]
    found = dict(
        spread(
            answer_both,
            runs,
            workers=worker_count(chosen.workers),
            description='training networks',
            console=Console(stderr=True),
        )
    )
    each = [found[place] for place in range(len(runs))]
    return {
        kind: [
            [answers[kind] for answers in each[begin : begin + len(SPLITS)]]
            for begin in range(0, len(each), len(SPLITS))
        ]
        for kind in (CLEAN, NOISY)
    }


def answer_both(work: SplitRun) -> dict[str, list[ClipAnswer]]:
    """Train a network and answer for both kinds of joints; from its files where it has answered."""
    run = work.run
    files = {CLEAN: run.out / 'answers.json', NOISY: run.out / 'answers_noisy.json'}
    if all(path.is_file() for path in files.values()):
        return {kind: read_answers(path) for kind, path in files.items()}
    main_train(run.config, run.data, run.out, cache=run.cache)
    checkpoint = load_checkpoint(run.out / OF_RUN)
    with (run.data / SPLITS_FILE).open(encoding='utf-8', newline='') as file:
        names = [row['recording'] for row in csv.DictReader(file) if row['split'] == 'test']
    found = {}
    for kind, folder in ((CLEAN, run.data), (NOISY, work.noisy)):
        found[kind] = answer(checkpoint, [folder / name for name in names], run)
        write_answers(found[kind], files[kind])
    return found


def plain_answers(
    work: Path, tested: Mapping[int, frozenset[str]]
) -> dict[str, list[dict[str, str]]]:
    """Return what the classifier of :mod:`baseline` answers, by kind of joints, for each split.

    Args:
        work: has the recordings of both kinds.
        tested: on which, by split.
    """
    console = Console(stderr=True)
    read = {
        CLEAN: baseline.read_clips(work / 'recordings', console=console)[0],
        NOISY: baseline.read_clips(work / 'noisy', console=console)[0],
    }
    labels = sorted({clip.label for clip in read[CLEAN]})
    found: dict[str, list[dict[str, str]]] = {kind: [] for kind in read}
    for split in SPLITS:
        known = [clip for clip in read[CLEAN] if clip.name not in tested[split]]
        model, _ = baseline.fit(known, 'joints', seed=0)
        for kind, clips in read.items():
            asked = [clip for clip in clips if clip.name in tested[split]]
            said = baseline.log_probabilities(model, asked, 'joints', labels).argmax(axis=1)
            pairs = zip(asked, said, strict=True)
            found[kind].append({clip.name: labels[place] for clip, place in pairs})
    return found


def make_report(
    answers: Answers,
    plain: Mapping[str, Sequence[Mapping[str, str]]],
    truth: Truth,
    chosen: argparse.Namespace,
) -> Report:
    """Return what the answers are worth.

    Args:
        answers: of the networks.
        plain: of the logistic regression, by kind of joints, for each split.
        truth: label of each clip.
        chosen: the command line.
    """
    config, seeds = recipe(NAME, seed=0, epochs=chosen.epochs), seeds_of(chosen)
    found = {
        kind: [[accuracy(split, truth) for split in of_seed] for of_seed in answers[kind]]
        for kind in WANTED
    }
    regression = {
        kind: [accuracy_of_labels(said, truth) for said in plain[kind]] for kind in WANTED
    }
    return Report(
        theme=NAME,
        title=TITLE,
        settings={
            'recipe': f'config/train/{NAME}.yaml',
            'preset': f'config/models/{config.preset}.yaml',
            'epochs': config.epochs,
            'seeds': ' '.join(map(str, seeds)),
            'clips': len(truth),
            'actions': len(set(truth.values())),
        },
        goals=goals(found, regression),
        tables=[
            split_table(found, regression, seeds),
            decision_table(answers, seeds),
            confusion_table(answers, truth),
        ],
        notes=list(NOTES),
    )


def accuracy(answers: Sequence[ClipAnswer], truth: Truth) -> float:
    """Return the share of right answers, %."""
    return 100 * statistics.fmean(each.label(JOINTS) == truth[each.name] for each in answers)


def accuracy_of_labels(said: Mapping[str, str], truth: Truth) -> float:
    """Return the share of right labels, %."""
    return 100 * statistics.fmean(label == truth[name] for name, label in said.items())


def goals(
    found: Mapping[str, Sequence[Sequence[float]]], regression: Mapping[str, Sequence[float]]
) -> list[Goal]:
    """Return what was expected of the means over seeds and splits."""
    mean = {kind: statistics.fmean(map(statistics.fmean, rows)) for kind, rows in found.items()}
    wanted = [
        Goal(name=f'joints {kind}, mean %', value=mean[kind], at_least=least)
        for kind, least in WANTED.items()
    ]
    above = [
        Goal(
            name=f'joints {kind}: network − logistic regression, points',
            value=mean[kind] - statistics.fmean(regression[kind]),
            at_least=0.0,
        )
        for kind in WANTED
    ]
    return [*wanted, *above]


def split_table(
    found: Mapping[str, Sequence[Sequence[float]]],
    regression: Mapping[str, Sequence[float]],
    seeds: Sequence[int],
) -> Table:
    """Return a table with a row per kind of joints and seed, and a column per split."""
    columns = ['joints', '', *(f'split {split}' for split in SPLITS), 'mean']
    rows = []
    for kind in WANTED:
        of_network = zip((f'network, seed {seed}' for seed in seeds), found[kind], strict=True)
        each = [*of_network, ('logistic regression', regression[kind])]
        rows += [
            [kind, name, *(f'{v:.1f}' for v in (*values, statistics.fmean(values)))]
            for name, values in each
        ]
    return Table('Accuracy per clip, 14 actions, %', columns, rows)


def decision_table(answers: Answers, seeds: Sequence[int]) -> Table:
    """Return how many single decisions are right, from the first to the last of a clip."""
    rows = []
    for kind, of_seeds in answers.items():
        sums = [
            np.sum([each.right[JOINTS] for split in of_seed for each in split], axis=0)
            for of_seed in of_seeds
        ]
        shares = [100 * float(right) / max(1, int(number)) for right, number in sums]
        rows.append([kind, *(f'{v:.1f}' for v in (*shares, statistics.fmean(shares)))])
    title = 'Accuracy of single decisions, 10 a second from the beginning of each clip, %'
    return Table(title, ['joints', *(f'seed {seed}' for seed in seeds), 'mean'], rows)


def confusion_table(answers: Answers, truth: Truth) -> Table:
    """Return which actions are most often taken for which others, over all seeds and splits."""
    rows = []
    for kind, of_seeds in answers.items():
        every = [each for of_seed in of_seeds for split in of_seed for each in split]
        asked = Counter(truth[each.name] for each in every)
        pairs = Counter((truth[each.name], each.label(JOINTS)) for each in every)
        wrong = [(pair, n) for pair, n in pairs.most_common() if pair[0] != pair[1]]
        said = (f'{true} as {other} {n}/{asked[true]}' for (true, other), n in wrong)
        rows.append([kind, ', '.join([*said][:MOST_CONFUSED])])
    return Table('Most frequent errors, clips of all seeds and splits', ['joints', 'errors'], rows)


NOTES = (
    "The authors' three splits. Trained from random weights on these clips alone; nothing is held "
    'out for validation: the number of epochs is fixed, the averaged weights of the last are kept, '
    'and the temperature is 1. Weights trained on JHMDB are not given away: its terms were not '
    'found.',
    'Joints as marked are those that people drew into every frame. Joints as detected are the '
    'same with Gaussian noise of 5 % of the trunk in x and y, 15 % of the joints missing, each in '
    'each frame by itself, and left and right exchanged in 5 % of the frames. Nothing is trained '
    'on these; training draws noise, missing joints and exchanged sides of its own.',
    'The network sees 25 frames a second and decides at most every 0.1 s from what came before; '
    'the regression sees the whole clip at once.',
)


if __name__ == '__main__':
    sys.exit(main())
