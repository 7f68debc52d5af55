"""`activity-recognition weights`: what it prints and how it ends."""

import ast
import json
import re
from pathlib import Path

import pytest

from activity_recognition.weights import entries
from activity_recognition.weights.finding import FOLDER_VARIABLE
from factories.file_server import content, serving
from factories.weights import FILES, entry, file_entry, put, write_register

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return tmp_path / 'cache' / 'activity_recognition' / 'weights'


@pytest.fixture(autouse=True)
def made_up(tmp_path, monkeypatch, cache):
    path = write_register(tmp_path / 'weights.yaml')
    monkeypatch.setattr(entries, 'REGISTER', path)
    entries.register.cache_clear()
    yield path
    entries.register.cache_clear()


@pytest.fixture
def usb(tmp_path):
    """A folder with both networks."""
    put(tmp_path / 'usb', 'pose.tflite')
    for name in ('config.json', 'model.safetensors'):
        put(tmp_path / 'usb' / 'words', name)
    return tmp_path / 'usb'


def test_list(command, cache, usb, monkeypatch):
    status, out, err = command('weights', 'list')
    assert (status, err) == (0, '')
    for word in ('pose', 'words', 'made up', 'Apache-2.0', 'not here'):
        assert word in out
    path = put(cache, 'pose.tflite')
    put(cache / 'words', 'config.json')
    rows = {row['name']: row for row in json.loads(command('weights', 'list', '--json')[1])}
    assert rows['pose']['path'] == str(path)
    assert rows['pose']['size_bytes'] == 20000
    assert rows['pose']['sha256'] == entries.identity('pose')
    assert rows['pose']['sources'] == ['https://weights.invalid/pose.tflite']
    assert (rows['words']['path'], len(rows['words']['wrong'])) == (None, 1)
    assert 'wrong: see verify' in ' '.join(command('weights', 'list')[1].split())


def test_names_are_whole_on_a_narrow_terminal(command, monkeypatch):
    """They are what a user copies."""
    monkeypatch.setenv('COLUMNS', '60')
    monkeypatch.setattr(entries, 'REGISTER', Path(entries.__file__).parent / 'weights.yaml')
    entries.register.cache_clear()
    _, out, _ = command('weights', 'list')
    assert all(re.search(rf'\b{name}\b', out) for name in entries.register())


def test_fetch_says_what_it_takes_before_it_does(command, cache, usb):
    status, out, err = command('weights', 'fetch', 'pose', 'words', 'pose', '--from', usb)
    assert status == 0
    assert out == f'pose: {cache}/pose.tflite\nwords: {cache}/words\n'
    assert err.splitlines() == [
        'pose: made up; Apache-2.0, a network by Somebody',
        f'pose.tflite: 0.0 MB from {usb}/pose.tflite',
        'words: made up; Apache-2.0, a network by Somebody',
        f'config.json: 0.0 MB from {usb}/words/config.json',
        f'model.safetensors: 0.0 MB from {usb}/words/model.safetensors',
    ]
    status, out, err = command('weights', 'fetch', '--all', '--quiet')
    assert (status, err) == (0, '')
    assert out == f'pose: {cache}/pose.tflite\nwords: {cache}/words\n'


