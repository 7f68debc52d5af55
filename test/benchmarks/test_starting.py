"""Every script starts, also without ROS: what it imports is there, and it says what it takes."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / 'benchmarks'
SCRIPTS = [
    path
    for path in sorted(FOLDER.glob('*.py'))
    if "__name__ == '__main__'" in path.read_text(encoding='utf-8')
]


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_what_it_takes(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, 'argv', [str(path), '--help'])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name='__main__')
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f'usage: {path.name}')


def test_there_are_scripts_to_start():
    assert len(SCRIPTS) > 20
