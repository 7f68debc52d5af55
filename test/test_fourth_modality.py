"""What a modality costs: in how few files the fourth one is, and how long these are."""

import re
from pathlib import Path

from activity_recognition.modalities import SPECS

ROOT = Path(__file__).parents[1]
FOLDERS = ('activity_recognition', 'training', 'launch', 'config')
NAMES = re.compile(r'\bimu\b|angular_velocity|linear_acceleration', re.IGNORECASE)
MOST_FILES, MOST_LINES = 12, 300


def files_of_the_fourth() -> dict[str, str]:
    """Return path -> text of the files that speak of it."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob('*')):
            if not path.is_file() or '__pycache__' in path.parts:
                continue
            try:
                text = path.read_text(encoding='utf-8')
            except UnicodeDecodeError:
                continue
            if NAMES.search(text):
                found[str(path.relative_to(ROOT))] = text
    return found


def test_the_fourth_modality_is_in_few_files():
    found = files_of_the_fourth()
    assert 6 <= len(found) <= MOST_FILES, sorted(found)


def test_none_of_these_files_is_long():
    for path, text in files_of_the_fourth().items():
        assert text.count('\n') <= MOST_LINES, path


def test_it_is_one_of_four():
    assert [spec.name for spec in SPECS] == ['video', 'audio', 'text', 'imu']
