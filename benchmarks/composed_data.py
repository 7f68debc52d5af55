r"""A set of three modalities composed of real joints, real audio and written requests.

    tools/run env -u PYTHONSAFEPATH python benchmarks/composed_data.py ../shared/data \
        --per-class 25 --out composed
    tools/run activity-recognition import composed --out recordings

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
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from joint_data import utd_mhad

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
SPOKEN_FROM_S = 0.2
S_PER_CHARACTER = 0.05
COLUMNS = (
    'recording',
    'clip',
    'audio',
    'label',
    'transcript',
    'start_s',
    'end_s',
    'split',
    'group',
)


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
    classes = words()['classes']
    return Pools(
        joints={label: joints[of['action']] for label, of in classes.items()},
        sounds={label: sounds[of['sound']] for label, of in classes.items()},
        requests=requests_of(group),
    )


def requests_of(group: int) -> dict[str, list[str]]:
    """Return what is asked for in a group, by class.

    Args:
        group: from 0; the last one is the test.
    """
    known = words()
    return {
        label: [
            text.format(noun=noun)
            for text in known['requests'][group]
            for noun in _nouns(of['nouns'], group)
        ]
        for label, of in known['classes'].items()
    }


def words() -> dict[str, Any]:
    """Return what the classes are made of, and the patterns of requests."""
    found: dict[str, Any] = yaml.safe_load(WORDS.read_text(encoding='utf-8'))
    return found


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
        group = int(row.pop('group'))
        clip = ComposedClip(group=group, **row)
        counts[clip.label] += not clip.is_tested_on
        if clip.is_tested_on or counts[clip.label] <= per_class:
            taken.append(clip)
    return taken


def write_table(clips: Sequence[ComposedClip], data: Path, folder: Path) -> Path:
    """Write the table and the files of joints that `import` makes recordings of; return the table.

    Args:
        clips: its rows.
        data: folder of the data sets.
        folder: where the table and the files of joints go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {clip.joints for clip in clips}
    arrays = {c.name: c.arrays for c in utd_mhad(data / 'utd_mhad') if c.name in wanted}
    for name, of in arrays.items():
        # The inertial sensor beside the joints is no part of the set.
        kept = {key: values for key, values in of.items() if not key.startswith('imu')}
        np.savez(folder / f'{name}.npz', **kept)
    sounds = {path.stem: path.resolve() for path in (data / 'esc10' / 'clips').iterdir()}
    table = folder / 'clips.csv'
    with table.open('w', encoding='utf-8', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(_row(clip, sounds) for clip in clips)
    return table


def _row(clip: ComposedClip, sounds: Mapping[str, Path]) -> dict[str, object]:
    sound = sounds[clip.sound] if clip.sound else ''
    joints = f'{clip.joints}.npz' if clip.joints else ''
    end_s = SPOKEN_FROM_S + S_PER_CHARACTER * len(clip.request)
    return {
        'recording': clip.clip,
        'clip': joints or sound,
        'audio': sound if joints else '',
        'label': clip.label,
        'transcript': clip.request,
        'start_s': f'{SPOKEN_FROM_S:g}' if clip.request else '',
        'end_s': f'{end_s:g}' if clip.request else '',
        'split': 'test' if clip.is_tested_on else '',
        'group': f'group_{clip.group}',
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def main(argv: list[str] | None = None) -> int:
    """Write the recordings and the table of their splits, or draw the clips again."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('data', type=Path, help='folder of the data sets')
    parser.add_argument('--out', type=Path, help='folder for the table and its files')
    parser.add_argument('--per-class', type=int, default=PER_CLASS, help='clips to train on')
    parser.add_argument('--draw', action='store_true', help=f'write {TABLE.name} again')
    chosen = parser.parse_args(argv)
    if chosen.draw:
        TABLE.write_text(table_text(draw(chosen.data)), encoding='utf-8')
    if chosen.out:
        clips = read_clips(per_class=chosen.per_class)
        print(f'{write_table(clips, chosen.data, chosen.out)}: {len(clips)} clips')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
