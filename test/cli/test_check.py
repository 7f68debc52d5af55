"""`activity-recognition check`: what it prints and how it ends."""

from __future__ import annotations

import shutil
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


def test_labels_and_names_are_text_to_the_console(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Neither markup, nor an emoji, nor a command of the terminal, nor unencodable."""
    for name in ('seed_0', 'seed_1'):
        bag = tmp_path / f'{name}[red]\x1b[2J\udcff'
        shutil.copytree(data / name, bag)
        table = 'start_s,end_s,label\n0,2,[/x]\n2,4,:wave:\n4,5,[bold]b\n'
        labels_path(bag).write_text(table, encoding='utf-8')
    assert main(['check', str(tmp_path), '--quiet', '--jobs', '1']) == 0
    out = capsys.readouterr().out
    for shown in ('[/x]', ':wave:', '[bold]b', 'seed_1[red]\\x1b[2J\\udcff'):
        assert shown in out
    assert '\x1b' not in out


def test_a_label_that_steers_a_terminal_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    bag = tmp_path / 'bag'
    shutil.copytree(data / 'seed_0', bag)
    labels_path(bag).write_text('start_s,end_s,label\n0,2,a\x1b[2J\n', encoding='utf-8')
    assert main(['check', str(tmp_path), '--quiet', '--jobs', '1']) == 1
    assert (
        "labels.csv:2: expected a label on one line without control characters, got 'a\\x1b[2J'"
        in (capsys.readouterr().out)
    )


def test_nothing_usable_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / 'x.mcap').write_bytes(b'nothing')
    assert main(['check', str(tmp_path), '--quiet', '--jobs', '1']) == 1
    assert '0 of 1 recordings can be used' in capsys.readouterr().out
