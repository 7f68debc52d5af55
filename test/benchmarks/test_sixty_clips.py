"""Sixty clips are drawn evenly, and never of those tested on."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
import sixty_clips as benchmark
from fusion_sets import ClipSet, ClipTruth

from activity_recognition.bags import write_labels
from activity_recognition.types import LabelSpan

COUNTS = {'rare': 5, 'usual': 40, 'frequent': 60}


@pytest.fixture
def fold(tmp_path: Path) -> Path:
    rows = ['recording,split,group']
    for label, count in COUNTS.items():
        for number in range(count + 2):
            name = f'{label}_{number}'
            (tmp_path / 'fold' / name).mkdir(parents=True)
            span = LabelSpan(start_s=0.0, end_s=1.0, label=label)
            write_labels(tmp_path / 'fold' / name / 'labels.csv', [span])
            rows.append(f'{name},{"test" if number >= count else "train"},{label}_{number // 3}')
    (tmp_path / 'fold' / 'splits.csv').write_text('\n'.join(rows) + '\n', encoding='utf-8')
    return tmp_path / 'fold'


def drawn(folder: Path) -> dict[str, str]:
    with (folder / 'splits.csv').open(encoding='utf-8', newline='') as file:
        return {row['recording']: row['split'] for row in csv.DictReader(file)}


def test_sixty_are_drawn_as_evenly_as_they_go_beside_the_whole_test(fold: Path, tmp_path: Path):
    found = drawn(benchmark.draw_clips(fold, tmp_path / 'data', seed=3))
    known = Counter(name.partition('_')[0] for name, split in found.items() if not split)
    assert known.total() == benchmark.CLIPS
    assert known['rare'] == 5
    assert {known['usual'], known['frequent']} <= {27, 28}
    assert sum(split == 'test' for split in found.values()) == 2 * len(COUNTS)
    assert sorted(found) == sorted(p.name for p in (tmp_path / 'data').iterdir() if p.is_dir())


def test_draws_differ_and_are_the_same_again(fold: Path, tmp_path: Path):
    first, again, other = (
        drawn(benchmark.draw_clips(fold, tmp_path / str(place), seed=seed))
        for place, seed in enumerate((1, 1, 2))
    )
    assert first == again
    assert first != other


def test_labels_count_alike():
    truth = {
        name: ClipTruth(label=label, group='') for name, label in zip('abc', 'xxy', strict=True)
    }
    clips = ClipSet(name='', folds=(), clips=truth, above_baseline=0.0, note='')
    assert benchmark.balanced_accuracy(clips, {'a': 'x', 'b': '', 'c': 'y'}) == 75
