"""27 actions of UTD-MHAD by joints alone, seen by cameras drawn at random around the people.

Odd subjects train, each of their recordings seen by several cameras; even ones are tested on, each
recording seen by one camera of its own, and by the Kinect's as it stood. A clip's answer is the
mean over the logarithms of its decisions' probabilities. Beside it stands a logistic regression on
mean, deviation and range of every joint over the whole clip, of the same recordings.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import baseline
import numpy as np
from clip_scores import arguments_of_seeds, skipped
from harness import Goal, Report, publish, seeds_of
from joint_data import KINECT_POSE, JointClip, split_table, utd_mhad, write_recording
from kept_answers import answers_of
from real_data import ClipAnswer, FoldRun, data_folder, recipe
from record import Provenance, Table, provenance
from rich.console import Console

from activity_recognition.training.data.random_cameras import SIZE_PX, CameraConfig, draw_camera
from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.types import Modality

NAME, DATA, TITLE = 'utd_mhad_cameras', 'utd_mhad', 'Actions of UTD-MHAD by joints, from anywhere'
TABLE = 'recordings.csv'
JOINTS = (Modality.VIDEO,)
VIEWS = 3
"""Cameras that see a recording of training."""
ELSEWHERE, KINECT = 'random camera', "the Kinect's"
WANTED = 90.0
"""Mean accuracy per clip by a random camera to reach, %."""
CAMERAS = CameraConfig()
CAMERA_SEED = 0


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    chosen = arguments_of_seeds(__doc__).parse_args(argv)
    began = provenance()
    folder = data_folder(DATA, TABLE)
    if folder is None:
        return publish(skipped(NAME, TITLE), chosen, began=began)
    work = chosen.work / NAME
    truth = write_recordings(folder, work / 'recordings')
    answers = train_and_answer(work, chosen, began)
    report = make_report(answers, plain_answers(work / 'recordings'), truth, chosen)
    return publish(report, chosen, began=began)


def views_of(clip: JointClip, rng: np.random.Generator) -> Iterator[JointClip]:
    """Yield a recording as cameras see it: without the inertial sensor.

    Of one that is tested on, that is a random camera and the Kinect's, else :data:`VIEWS` random
    ones.

    Args:
        clip: of UTD-MHAD, joints in space.
        rng: draws the cameras.
    """
    arrays = {key: value for key, value in clip.arrays.items() if not key.startswith('imu')}
    if clip.is_tested_on:
        yield replace(clip, name=f'{clip.name}_kinect', arrays=arrays)
    joints = np.asarray(clip.arrays['joints'], np.float64)
    for view in range(1 if clip.is_tested_on else VIEWS):
        camera = draw_camera(joints @ KINECT_POSE[:3, :3].T, CAMERAS, rng)
        seen = {
            'camera': camera.matrix,
            'camera_pose': camera.pose @ KINECT_POSE,
            'image_size': SIZE_PX,
        }
        yield replace(clip, name=f'{clip.name}_camera{view}', arrays={**arrays, **seen})


def write_recordings(folder: Path, out: Path) -> dict[str, str]:
    """Write the recordings and the table of the split; return the tested ones' labels by name.

    Recordings that are there already are kept.

    Args:
        folder: of the data set.
        out: folder of recordings.
    """
    rng = np.random.default_rng(CAMERA_SEED)
    clips = [view for clip in utd_mhad(folder) for view in views_of(clip, rng)]
    for clip in clips:
        if not (out / clip.name / 'labels.csv').is_file():
            write_recording(clip, out)
    (out / SPLITS_FILE).write_text(split_table(clips), encoding='utf-8')
    return {clip.name: clip.label for clip in clips if clip.is_tested_on}


def train_and_answer(
    work: Path, chosen: argparse.Namespace, began: Provenance
) -> list[list[ClipAnswer]]:
    """Train a network per seed; return its answers for the clips of the even subjects.

    What was interrupted goes on where it was, as long as the commit is the same. Nothing is held
    out for validation: the number of epochs is fixed, and the averaged weights of the last are
    kept.
    """
    out = work / f'{began.commit or "unknown"}_epochs_{chosen.epochs or "all"}'
    if began.dirty or not began.commit:
        shutil.rmtree(out, ignore_errors=True)
    runs = [
        FoldRun(
            config=recipe(NAME, seed=seed, epochs=chosen.epochs),
            data=work / 'recordings',
            out=out / f'seed_{seed}',
            cache=work / 'cache',
            combinations=(JOINTS,),
            logarithms=True,
        )
        for seed in seeds_of(chosen)
    ]
    found = dict(
        spread(
            answers_of,
            runs,
            workers=worker_count(chosen.workers),
            description='training networks',
            console=Console(stderr=True),
        )
    )
    return [found[place] for place in range(len(runs))]


def plain_answers(recordings: Path) -> dict[str, str]:
    """Return what the classifier of :mod:`baseline` answers for the clips tested on.

    Args:
        recordings: folder with the table of the split.
    """
    clips, _ = baseline.read_clips(recordings, console=Console(stderr=True))
    labels = sorted({clip.label for clip in clips})
    model, _ = baseline.fit([c for c in clips if c.split == 'train'], 'joints', seed=0)
    asked = [clip for clip in clips if clip.split == 'test']
    said = baseline.log_probabilities(model, asked, 'joints', labels).argmax(axis=1)
    return {clip.name: labels[place] for clip, place in zip(asked, said, strict=True)}


def make_report(
    answers: Sequence[Sequence[ClipAnswer]],
    plain: Mapping[str, str],
    truth: Mapping[str, str],
    chosen: argparse.Namespace,
) -> Report:
    """Return what the answers are worth.

    Args:
        answers: of the networks, by seed.
        plain: of the logistic regression.
        truth: label of each clip tested on.
        chosen: the command line.
    """
    config, seeds = recipe(NAME, seed=0, epochs=chosen.epochs), seeds_of(chosen)
    said = [{answer.name: answer.label(JOINTS) for answer in of_seed} for of_seed in answers]
    found = {kind: [accuracy(each, truth, kind) for each in said] for kind in (ELSEWHERE, KINECT)}
    regression = {kind: accuracy(plain, truth, kind) for kind in found}
    mean = {kind: statistics.fmean(values) for kind, values in found.items()}
    rows = []
    for kind, values in found.items():
        numbers = (*values, mean[kind])
        rows.append([kind, 'network', *(f'{value:.1f}' for value in numbers)])
        rows.append([kind, 'logistic regression', *['–'] * len(seeds), f'{regression[kind]:.1f}'])
    return Report(
        theme=NAME,
        title=TITLE,
        settings={
            'recipe': f'config/train/{NAME}.yaml',
            'preset': f'config/models/{config.preset}.yaml',
            'epochs': config.epochs,
            'seeds': ' '.join(map(str, seeds)),
            'cameras per recording of training': VIEWS,
            'clips tested on, by each camera': len(truth) // 2,
        },
        goals=[
            Goal(name=f'joints, {ELSEWHERE}, mean %', value=mean[ELSEWHERE], at_least=WANTED),
            Goal(
                name=f'{ELSEWHERE}: network − logistic regression, points',
                value=mean[ELSEWHERE] - regression[ELSEWHERE],
                at_least=0.0,
            ),
        ],
        tables=[
            Table(
                'Accuracy per clip, 27 actions, %',
                ['seen by', '', *(f'seed {seed}' for seed in seeds), 'mean'],
                rows,
            )
        ],
        notes=list(NOTES),
    )


def accuracy(said: Mapping[str, str], truth: Mapping[str, str], kind: str) -> float:
    """Return the share of right answers for the clips that one kind of camera saw, %."""
    of_kind = [name for name in truth if name.endswith('_kinect') == (kind == KINECT)]
    return 100 * statistics.fmean(said.get(name, '') == truth[name] for name in of_kind)


NOTES = (
    'Odd subjects train, even ones are tested on, the split of the data set. Trained from random '
    'weights; nobody is held out for validation: the number of epochs is fixed, the averaged '
    'weights of the last are kept, and the temperature is 1.',
    'Joints in space as the tracker of a depth camera gave them, projected to the images of '
    f'cameras up to {CAMERAS.yaw_deg:g}° to either side, {-CAMERAS.low_deg:g}° below to '
    f'{CAMERAS.high_deg:g}° above, {CAMERAS.nearest_m:g} to {CAMERAS.farthest_m:g} m away; depth '
    'is not seen. They are cleaner than what a detector finds in colour images.',
)


if __name__ == '__main__':
    sys.exit(main())
