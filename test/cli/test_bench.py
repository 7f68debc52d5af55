"""`bench`: measures a small checkpoint for real, computes, prints, writes what the node takes."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil

import pytest

from activity_recognition.commands.bench import thread_counts
from activity_recognition.config import RecognizerConfig
from activity_recognition.models import exporting
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.models.exporting import read_description
from factories.networks import TINY, make_system, tokenizer_for
from factories.parameters import read_parameter_file

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
        timings = timings_of(cost)
        assert list(timings) == ['video', 'audio', 'text', 'decision', 'ablated_decision']
        for timing in timings.values():
            assert timing['wall_s'] > 0
            timing.update(wall_s=1e-3, low_s=1e-3, high_s=1e-3)
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def timings_of(cost):
    """The timings of one cost, those of samples by their modality."""
    samples = {item['modality']: item['timing'] for item in cost['samples']}
    return samples | {kind: cost[kind] for kind in ('decision', 'ablated_decision')}


def as_before(cost):
    """One cost in the words of schema 2."""
    video, audio, text = cost.pop('samples')
    cost['weighed_decision'] = cost.pop('ablated_decision')
    cost |= {'frame': video['timing'], 'chunk': audio['timing'], 'chunk_s': audio['duration_s']}
    return cost | {'utterance': text['timing'], 'utterance_pieces': text['pieces']}


def changed(record, tmp_path, **changes):
    """A record whose times are others."""
    content = copy.deepcopy(json.loads(record.read_text(encoding='utf-8')))
    for cost in content['costs']:
        for kind, value in changes.items():
            if kind == 'settled':
                cost[kind] = value
            else:
                timings_of(cost)[kind]['wall_s'] = value
    path = tmp_path / 'changed.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def test_the_record_says_what_was_measured_and_on_what(record):
    content = json.loads(record.read_text(encoding='utf-8'))
    assert content['machine']['processor']
    assert content['settings']['width_px'] == 64
    assert [cost['threads'] for cost in content['costs']] == [1]
    assert list(content['models']) == [content['costs'][0]['network']]


def test_unasked_nothing_is_exported_and_that_is_said(command, record):
    content = json.loads(record.read_text(encoding='utf-8'))
    assert content['schema'] == 3
    assert (content['settings']['backend'], content['settings']['exported']) == ('auto', False)
    assert [cost['backend'] for cost in content['costs']] == ['torch']
    _, printed, _ = command('bench', '--from', record)
    assert 'Timed by torch.' in printed
    assert '`bench --backend auto` exports what it measures' in printed


@pytest.mark.parametrize(
    ('device', 'said'),
    [
        ('x86_64 (cpu, fp32)', 'Timed by torch.'),
        ('x86_64 (cpu, fp32) by torch', 'Timed by torch.'),
        ('x86_64 (cpu, fp32) by onnxruntime+torch', 'Timed by onnxruntime+torch; `bench'),
    ],
)
def test_a_record_of_the_first_schema_told_the_backend_with_the_device(
    command, record, tmp_path, device, said
):
    content = json.loads(record.read_text(encoding='utf-8'))
    content['schema'] = 1
    for key in ('backend', 'exported'):
        del content['settings'][key]
    content['costs'] = [as_before(cost) for cost in content['costs']]
    for cost in content['costs']:
        del cost['backend']
        cost['device'] = device
    path = tmp_path / 'first.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    status, printed, _ = command('bench', '--from', path)
    assert status == 0
    assert said in printed


def test_a_record_of_the_second_schema_says_the_same(command, record, tmp_path):
    content = json.loads(record.read_text(encoding='utf-8'))
    content['schema'] = 2
    content['costs'] = [as_before(cost) for cost in content['costs']]
    path = tmp_path / 'second.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    assert command('bench', '--from', path, '--json') == command(
        'bench', '--from', record, '--json'
    )


@pytest.fixture
def ready(monkeypatch, tiny_export, tmp_path):
    """Spare the seconds of exporting once more; this machine's cache is empty."""
    made = []

    def export(system, folder, *, checkpoint):
        read_description(tiny_export, system)
        made.append(folder)
        return shutil.copytree(tiny_export, folder)

    monkeypatch.setattr(exporting, 'export_steps', export)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return made


