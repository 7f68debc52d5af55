"""Clips of JHMDB, joints marked by hand, as recordings of one action each."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np

from activity_recognition.bags import import_key_points
from activity_recognition.errors import RecordingError
from activity_recognition.training.data.people_labels import people_labels

SPLIT, TRAINED, TESTED = 'split_1', 'train', 'test'
"""Column of the authors' first split, and what stands in it."""
RATE_HZ = 25.0
SIZE_PX = (320, 240)
SCALE_PX = 120.0
"""Places come divided by the size of person and image; this puts them into an image again."""
_NAMES = (
    *('neck', 'spine', 'nose'),
    *(
        f'{side}_{part}'
        for part in ('shoulder', 'hip', 'elbow', 'knee', 'wrist', 'ankle')
        for side in ('right', 'left')
    ),
)
"""The face is where a nose is."""


def write_film_recordings(folder: Path, out: Path, part: str) -> list[Path]:
    """Write the clips whose action has a label in the table; those that exist are kept.

    Args:
        folder: of the data set.
        out: folder of recordings.
        part: of the first of the authors' three splits, :data:`TRAINED` or :data:`TESTED`.

    Raises:
        RecordingError: there is no such data set.
    """
    table, arrays = folder / 'clips.csv', folder / 'clips.npz'
    if not table.is_file() or not arrays.is_file():
        raise RecordingError(
            f'{folder}: expected joints of JHMDB, clips.csv and clips.npz, got no such files'
        )
    labels = {action: of.label for of in people_labels() for action in of.jhmdb}
    with np.load(arrays, allow_pickle=False) as file:
        places, offsets = file['joints_px'], file['offsets']
    written = []
    with table.open(encoding='utf-8', newline='') as rows:
        for index, row in enumerate(csv.DictReader(rows)):
            if (label := labels.get(row['label'])) is None or row[SPLIT] != part:
                continue
            own = places[offsets[index] : offsets[index + 1]] * SCALE_PX + np.array(SIZE_PX) / 2
            path = out / f'jhmdb_{index:04}'
            written.append(path)
            if not (path / 'labels.csv').is_file():
                _write(own.astype(np.float32), label, path)
    return written


def _write(places_px: np.ndarray, label: str, out: Path) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        arrays = Path(workspace) / 'joints.npz'
        np.savez(
            arrays,
            joints=places_px,
            names=np.array(_NAMES),
            t_s=np.arange(len(places_px)) / RATE_HZ,
            image_size=SIZE_PX,
        )
        import_key_points(arrays, out, label=label, overwrite=True)
