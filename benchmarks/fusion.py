r"""A fusion beside its own parts, beside the fusion before it, and beside plain classifiers.

    tools/run env -u PYTHONSAFEPATH python benchmarks/fusion.py composed_25 --record

For each seed a network of all modalities is trained with `fusion: experts` (after), one by
attention alone (before), and one of each modality alone. A clip's answer is the mean over its
decisions of the log-probabilities. A subset of the modalities is the same network with the others
hidden; where nothing is visible to it, it answers the most frequent label of training. Answers are
kept below --work: an interrupted command goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import baseline
from clip_scores import skipped
from fusion_report import AFTER, ALONE, BEFORE, PLAIN, Said, make_report
from fusion_sets import SETS, ClipSet, SetSource
from harness import arguments, publish, seeds_of
from kept_answers import answers_of
from real_data import WORK, ClipAnswer, FoldRun, recipe
from record import provenance
from rich.console import Console

from activity_recognition.training.config import TrainConfig
from activity_recognition.training.evaluation.predict import (
    Combination,
    combinations_of,
)
from activity_recognition.training.pool import spread, worker_count

ARMS = (AFTER, BEFORE, ALONE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to train, and how its runs are called."""

    name: str
    config: TrainConfig
    modalities: Combination


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('set', choices=SETS, help='clips to train and test on')
    parser.add_argument('--seeds', type=int, default=5, help='how many, from --seed on')
    parser.add_argument('--arms', nargs='+', choices=ARMS, default=list(ARMS))
    parser.add_argument('--epochs', type=int, help="in all, instead of the recipe's")
    parser.add_argument('--workers', type=int, default=1, help='networks trained at a time')
    parser.add_argument('--work', type=Path, default=WORK, help='folder for what is made')
    chosen = parser.parse_args(argv)
    began, start_s = provenance(), time.monotonic()
    source = SETS[chosen.set]
    clips = source.write(chosen.work / chosen.set)
    if clips is None:
        return publish(skipped(f'fusion_{chosen.set}', source.title), chosen, began=began)
    out = chosen.work / chosen.set / f'{began.commit or "unknown"}_epochs_{chosen.epochs or "all"}'
    if began.dirty or not began.commit:
        shutil.rmtree(out, ignore_errors=True)
    found = train_and_answer(source, clips, chosen, out)
    plain = plain_answers(clips, out / 'plain.json', frozen=source.is_pretrained)
    report = make_report(source, clips, found, plain, seeds=seeds_of(chosen))
    report.settings |= {'epochs': chosen.epochs or "the recipe's"}
    report.settings['minutes of this run'] = f'{(time.monotonic() - start_s) / 60:.0f}'
    return publish(report, chosen, began=began)


def arms_of(source: SetSource, names: Sequence[str], *, epochs: int | None) -> list[Arm]:
    """Return the ways to train; alone, one for each of several modalities.

    Args:
        source: of the set.
        names: of the arms.
        epochs: in all; None takes the recipe's.
    """
    config = recipe(source.recipe, seed=0)
    if epochs is not None:
        stages = config.with_epochs(epochs) if config.stages else replace(config, epochs=epochs)
        config = stages.as_given({'epochs': epochs})
    chosen = tuple(modality.value for modality in source.modalities)
    config = replace(config, model=replace(config.model, modalities=chosen, fusion='experts'))
    several = len(source.modalities) > 1
    found = [Arm(name=AFTER, config=config, modalities=source.modalities)]
    found.append(Arm(name=BEFORE, config=source.before(config), modalities=source.modalities))
    found += [
        Arm(
            name=f'{ALONE} {modality}',
            config=replace(config, model=replace(config.model, modalities=(modality.value,))),
            modalities=(modality,),
        )
        for modality in source.modalities
        if several
    ]
    return [arm for arm in found if arm.name.partition(' ')[0] in names]


def train_and_answer(
    source: SetSource, clips: ClipSet, chosen: argparse.Namespace, out: Path
) -> dict[str, list[list[ClipAnswer]]]:
    """Train what is missing; return the answers of each arm, for each seed, of all folds.

    Args:
        source: of the set.
        clips: the set.
        chosen: the command line.
        out: folder of this commit's runs.
    """
    arms = arms_of(source, chosen.arms, epochs=chosen.epochs)
    seeds = seeds_of(chosen)
    runs = {
        (seed, arm.name, number): FoldRun(
            config=replace(arm.config, seed=seed),
            data=fold.folder,
            out=out / f'{arm.name.replace(" ", "_")}_{seed}_{number}',
            cache=chosen.work / chosen.set / 'cache',
            combinations=combinations_of(arm.modalities),
            logarithms=True,
        )
        for seed in seeds
        for arm in arms
        for number, fold in enumerate(clips.folds, 1)
    }
    done = dict(
        spread(
            answers_of,
            list(runs.values()),
            workers=worker_count(chosen.workers),
            description='training networks',
            console=Console(stderr=True),
        )
    )
    found = dict(zip(runs, (done[place] for place in range(len(runs))), strict=True))
    return {
        arm.name: [
            [
                answer
                for number in range(1, len(clips.folds) + 1)
                for answer in found[seed, arm.name, number]
            ]
            for seed in seeds
        ]
        for arm in arms
    }


def plain_answers(clips: ClipSet, path: Path, *, frozen: bool = False) -> dict[str, Said]:
    """Return what the classifiers of :mod:`baseline` answer for the same folds.

    Args:
        clips: the set.
        path: file that keeps the answers, of this commit's classifiers.
        frozen: whether they classify what frozen networks give.
    """
    if path.is_file():
        kept: dict[str, Said] = json.loads(path.read_text(encoding='utf-8'))
        return kept
    found: dict[str, dict[str, str]] = {}
    for fold in clips.folds:
        read, _ = baseline.read_clips(fold.folder, frozen=frozen, console=Console(stderr=True))
        tested = {clip.name: 1 for clip in read if clip.split == 'test'}
        answers = baseline.cross_validate(read, tested)
        for sense in answers.log_probabilities:
            for clip, place in zip(answers.clips, answers.classes(sense), strict=True):
                seen = place != baseline.NOTHING
                label = answers.labels[place] if seen else fold.usual_label
                found.setdefault(f'{PLAIN}{sense}', {})[clip.name] = label
    path.write_text(json.dumps(found), encoding='utf-8')
    return dict(found)


if __name__ == '__main__':
    sys.exit(main())
