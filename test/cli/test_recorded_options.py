"""Which topics are used, from `check` to `evaluate`: by options, by a recipe, by a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from activity_recognition.cli import main
from activity_recognition.config_io import to_mapping
from activity_recognition.recorded import SETTINGS
from factories.networks import TINY
from factories.two_of_each import ALL, write_three

COMMANDS = ('check', 'show', 'prepare', 'train', 'evaluate', 'replay')


def options(**changes: object) -> list[str]:
    given = {**ALL, **changes}
    return [
        word
        for name, value in given.items()
        for word in ('--' + name.replace('_', '-'), str(value))
    ]


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return write_three(tmp_path / 'recordings')


def recipe(tmp_path: Path, **more: object) -> str:
    (tmp_path / 'tiny.yaml').write_text(yaml.safe_dump(to_mapping(TINY)), encoding='utf-8')
    settings = {
        'preset': str(tmp_path / 'tiny.yaml'),
        'epochs': 1,
        'crop_s': 1.5,
        'validation_fraction': 0.34,
        'device': 'cpu',
        'num_threads': 1,
        'num_workers': 1,
        **more,
    }
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(settings), encoding='utf-8')
    return str(path)


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_that_reads_recordings_has_the_options(command, capsys):
    with pytest.raises(SystemExit):
        run(command, '--help')
    told = capsys.readouterr().out
    for name in SETTINGS:
        assert f'--{name.replace("_", "-")}' in told


def test_check_asks_for_names_and_takes_them(recordings, capsys):
    assert run('check', recordings, '--jobs', 1, '--quiet') == 1
    told = capsys.readouterr().out
    assert 'name the one to use with --image, the column image of splits.csv' in told
    assert run('check', recordings, '--jobs', 1, '--quiet', '--strict', *options()) == 0
    assert '3 of 3 recordings can be used' in capsys.readouterr().out


def test_check_takes_them_from_a_recipe_and_an_option_goes_before(recordings, tmp_path, capsys):
    config = recipe(tmp_path, recorded={**ALL, 'image': '/nowhere'})
    words = ('check', recordings, '--jobs', 1, '--quiet', '--config', config)
    assert run(*words) == 1
    assert "image topic '/nowhere' holds no messages" in capsys.readouterr().out
    assert run(*words, '--image', '/right/image') == 0
    assert '3 of 3 recordings can be used' in capsys.readouterr().out


def test_a_value_that_cannot_be_is_refused_at_once(recordings, capsys):
    with pytest.raises(SystemExit):
        run('check', recordings, '--audio-sample-format', 'mp3')
    assert 'audio_sample_format must be one of U8' in capsys.readouterr().err


def test_from_training_to_evaluation_with_options(recordings, tmp_path, capsys):
    config, runs = recipe(tmp_path), tmp_path / 'runs'
    words = ('train', config, '--data', recordings, '--out', runs, '--quiet')
    assert run(*words) == 1
    assert 'name the one to use with --image' in capsys.readouterr().err
    assert run(*words, *options()) == 0
    settings = json.loads((runs / 'checkpoint' / 'metrics.json').read_text())['training']
    assert settings['settings']['recorded'] == {**DEFAULT_SETTINGS, **ALL}
    # What was trained on is known again, and read as it was in training without being told.
    report = tmp_path / 'report'
    words = ('evaluate', '--checkpoint', runs, '--data', recordings, '--split', 'train')
    quick = ('--timed', 5, '--resamples', 10, '--jobs', 1, '--device', 'cpu', '--quiet')
    assert run(*words, '--out', report, *quick) == 0
    metrics = json.loads((report / 'metrics.json').read_text())
    assert metrics['data']['recordings'] == metrics['data']['trained_on'] == 2
    assert metrics['settings']['recorded'] == ALL
    # Another camera is another question, about the same recordings.
    other = tmp_path / 'other'
    assert run(*words, '--out', other, *quick, '--image', '/right/image') == 0
    metrics = json.loads((other / 'metrics.json').read_text())
    assert metrics['data']['trained_on'] == 2
    assert metrics['settings']['recorded'] == {**ALL, 'image': '/right/image'}
    # Training goes on only with what it was begun with.
    words = ('train', config, '--data', recordings, '--out', runs, '--quiet')
    assert run(*words, *options(image='/right/image')) == 1
    assert 'other recordings' in capsys.readouterr().err
    assert run(*words, *options()) == 0


def test_preparing_and_showing_with_a_recipe_and_a_table(recordings, tmp_path, capsys):
    config = recipe(tmp_path, recorded=ALL)
    table = 'recording,split,image,transcript\nr1,,/right/image,none\n'
    (recordings / 'splits.csv').write_text(table, encoding='utf-8')
    shards = tmp_path / 'shards'
    words = ('--jobs', 1, '--quiet', '--margin', 0)
    assert run('prepare', recordings, '--out', shards, '--config', config, *words) == 0
    entries = json.loads((shards / 'manifest.json').read_text())['recordings']
    assert [entry['recorded'] for entry in entries] == [
        ALL,
        {**ALL, 'image': '/right/image', 'transcript': 'none'},
        ALL,
    ]
    for data in (recordings, shards):
        picture = tmp_path / f'{data.name}.png'
        assert run('show', data, '--out', picture, '--config', config, '--quiet', '--plain') == 0
        assert picture.stat().st_size > 1000
    # Trained on shards, a network knows how their topics were read.
    runs, report = tmp_path / 'runs', tmp_path / 'report'
    words = ('train', recipe(tmp_path), '--data', shards, '--out', runs, '--quiet')
    assert run(*words) == 0
    words = ('evaluate', '--checkpoint', runs, '--split', 'train', '--out', report, '--overwrite')
    quick = ('--timed', 0, '--resamples', 10, '--jobs', 1, '--device', 'cpu', '--quiet')
    assert run(*words, *quick, '--data', shards) == 0
    from_shards = json.loads((report / 'metrics.json').read_text())
    assert run(*words, *quick, '--data', recordings) == 0
    metrics = json.loads((report / 'metrics.json').read_text())
    assert metrics['recordings'] == from_shards['recordings']
    assert metrics['settings']['recorded'] == ALL
    config = recipe(tmp_path, recorded=ALL)
    words = ('show', shards, '--out', picture, '--config', config, '--quiet')
    assert run(*words, '--audio', '/mic/two') == 1
    assert "prepared with audio = '/mic/one' where '/mic/two' is" in capsys.readouterr().err


DEFAULT_SETTINGS = {
    'imu': '',
    'image': '',
    'audio': '',
    'audio_info': '',
    'transcript': '',
    'transcript_field': '',
    'transcript_incremental': False,
    'audio_channels': 'mean',
    'audio_sample_format': '',
    'audio_sample_rate_hz': 16_000,
    'audio_num_channels': 1,
}
