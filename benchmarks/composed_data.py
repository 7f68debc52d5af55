"""A set of three modalities composed of real joints, real audio and written requests.

    tools/run python benchmarks/composed_data.py ../shared/data --per-class 25 --out recordings

A clip has the joints of an action (UTD-MHAD), a sound (ESC-10) and a request, as
``composed_words.yaml`` pairs them, each of them missing in a quarter of the clips; 27 % of the
sounds and requests are of another class than the clip. The four training groups and the test have
no subject, no fold of sounds and no wording in common. ``composed_set.csv`` holds all clips; a
smaller training set is the beginning of each class. ``--draw`` writes that table again.
"""

from __future__ import annotations

import argparse
import csv
import io
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from joint_data import JointClip, utd_mhad

from activity_recognition.bags import KeyPointArrays, RecordingWriter
from activity_recognition.bags.clip import Clip
from activity_recognition.bags.imported import START_NS, TRANSCRIPT_TYPE, write_tracks
from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.types import AudioChunk, LabelSpan, Utterance, to_ns

HERE = Path(__file__).resolve().parent
TABLE = HERE / 'composed_set.csv'
WORDS = HERE / 'composed_words.yaml'
TRAINING_GROUPS = 4
TEST_GROUP = TRAINING_GROUPS
PER_CLASS = 100
TESTED_PER_CLASS = 40
MISSING = 0.25
REPLACED = 0.27
SEED = 0
LENGTH_S = 3.0
"""Of a clip without joints; one with them is as long as they are."""
SPOKEN_FROM_S = 0.2
S_PER_CHARACTER = 0.05
RECOGNISED_AFTER_S = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposedClip:
    """A row of the table."""

    clip: str
    group: int
    """From 0; the last one is the test."""
    label: str
    joints: str
    """Name of a recording of joints; empty where missing."""
    sound: str
    """Name of an audio clip; empty where missing."""
    request: str
    """Empty where missing."""

    @property
    def is_tested_on(self) -> bool:
        """Whether it belongs to the test."""
        return self.group == TEST_GROUP


@dataclass(frozen=True, kw_only=True, slots=True)
class Pools:
    """What the clips of one group are made of, by class."""

    joints: dict[str, list[str]]
    sounds: dict[str, list[str]]
    requests: dict[str, list[str]]


def draw(data: Path, *, seed: int = SEED) -> list[ComposedClip]:
    """Draw the clips of all groups.

    Args:
        data: folder of the data sets.
        seed: of everything random.
    """
    generator = np.random.default_rng(seed)
    pools = [_pools(data, group) for group in range(TRAINING_GROUPS + 1)]
    clips: list[ComposedClip] = []
    for label in pools[0].joints:
        groups = [index % TRAINING_GROUPS for index in range(PER_CLASS)]
        for index, group in enumerate([*groups, *[TEST_GROUP] * TESTED_PER_CLASS]):
            name = f'{label}_{index:03}'
            clips.append(_draw_clip(name, group, label, pools[group], generator))
    return clips


def _draw_clip(
    name: str, group: int, label: str, pools: Pools, generator: np.random.Generator
) -> ComposedClip:
    there = np.zeros(3, bool)
    while not there.any():
        there = generator.random(3) >= MISSING
    others = [other for other in pools.joints if other != label]
    sound, request = (
        str(generator.choice(others)) if generator.random() < REPLACED else label for _ in range(2)
    )
    return ComposedClip(
        clip=name,
        group=group,
        label=label,
        joints=str(generator.choice(pools.joints[label])) if there[0] else '',
        sound=str(generator.choice(pools.sounds[sound])) if there[1] else '',
        request=str(generator.choice(pools.requests[request])) if there[2] else '',
    )


def _pools(data: Path, group: int) -> Pools:
    """Return what a group is made of: subjects, a fold and wordings of its own."""
    words = yaml.safe_load(WORDS.read_text(encoding='utf-8'))
    tested = group == TEST_GROUP
    subjects = ('2', '4', '6', '8') if tested else (str(2 * group + 1),)
    joints, sounds = defaultdict(list), defaultdict(list)
    for index, row in enumerate(_rows(data / 'utd_mhad' / 'recordings.csv')):
        if row['subject'] in subjects:
            name = f'{index:03}_{row["label"]}_s{row["subject"]}_t{row["trial"]}'
            joints[row['label']].append(name)
    for row in _rows(data / 'esc10' / 'clips.csv'):
        if int(row['fold']) == group + 1:
            sounds[row['label']].append(row['clip'])
    classes = words['classes']
    return Pools(
        joints={label: joints[of['action']] for label, of in classes.items()},
        sounds={label: sounds[of['sound']] for label, of in classes.items()},
        requests={
            label: [
                text.format(noun=noun)
                for text in words['requests'][group]
                for noun in _nouns(of['nouns'], group)
            ]
            for label, of in classes.items()
        },
    )