@pytest.mark.parametrize('backend', ['auto', 'onnxruntime'])
def test_a_backend_that_is_asked_for_is_exported_for_and_timed(
    command, checkpoint, ready, tmp_path, backend
):
    pytest.importorskip('onnxruntime')
    path, file = tmp_path / 'costs.json', tmp_path / 'robot.yaml'
    words = ('--checkpoint', checkpoint, *QUICK, '--headroom', 0, '--backend', backend)
    status, printed, errors = command('bench', *words, '--save', path, '--out', file)
    assert 'half a minute on an idle machine' in errors
    [folder] = ready
    assert not folder.exists()
    content = json.loads(path.read_text(encoding='utf-8'))
    assert (content['settings']['backend'], content['settings']['exported']) == (backend, True)
    [cost] = content['costs']
    # Which of the two is faster at a step is for the machine to say.
    assert set(cost['backend'].split('+')) <= {'onnxruntime', 'torch'}
    assert backend == 'auto' or cost['backend'] == 'onnxruntime'
    assert f'Timed by {cost["backend"]}, from steps exported for it' in printed
    if status == 0:  # else too busy a machine for even one frame a second
        assert read_parameter_file(file, RecognizerConfig).engine.backend == backend
        assert f'Timed by {cost["backend"]}' in file.read_text(encoding='utf-8')


@pytest.mark.parametrize('backend', ['auto', 'torch', None])
def test_what_is_exported_already_is_not_exported_again(
    command, checkpoint, ready, tiny_export, tmp_path, backend
):
    pytest.importorskip('onnxruntime')
    beside = shutil.copytree(checkpoint, tmp_path / 'exported')
    shutil.copytree(tiny_export, beside / 'onnx')
    path = tmp_path / 'costs.json'
    asked = ('--backend', backend) if backend else ()
    command('bench', '--checkpoint', beside, *QUICK, *asked, '--save', path)
    assert ready == []
    content = json.loads(path.read_text(encoding='utf-8'))
    assert content['settings']['exported'] is False
    if backend == 'torch':
        assert [cost['backend'] for cost in content['costs']] == ['torch']


def test_onnxruntime_that_is_not_there_is_not_timed_as_something_else(
    command, checkpoint, ready, monkeypatch, tmp_path
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == 'onnxruntime' else found(name)
    )
    words = ('bench', '--checkpoint', checkpoint, *QUICK)
    status, _, errors = command(*words, '--backend', 'onnxruntime')
    assert status != 0
    assert 'pip install activity_recognition[onnx]' in errors
    path = tmp_path / 'costs.json'
    command(*words, '--backend', 'auto', '--save', path)
    content = json.loads(path.read_text(encoding='utf-8'))
    assert ready == []
    assert content['settings']['exported'] is False
    assert [cost['backend'] for cost in content['costs']] == ['torch']


@pytest.mark.slow
def test_a_preset_is_exported_for_real(command, monkeypatch, tmp_path):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = tmp_path / 'costs.json'
    words = ('--presets', 'nano', '--threads', 1, '--seconds', 3, '--backend', 'onnxruntime')
    _, printed, _ = command('bench', *words, '--save', path)
    assert 'Timed by onnxruntime, from steps exported for it' in printed
    [cost] = json.loads(path.read_text(encoding='utf-8'))['costs']
    assert cost['backend'] == 'onnxruntime'
    assert not (tmp_path / 'cache' / 'activity_recognition' / 'onnx').exists()


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
    slow = changed(record, tmp_path, video=0.15)
    status, printed, _ = command('bench', '--from', slow, '--headroom', '0.4')
    assert status == 0
    assert 'less than the 10 frames/s asked for' in printed


def test_a_machine_that_sustains_nothing_gets_no_file(command, record, tmp_path):
    hopeless = changed(record, tmp_path, video=9.0)
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
        ('{"schema": 99}', 'of schema 3 wrote, got 99; measure again'),
        ('{"schema": 1}', "the record of costs is damaged: KeyError('costs')"),
        ('{"schema": 2}', "the record of costs is damaged: KeyError('costs')"),
        ('{"schema": 1, "costs": [{}]}', "the record of costs is damaged: KeyError('device')"),
        ('[]', 'of schema 3 wrote, got None'),
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
