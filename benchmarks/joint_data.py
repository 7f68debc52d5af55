r"""Data sets of joints -> files of key points -> recordings, through the package's own import.

    tools/run env -u PYTHONSAFEPATH python benchmarks/joint_data.py utd_mhad \
        ../shared/data/utd_mhad --out recordings

UTD-MHAD: the joints of a Kinect and an inertial sensor. The data say 30 Hz and 50 Hz, begun and
ended together, but have 2.6 rows of the inertial sensor for each frame: frames were lost. By the
accelerations of both, it is the 50 Hz that hold (the joints then have 18 Hz), so all is put on the
inertial sensor's clock.

JHMDB: joints marked by hand. Its places are divided by the height of the image and the size of the
person and counted from the middle, so they are put back into an image of a size of our own.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.bags import import_key_points, write_labels
from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.types import LabelSpan

IMU_HZ = 50
JHMDB_HZ = 25
KINECT_SIZE = (640, 480)
KINECT_CAMERA = np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]])
"""What the first Kinect's images were taken with, about."""
KINECT_POSE = np.diag([-1.0, -1, 1, 1])
"""A Kinect's joints have x to its left and y up."""
JHMDB_SIZE = (320, 240)
JHMDB_SCALE = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class JointClip:
    """One recording of a data set."""

    name: str
    label: str
    is_tested_on: bool
    """By the first split of the authors."""
    arrays: Mapping[str, NDArray[Any] | str | tuple[int, int]]
    """What docs/data.md calls a file of key points."""


def utd_mhad(folder: Path) -> Iterator[JointClip]:
    """Yield the recordings of UTD-MHAD; even subjects are tested on."""
    with np.load(folder / 'recordings.npz', allow_pickle=False) as file:
        data = dict(file)
    for index, row in enumerate(_rows(folder / 'recordings.csv')):
        joints = _part(data['joints_m'], data['joint_offsets'], index)
        imu = _part(data['imu'], data['imu_offsets'], index)
        imu_t_s = np.arange(len(imu)) / IMU_HZ
        yield JointClip(
            name=f'{index:03}_{row["label"]}_s{row["subject"]}_t{row["trial"]}',
            label=row['label'],
            is_tested_on=int(row['subject']) % 2 == 0,
            arrays={
                'joints': joints,
                'names': 'kinect20',
                't_s': np.linspace(0, imu_t_s[-1], len(joints)),
                'image_size': KINECT_SIZE,
                'camera': KINECT_CAMERA,
                'camera_pose': KINECT_POSE,
                'imu': imu,
                'imu_t_s': imu_t_s,
                'imu_units': np.array(['g', 'deg/s']),
            },
        )


def jhmdb_joints(folder: Path) -> Iterator[JointClip]:
    """Yield the clips of JHMDB, split as in the authors' first split."""
    with np.load(folder / 'clips.npz', allow_pickle=False) as file:
        data = dict(file)
    middle = np.array(JHMDB_SIZE) / 2
    for index, row in enumerate(_rows(folder / 'clips.csv')):
        joints = _part(data['joints_px'], data['offsets'], index).astype(np.float32)
        yield JointClip(
            name=f'{int(row["clip"]):03}_{row["label"]}',
            label=row['label'],
            is_tested_on=row['split_1'] == 'test',
            arrays={
                'joints': joints * JHMDB_SCALE + middle,
                'names': 'jhmdb15',
                't_s': np.arange(len(joints)) / JHMDB_HZ,
                'image_size': JHMDB_SIZE,
            },
        )


DATA_SETS = {'utd_mhad': utd_mhad, 'jhmdb_joints': jhmdb_joints}


def write_recording(clip: JointClip, folder: Path) -> Path:
    """Write a recording with its label, ``folder/<name>``, and return its path."""
    out = folder / clip.name
    with tempfile.TemporaryDirectory() as workspace:
        arrays = Path(workspace) / f'{clip.name}.npz'
        np.savez(arrays, **clip.arrays)
        imported = import_key_points(arrays, out, overwrite=True)
    span = LabelSpan(start_s=0.0, end_s=imported.duration_s, label=clip.label)
    write_labels(out / 'labels.csv', [span])
    return out


def main(argv: list[str] | None = None) -> int:
    """Write the recordings of a data set and the table of its split."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('name', choices=DATA_SETS)
    parser.add_argument('folder', type=Path, help='where the data set is')
    parser.add_argument('--out', type=Path, required=True, help='folder of recordings')
    parser.add_argument('--every', type=int, default=1, help='only every so-manieth')
    chosen = parser.parse_args(argv)
    clips = list(islice(DATA_SETS[chosen.name](chosen.folder), None, None, chosen.every))
    for clip in clips:
        write_recording(clip, chosen.out)
    (chosen.out / SPLITS_FILE).write_text(split_table(clips), encoding='utf-8')
    print(f'{chosen.out}: {len(clips)} recordings')
    return 0


def split_table(clips: Iterable[JointClip]) -> str:
    """Return a table of splits that leaves nothing to be drawn for validation."""
    rows = [f'{clip.name},{"test" if clip.is_tested_on else "train"}\n' for clip in clips]
    return ''.join(['recording,split\n', *rows])


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def _part(values: NDArray[Any], offsets: NDArray[np.int64], index: int) -> NDArray[Any]:
    return values[offsets[index] : offsets[index + 1]]


if __name__ == '__main__':
    raise SystemExit(main())