def _nouns(nouns: Sequence[str], group: int) -> list[str]:
    """Return a group's nouns; the test has one that training lacks."""
    if group == TEST_GROUP:
        return list(nouns[-3:])
    return [nouns[group], nouns[(group + 1) % TRAINING_GROUPS]]


def table_text(clips: Sequence[ComposedClip]) -> str:
    """Return the table as text."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow([item.name for item in fields(ComposedClip)])
    writer.writerows(astuple(clip) for clip in clips)
    return file.getvalue()


def read_clips(*, per_class: int = PER_CLASS) -> list[ComposedClip]:
    """Read the table.

    Args:
        per_class: clips of each class to train on; the first ones of the table.
    """
    taken: list[ComposedClip] = []
    counts: defaultdict[str, int] = defaultdict(int)
    for row in _rows(TABLE):
        clip = ComposedClip(**{**row, 'group': int(row['group'])})
        counts[clip.label] += not clip.is_tested_on
        if clip.is_tested_on or counts[clip.label] <= per_class:
            taken.append(clip)
    return taken


def write_recording(clip: ComposedClip, data: Path, folder: Path) -> Path:
    """Write a recording with its label, ``folder/<clip>``; one that is there already is kept.

    Args:
        clip: what it is made of.
        data: folder of the data sets.
        folder: of the recordings.
    """
    out = folder / clip.clip
    if (out / 'labels.csv').is_file():
        return out
    arrays = _joints(data)[clip.joints] if clip.joints else None
    length_s = LENGTH_S if arrays is None else arrays.duration_s
    writer = RecordingWriter(
        out, start_ns=START_NS, transcript_type=TRANSCRIPT_TYPE, overwrite=True
    )
    with writer, tempfile.TemporaryDirectory() as workspace:
        frames = iter(()) if arrays is None else arrays.read(Path(workspace)).frames(START_NS)
        tracks = (frames, _audio(clip, data, length_s), _utterances(clip))
        write_tracks(writer, tracks, START_NS)
        writer.set_labels([LabelSpan(start_s=0.0, end_s=length_s, label=clip.label)])
    return out


@dataclass(frozen=True, slots=True)
class _Joints:
    """Joints alone of a recording, without the inertial sensor beside them."""

    clip: JointClip

    @property
    def duration_s(self) -> float:
        return float(np.asarray(self.clip.arrays['t_s'])[-1])

    def read(self, workspace: Path) -> KeyPointArrays:
        path = workspace / 'joints.npz'
        np.savez(path, **{k: v for k, v in self.clip.arrays.items() if not k.startswith('imu')})
        return KeyPointArrays.read(path)


@cache
def _joints(data: Path) -> dict[str, _Joints]:
    return {clip.name: _Joints(clip) for clip in utd_mhad(data / 'utd_mhad')}


def _audio(clip: ComposedClip, data: Path, length_s: float) -> Iterator[AudioChunk]:
    if not clip.sound:
        return
    (path,) = (data / 'esc10' / 'clips').glob(f'{clip.sound}.*')
    for chunk in Clip(path).audio(START_NS):
        if chunk.end_ns > START_NS + to_ns(length_s):
            return
        yield chunk


def _utterances(clip: ComposedClip) -> Iterator[Utterance]:
    if clip.request:
        begin_ns = START_NS + to_ns(SPOKEN_FROM_S)
        end_ns = begin_ns + to_ns(S_PER_CHARACTER * len(clip.request))
        yield Utterance(
            stamp_ns=end_ns,
            arrival_ns=end_ns + to_ns(RECOGNISED_AFTER_S),
            start_ns=begin_ns,
            text=clip.request,
        )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def main(argv: list[str] | None = None) -> int:
    """Write the recordings and the table of their splits, or draw the clips again."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('data', type=Path, help='folder of the data sets')
    parser.add_argument('--out', type=Path, help='folder of recordings')
    parser.add_argument('--per-class', type=int, default=PER_CLASS, help='clips to train on')
    parser.add_argument('--draw', action='store_true', help=f'write {TABLE.name} again')
    chosen = parser.parse_args(argv)
    if chosen.draw:
        TABLE.write_text(table_text(draw(chosen.data)), encoding='utf-8')
    if chosen.out:
        rows = ['recording,split,group']
        for clip in read_clips(per_class=chosen.per_class):
            write_recording(clip, chosen.data, chosen.out)
            split = 'test' if clip.is_tested_on else 'train'
            rows.append(f'{clip.clip},{split},{clip.group}')
        (chosen.out / SPLITS_FILE).write_text('\n'.join(rows) + '\n', encoding='utf-8')
        print(f'{chosen.out}: {len(rows) - 1} recordings')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
