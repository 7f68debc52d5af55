"""`bench`: measures a small checkpoint for real, computes, prints, writes what the node takes."""

from __future__ import annotations

import copy
import json

import pytest

from activity_recognition.commands.bench import thread_counts
from activity_recognition.config import RecognizerConfig
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.parameter_files import read_parameter_file
from factories.networks import TINY, make_system, tokenizer_for

QUICK = ('--seconds', '0.3', '--image', '64x48', '--threads', '1')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkpoints') / 'tiny'
    save_checkpoint(folder, make_system(), tokenizer_for(TINY))
    return folder


@pytest.fixture(scope='module')
def record(checkpoint, tmp_path_factory):
    """What --save keeps, with times that no machine's load has touched: a millisecond each."""
    from activity_recognition import cli

    path = tmp_path_factory.mktemp('costs') / 'measured.json'
    assert cli.main(['bench', '--checkpoint', str(checkpoint), *QUICK, '--save', str(path)]) in (
        0,
        1,
    )
    content = json.loads(path.read_text(encoding='utf-8'))
    for cost in content['costs']:
        cost['settled'] = True
        for kind in ('frame', 'chunk', 'utterance', 'decision', 'weighed_decision'):
            assert cost[kind]['wall_s'] > 0
            cost[kind].update(wall_s=1e-3, low_s=1e-3, high_s=1e-3)
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def changed(record, tmp_path, **changes):
    """A record whose times are others."""
    content = copy.deepcopy(json.loads(record.read_text(encoding='utf-8')))
    for cost in content['costs']:
        for kind, value in changes.items():
            if kind == 'settled':
                cost[kind] = value
            else:
                cost[kind]['wall_s'] = value
    path = tmp_path / 'changed.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def test_the_record_says_what_was_measured_and_on_what(record):
    content = json.loads(record.read_text(encoding='utf-8'))
    assert content['machine']['processor']
    assert content['settings']['width_px'] == 64
    assert [cost['threads'] for cost in content['costs']] == [1]
    assert list(content['models']) == [content['costs'][0]['network']]


def test_tables_and_proposal_are_printed(command, record):
    status, printed, errors = command('bench', '--from', record)
    assert status == 0
    assert not errors
    assert 'Measured, ms' in printed
    assert 'Computed: sustained on' in printed
    assert '30 frames/s, 10 decisions/s' in printed


def test_json_is_for_machines(command, record):
    status, printed, _ = command('bench', '--from', record, '--json', '--cores', 3)
    content = json.loads(printed)
    assert status == 0
    assert content['cores'] == 3
    assert content['proposal']['frame_rate_hz'] == 30.0
    assert content['sustained'][0]['streams']['10'] >= 1
    parts = next(iter(content['work'].values()))['parts']
    assert parts['frame: frame encoder']['products'] > 0


def test_markdown_is_for_pages(command, record):
    _, printed, _ = command('bench', '--from', record, '--markdown')
    assert '| network | threads | frame |' in printed


def test_the_file_is_one_that_the_node_takes(command, record, tmp_path):
    path = tmp_path / 'new' / 'robot.yaml'
    status, _, errors = command('bench', '--from', record, '--decision-rate', 4, '--out', path)
    assert status == 0
    assert errors == f'written: {path}\n'
    config = read_parameter_file(path, RecognizerConfig)
    assert config.sync.max_frame_rate_hz == 30.0
    assert config.sync.decision_rate_hz == 4.0
    assert config.engine.num_threads == 1
    assert config.engine.device == 'cpu'
    assert path.read_text(encoding='utf-8').startswith('# Made by')


def test_a_measured_checkpoint_is_named_in_the_file(command, checkpoint, tmp_path):
    path = tmp_path / 'robot.yaml'
    words = ('--checkpoint', checkpoint, *QUICK, '--headroom', '0', '--out', path)
    status, _, errors = command('bench', *words)
    if status:  # too busy a machine for even one frame a second
        assert not path.exists()
        pytest.skip(errors)
    assert read_parameter_file(path, RecognizerConfig).checkpoint == str(checkpoint)


def test_less_than_was_asked_for_is_said(command, record, tmp_path):
    slow = changed(record, tmp_path, frame=0.15)
    status, printed, _ = command('bench', '--from', slow, '--headroom', '0.4')
    assert status == 0
    assert 'less than the 10 frames/s asked for' in printed


def test_a_machine_that_sustains_nothing_gets_no_file(command, record, tmp_path):
    hopeless = changed(record, tmp_path, frame=9.0)
    path = tmp_path / 'robot.yaml'
    status, printed, _ = command('bench', '--from', hopeless, '--out', path)
    assert status == 1
    assert 'Nothing measured sustains 1 frame/s' in printed
    assert not path.exists()


def test_a_busy_machine_is_said(command, record, tmp_path):
    busy = changed(record, tmp_path, settled=False)
    _, printed, errors = command('bench', '--from', busy)
    assert errors.startswith('The machine was busy with something else while ')
    assert ', busy' in printed


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ('{', 'cannot read the costs'),
        ('{"schema": 99}', 'of schema 1 wrote, got 99; measure again'),
        ('{"schema": 1}', "the record of costs is damaged: KeyError('costs')"),
        ('[]', 'of schema 1 wrote, got None'),
    ],
)
def test_a_wrong_record_is_refused(command, tmp_path, content, sentence):
    path = tmp_path / 'costs.json'
    path.write_text(content, encoding='utf-8')
    status, _, errors = command('bench', '--from', path)
    assert status == 2
    assert sentence in errors


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (('--image', 'large'), 'expected WxH, for example 640x480'),
        (('--threads', '0'), 'expected a number from 1 up'),
        (('--headroom', '1'), 'headroom'),
        (('--presets', 'huge', '--seconds', '1'), 'model preset must be one of'),
    ],
)
def test_wrong_arguments_are_refused(command, words, sentence):
    status, _, errors = command('bench', *words)
    assert status == 2
    assert sentence in errors


@pytest.mark.parametrize(
    ('cores', 'counts'), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_threads_that_are_measured(cores, counts):
    assert thread_counts(cores) == counts
