"""What a modality costs: in how few files the fourth one is, and how long these are."""

import re
from pathlib import Path

import pytest

from activity_recognition.modalities import SPECS

ROOT = Path(__file__).parents[1]
RECIPES = 'config/train'
"""Recipes name the modalities that they use, which is no part of a modality."""
CHECKPOINTS = 'activity_recognition/checkpoints'
FOLDERS = ('activity_recognition', 'training', 'launch', 'config')
NAMES = re.compile(
    # As a word, as part of a name with underscores, and as part of the name of a class.
    r'(?<![A-Za-z])(imu|IMU)(?![A-Za-z])|Imu(?![a-z])|[Ii]nertial'
    r'|angular_velocity|linear_acceleration'
)
MOST_FILES, MOST_LINES = 12, 300
ADR = ROOT / 'docs' / 'adr' / '0033-the-fourth-modality.md'


def files_of_the_fourth() -> dict[str, str]:
    """Return path -> text of the files that name it, by their name or in their text."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob('*')):
            if not path.is_file() or '__pycache__' in path.parts:
                continue
            # What is trained or measured with it is data.
            if any(path.is_relative_to(ROOT / place) for place in (RECIPES, CHECKPOINTS)):
                continue
            try:
                text = path.read_text(encoding='utf-8')
            except UnicodeDecodeError:
                continue
            if NAMES.search(path.stem) or NAMES.search(text):
                found[str(path.relative_to(ROOT))] = text
    return found


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('queue_imu_s', True),
        ('ImuConfig', True),
        ('IMU_TYPE', True),
        ('an inertial sensor', True),
        ("'imu'", True),
        ('simulation', False),
        ('maximum', False),
        ('minimum', False),
        ('SimulatedMuseum', False),
    ],
)
def test_every_way_of_naming_it_is_found(text, expected):
    assert bool(NAMES.search(text)) is expected


def test_the_fourth_modality_is_in_few_files():
    found = files_of_the_fourth()
    assert 6 <= len(found) <= MOST_FILES, sorted(found)


def test_they_are_those_that_the_decision_lists():
    listed = re.findall(r'^\| `(\S+)` \|', ADR.read_text(encoding='utf-8'), re.MULTILINE)
    expected = {
        name if name.startswith('training/') else f'activity_recognition/{name}' for name in listed
    }
    assert set(files_of_the_fourth()) == expected


def test_none_of_these_files_is_long():
    for path, text in files_of_the_fourth().items():
        assert text.count('\n') <= MOST_LINES, path


def test_it_is_one_of_four():
    assert [spec.name for spec in SPECS] == ['video', 'audio', 'text', 'imu']