def test_fetch_to_a_folder_that_goes_to_another_machine(command, cache, usb, tmp_path, monkeypatch):
    """What is here is copied; the other machine takes the folder as it is, or fetches from it."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(usb))
    stick = tmp_path / 'stick'
    status, out, err = command('weights', 'fetch', '--all', '--to', stick)
    assert status == 0
    assert out == f'pose: {stick}/pose.tflite\nwords: {stick}/words\n'
    assert f'pose.tflite: 0.0 MB from {usb}/pose.tflite\n' in err
    assert not cache.exists()
    again = command('weights', 'fetch', '--all', '--to', stick)
    assert again == (0, out, f'pose: is in {stick}\nwords: is in {stick}\n')
    (stick / 'words' / 'config.json').write_bytes(b'changed')
    _, _, err = command('weights', 'fetch', '--all', '--to', stick)
    assert 'config.json: ' in err
    assert 'model.safetensors: ' not in err
    monkeypatch.setenv(FOLDER_VARIABLE, str(stick))
    assert command('weights', 'verify')[0] == 0
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert command('weights', 'fetch', '--all', '--from', stick, '--quiet')[0] == 0
    assert command('weights', 'verify')[1] == (
        f'pose: verified, {cache}/pose.tflite\nwords: verified, {cache}/words\n'
    )


def test_fetch_over_http_shows_how_far_it_is(command, made_up, cache):
    with serving({'/p': content(FILES['pose.tflite'])}) as server:
        source = {'url': f'{server.address}p'}
        write_register(made_up, pose=entry(file_entry('pose.tflite', source)))
        entries.register.cache_clear()
        status, out, err = command('weights', 'fetch', 'pose')
    assert (status, out) == (0, f'pose: {cache}/pose.tflite\n')
    assert f'pose.tflite: 0.0 MB from {server.address}p\n' in err
    assert 'pose.tflite: 100 %' in err


def test_one_that_cannot_be_had_does_not_keep_the_others_away(command, cache, tmp_path):
    for name in ('config.json', 'model.safetensors'):
        put(tmp_path / 'words', name)
    status, out, err = command('weights', 'fetch', '--all', '--from', tmp_path)
    assert status == 1
    assert out == f'words: {cache}/words\n'
    assert f'cannot fetch pose: {tmp_path}/pose.tflite: expected a file of 20000 bytes' in err


@pytest.mark.parametrize('action', ['fetch', 'verify'])
def test_an_unknown_name_is_answered_with_the_nearest_before_anything_is_done(
    command, cache, usb, action
):
    options = ['--from', usb] if action == 'fetch' else []
    status, out, err = command('weights', action, 'pose', 'word', *options)
    assert (status, out) == (2, '')
    assert err == (
        "activity-recognition weights: no weights are called 'word'; did you mean words?\n"
    )
    assert not cache.exists()


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        ([], 'the following arguments are required: list|fetch|verify'),
        (['fetch'], 'one of the arguments NAME --all is required'),
        (['fetch', 'pose', '--all'], 'not allowed with argument'),
        (['fetch', 'pose', '--from', 's3://x/y'], '--from: expected a folder, a file, or an addre'),
        (['fetch', 'pose', '--from', ''], 'argument --from: expected a place, got nothing'),
        (['fetch', 'pose', '--to', ''], 'argument --to: expected a place, got nothing'),
        (['fetch', 'pose', '--from', '~nobody-/x'], "--from: expected a path, got '~nobody-/x'"),
        (['fetch', 'pose', '--to', '~nobody-/x'], "--to: expected a path, got '~nobody-/x'"),
        (['fetch', 'pose', '--from', 'file://[/x'], '--from: expected file:// and an absolute pat'),
        (
            ['fetch', 'pose', '--from', 'https://me:secret@host/x'],
            'without a user name or password',
        ),
        (['fetch', 'pose', '--timeout-s', '0'], r'timeout_s must lie in \[0.1, 3600\], got 0'),
        (['fetch', 'pose', '--timeout-s', 'x'], "timeout_s must be of type float, got 'x'"),
    ],
)
def test_wrong_arguments(command, words, expected):
    status, _, err = command('weights', *words)
    assert status == 2
    assert re.search(expected, err)
    assert 'secret' not in err


def test_verify_hashes_what_is_here(command, cache, usb, monkeypatch):
    put(cache, 'pose.tflite')
    assert command('weights', 'verify') == (0, f'pose: verified, {cache}/pose.tflite\n', '')
    monkeypatch.setenv(FOLDER_VARIABLE, str(usb))
    status, out, err = command('weights', 'verify')
    assert (status, err) == (0, '')
    assert out.splitlines() == [
        f'pose: verified, {usb}/pose.tflite',
        f'pose: verified, {cache}/pose.tflite',
        f'words: verified, {usb}/words',
    ]


def test_a_folder_that_is_the_cache_is_looked_at_once(command, cache, monkeypatch):
    put(cache, 'pose.tflite')
    monkeypatch.setenv(FOLDER_VARIABLE, str(cache))
    assert command('weights', 'verify')[1] == f'pose: verified, {cache}/pose.tflite\n'


def test_verify_names_each_that_is_wrong(command, cache, usb, monkeypatch):
    put(cache, 'pose.tflite', FILES['pose.tflite'][::-1])
    put(cache / 'words', 'config.json', b'{}')
    monkeypatch.setenv(FOLDER_VARIABLE, str(usb))
    status, out, err = command('weights', 'verify')
    assert status == 1
    assert out == f'pose: verified, {usb}/pose.tflite\nwords: verified, {usb}/words\n'
    wrong = err.splitlines()
    assert len(wrong) == 3
    assert wrong[0].startswith(f'{cache}/pose.tflite: expected a file of SHA-256 ')
    assert wrong[0].endswith('by `activity-recognition weights fetch pose`')
    assert wrong[1].startswith(f'{cache}/words/config.json: expected 13 bytes, got 2; get the ')
    assert wrong[2].startswith(f'{cache}/words/model.safetensors: expected a file of 45000 bytes')


def test_verify_says_what_to_do_where_nothing_is(command):
    assert command('weights', 'verify') == (
        1,
        '',
        'none of the registered networks is on this machine: run `activity-recognition weights '
        'fetch --all`, or give a folder that has them with ACTIVITY_RECOGNITION_WEIGHTS\n',
    )
    status, out, err = command('weights', 'verify', 'pose')
    assert (status, out) == (1, '')
    assert err.startswith('pose is not on this machine: run `activity-recognition weights fetch ')


def test_a_cache_that_cannot_be_written(command, tmp_path, usb, monkeypatch):
    put(tmp_path, 'home', b'a file')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    status, out, err = command('weights', 'fetch', 'pose', '--from', usb, '--quiet')
    assert (status, out) == (1, '')
    assert err == (
        f'activity-recognition weights: {tmp_path}/home/activity_recognition/weights: cannot write '
        'weights there: Not a directory; make room, or name a folder that can be written with --to '
        'or XDG_CACHE_HOME\n'
    )


def test_only_this_command_downloads_weights():
    """Whatever needs a network looks for it; nobody finds a download that was not asked for."""
    downloading = {'addresses', 'fetching', 'session', 'sources', 'wheels'}
    callers = set()
    for folder in (ROOT / 'activity_recognition', ROOT / 'training'):
        for path in folder.rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    package, _, module = node.module.rpartition('.')
                    if package == 'activity_recognition.weights' and module in downloading:
                        callers.add(path.relative_to(ROOT).as_posix())
    outside = {caller for caller in callers if not caller.startswith('activity_recognition/weight')}
    assert outside == {'activity_recognition/commands/weights.py'}
