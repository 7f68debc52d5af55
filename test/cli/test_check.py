"""`activity-recognition check`: what it prints and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from activity_recognition.bags import labels_path
from activity_recognition.cli import main


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    arguments = ['--seconds', '6', '--width', '64', '--height', '48', '--count', '2', '--quiet']
    assert main(['simulate', *arguments, '--jobs', '1', '--out', str(folder)]) == 0
    return folder


def test_good_recordings_pass_with_a_table(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(['check', str(data), '--quiet', '--strict', '--jobs', '1']) == 0
    out = capsys.readouterr().out
    assert '2 of 2 recordings can be used' in out
    assert '0 errors' in out
    for column in ('label', 'recordings', 'minutes', 'video %', 'audio %', 'text %'):
        assert column in out


def test_a_damaged_one_fails_only_where_that_is_asked_for(
    data: Path, capsys: pytest.CaptureFixture[str]
):
    labels = labels_path(data / 'seed_1')
    before = labels.read_bytes()
    try:
        labels.write_text('start_s,end_s,label\n5,2,none\n', encoding='utf-8')
        assert main(['check', str(data), '--quiet', '--jobs', '1']) == 0
        assert main(['check', str(data), '--quiet', '--jobs', '1', '--strict']) == 1
    finally:
        labels.write_bytes(before)
    assert 'labels.csv:2: expected 0 <= start_s < end_s' in capsys.readouterr().out


def test_nothing_usable_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / 'x.mcap').write_bytes(b'nothing')
    assert main(['check', str(tmp_path), '--quiet', '--jobs', '1']) == 1
    assert '0 of 1 recordings can be used' in capsys.readouterr().out
