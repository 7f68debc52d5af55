"""Networks are fetched from folders and addresses, and only the registered files are kept."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from email.message import Message

import pytest

from activity_recognition.errors import ConfigError, OutputError, WeightsError
from activity_recognition.weights import find_weights
from activity_recognition.weights.addresses import MAX_REDIRECTIONS, _Redirections, download
from activity_recognition.weights.entries import register
from activity_recognition.weights.sources import given_source
from factories.file_server import (
    content,
    endless,
    meeting,
    redirecting,
    serving,
    stalling,
)
from factories.timing import PATIENCE_S
from factories.weights import FILES, entry, file_entry, put, write_register

POSE = FILES['pose.tflite']

IN_A_PROCESS = """
import sys
from pathlib import Path
from activity_recognition.weights import entries
entries.REGISTER = Path(sys.argv[1])
from activity_recognition.cli import main
sys.exit(main(['weights', 'fetch', 'pose', '--quiet']))
"""


@pytest.fixture
def server():
    with serving({'/pose.tflite': content(POSE)}) as running:
        yield running


@pytest.fixture
def registered(made_up, server):
    """Make the register's address of the network `pose` that of the server; return the answers."""
    source = {'url': f'{server.address}pose.tflite'}
    write_register(made_up, pose=entry(file_entry('pose.tflite', source)))
    register.cache_clear()
    return server.answers


def files_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


class TestFolders:
    @pytest.mark.parametrize('name', ['pose.tflite', 'pose'])
    def test_from_a_folder(self, tmp_path, cache, bring, heard, name):
        path = put(tmp_path / 'usb', name, POSE)
        assert bring(place=tmp_path / 'usb') == cache / 'pose.tflite'
        assert (cache / 'pose.tflite').read_bytes() == POSE
        assert heard.sentences == [
            'pose: made up; Apache-2.0, a network by Somebody',
            f'pose.tflite: 0.0 MB from {path}',
        ]
        assert files_in(cache) == ['pose.tflite']

    def test_a_network_of_several_files(self, tmp_path, cache, bring):
        for name in ('config.json', 'model.safetensors'):
            put(tmp_path / 'usb' / 'words', name)
        assert bring('words', place=tmp_path / 'usb') == cache / 'words'
        assert files_in(cache) == ['words/config.json', 'words/model.safetensors']
        assert find_weights('words') == cache / 'words'

    def test_only_what_is_missing_or_wrong_is_fetched(self, tmp_path, cache, bring, heard):
        put(cache / 'words', 'config.json')
        put(cache / 'words', 'model.safetensors', b'cut off')
        put(tmp_path / 'usb' / 'words', 'model.safetensors')
        assert bring('words', place=tmp_path / 'usb') == cache / 'words'
        assert len(heard.sentences) == 2
        assert heard.sentences[1].startswith('model.safetensors: ')

    def test_from_a_file_and_from_its_address(self, tmp_path, cache, bring):
        path = put(tmp_path / 'a folder', 'anything.bin', POSE)
        for place in (path, path.as_uri(), path.as_uri().replace('file:///', 'file://localhost/')):
            assert bring(place=place) == cache / 'pose.tflite'
            (cache / 'pose.tflite').unlink()
        assert bring(place=path.parent.as_uri().replace('a%20folder', 'a%20folder/anything.bin'))

    def test_what_is_here_is_not_fetched_again(self, tmp_path, cache, bring, heard):
        put(cache, 'pose.tflite')
        bring(place=tmp_path)
        assert heard.sentences == [f'pose: is on this machine: {cache}/pose.tflite']
        assert files_in(cache) == ['pose.tflite']

    def test_a_wrong_file_is_refused_with_both_hashes(self, tmp_path, cache, bring):
        path = put(tmp_path / 'usb', 'pose.tflite', POSE[::-1])
        with pytest.raises(WeightsError) as caught:
            bring(place=tmp_path / 'usb')
        expected, got = (hashlib.sha256(c).hexdigest() for c in (POSE, POSE[::-1]))
        assert f'{path}: expected a file of SHA-256 {expected}, got {got}' in str(caught.value)
        assert files_in(cache) == []

    def test_a_folder_without_the_file(self, tmp_path, bring):
        with pytest.raises(WeightsError, match='expected a file of 20000 bytes, found none'):
            bring(place=tmp_path)

    def test_a_file_where_a_folder_is_needed(self, tmp_path, bring):
        path = put(tmp_path, 'config.json')
        with pytest.raises(WeightsError, match='expected the folder with the 2 files of words'):
            bring('words', place=path)

    @pytest.mark.parametrize(
        ('place', 'expected'),
        [
            ('ftp://example.org/pose.tflite', 'begins with https://, http:// or file://, got'),
            ('s3://bucket/pose', 'begins with https://, http:// or file://, got'),
            ('file://example.org/pose.tflite', 'expected file:// and an absolute path'),
            ('/nowhere/at/all', 'expected a folder or a file at /nowhere/at/all, found none'),
            ('file:///nowhere', 'expected a folder or a file at /nowhere, found none'),
        ],
    )
    def test_a_place_that_is_none(self, place, expected):
        with pytest.raises(ConfigError, match=f'--from: .*{expected}'):
            given_source(place)


class TestAddresses:
    def test_from_the_registered_address(self, cache, bring, registered, server, heard):
        assert bring() == cache / 'pose.tflite'
        assert (cache / 'pose.tflite').read_bytes() == POSE
        assert heard.sentences[1] == f'pose.tflite: 0.0 MB from {server.address}pose.tflite'
        assert heard.counts[-1] == (len(POSE), len(POSE))

    def test_from_a_mirror_that_is_a_folder(self, cache, bring, server):
        for name in ('config.json', 'model.safetensors'):
            server.answers[f'/mirror/words/{name}'] = content(FILES[name])
        assert bring('words', place=f'{server.address}mirror/') == cache / 'words'
        (cache / 'words' / 'config.json').unlink()
        assert bring('words', place=f'HTTP{server.address.removeprefix("http")}mirror/')
        (cache / 'words' / 'config.json').unlink()
        with pytest.raises(WeightsError, match='the address of a folder, which ends with a slash'):
            bring('words', place=f'{server.address}mirror')

    def test_another_file_is_not_kept_and_the_old_one_stays(self, cache, bring, registered):
        old = put(cache, 'pose.tflite', b'of another version')
        registered['/pose.tflite'] = content(POSE[::-1])
        with pytest.raises(WeightsError) as caught:
            bring()
        expected, got = (hashlib.sha256(c).hexdigest() for c in (POSE, POSE[::-1]))
        assert f'expected a file of SHA-256 {expected}, got {got}; it was not kept' in str(
            caught.value
        )
        assert old.read_bytes() == b'of another version'
        assert files_in(cache) == ['pose.tflite']

    def test_no_such_file(self, bring, registered, server):
        del registered['/pose.tflite']
        with pytest.raises(WeightsError) as caught:
            bring()
        assert str(caught.value).startswith(
            f'cannot fetch pose: {server.address}pose.tflite: HTTP status 404 (Not Found); docs/'
        )

    def test_a_file_that_is_announced_and_cut_off(self, cache, bring, registered):
        registered['/pose.tflite'] = content(POSE[:7000], announced=len(POSE))
        with pytest.raises(WeightsError, match='expected 20000 bytes, got 7000; it was not kept'):
            bring()
        assert files_in(cache) == []

    @pytest.mark.parametrize('length', [7000, 10**9])
    def test_a_file_of_another_size_is_refused_before_it_is_read(
        self, bring, registered, heard, length
    ):
        registered['/pose.tflite'] = content(POSE[:7000], announced=length)
        with pytest.raises(WeightsError, match=f'20000 bytes, the server announces {length}'):
            bring()
        assert heard.counts == []

    def test_never_more_than_registered_is_read(self, cache, bring, registered, heard):
        registered['/pose.tflite'] = endless(b'and so on ' * 1000)
        with pytest.raises(WeightsError, match='expected a file of SHA-256'):
            bring()
        assert heard.counts[-1] == (len(POSE), len(POSE))
        assert files_in(cache) == []

    def test_a_server_that_stalls(self, cache, bring, registered):
        registered['/pose.tflite'] = stalling(POSE[:7000], len(POSE))
        with pytest.raises(WeightsError, match=r'pose\.tflite: nothing came for 0\.2 s'):
            bring(timeout_s=0.2)
        assert files_in(cache) == []

    def test_a_server_that_is_too_slow(self, tmp_path, server):
        with pytest.raises(WeightsError, match='not all of it had come after 0 s'):
            download(
                f'{server.address}pose.tflite',
                tmp_path / 'file',
                len(POSE),
                timeout_s=PATIENCE_S,
                deadline_s=0.0,
            )

    def test_nobody_listens(self, bring, server):
        address = f'{server.address}pose.tflite'
        server.shutdown()
        server.server_close()
        with pytest.raises(WeightsError, match=r'cannot download it \(Connection refused\)'):
            bring(place=address)

    def test_what_is_no_http(self, bring, registered):
        registered['/pose.tflite'] = lambda handler: handler.wfile.write(b'\x1b[2Jnonsense\r\n\r\n')
        with pytest.raises(WeightsError, match='cannot download it') as caught:
            bring()
        assert '\x1b' not in str(caught.value)

    def test_a_second_source_is_tried(self, made_up, bring, server, heard):
        sources = [{'url': f'{server.address}{name}'} for name in ('gone', 'pose.tflite')]
        write_register(made_up, pose=entry(file_entry('pose.tflite', *sources)))
        register.cache_clear()
        assert bring().read_bytes() == POSE
        assert f'{server.address}gone: HTTP status 404 (Not Found); trying the next source' in (
            heard.sentences
        )
        server.answers.clear()
        bring().unlink()
        with pytest.raises(WeightsError, match=r'gone: HTTP status 404 .*; http.*tflite: HTTP st'):
            bring()


class TestRedirections:
    def test_to_another_address(self, bring, registered, server):
        registered['/pose.tflite'] = redirecting(f'{server.address}there')
        registered['/there'] = content(POSE)
        assert bring().read_bytes() == POSE

    @pytest.mark.parametrize(
        ('address', 'reason'),
        [
            ('file:///etc/hostname', "Redirection to url 'file:///etc/hostname' is not allowed"),
            ('ftp://127.0.0.1/x', r'names another address instead, ftp://127\.0\.0\.1/x; expected'),
        ],
    )
    def test_to_what_is_no_http(self, bring, registered, server, address, reason):
        registered['/pose.tflite'] = redirecting(address)
        with pytest.raises(WeightsError, match=reason):
            bring()
        assert server.asked == ['/pose.tflite']

    def test_without_end(self, bring, registered, server):
        for number in range(100):
            registered[f'/{number}'] = redirecting(f'{server.address}{number + 1}')
        registered['/pose.tflite'] = redirecting(f'{server.address}0')
        with pytest.raises(WeightsError, match='HTTP status 302'):
            bring()
        assert len(server.asked) == MAX_REDIRECTIONS + 1

    def test_from_https_to_http(self):
        request = urllib.request.Request('https://example.org/a')
        ask = (None, 302, 'Found', Message())
        with pytest.raises(WeightsError, match=r'expected one that begins with https:$'):
            _Redirections().redirect_request(request, *ask, 'http://example.org/a')
        followed = _Redirections().redirect_request(request, *ask, 'https://example.net/a')
        assert followed.full_url == 'https://example.net/a'


class TestTheCache:
    def test_a_folder_with_the_name_of_the_file(self, tmp_path, cache, bring):
        (cache / 'pose.tflite').mkdir(parents=True)
        with pytest.raises(OutputError) as caught:
            bring(place=put(tmp_path, 'pose.tflite'))
        assert str(caught.value) == (
            f'{cache}/pose.tflite: expected a file or nothing, found a folder; remove it, or '
            'rename it'
        )
        assert [path.name for path in cache.iterdir()] == ['pose.tflite']

    @pytest.mark.parametrize('below', ['', 'activity_recognition'])
    def test_it_cannot_be_written(self, tmp_path, bring, monkeypatch, below):
        path = put(tmp_path, 'pose.tflite')
        home = tmp_path / 'home'
        put(home, below, b'a file') if below else put(tmp_path, 'home', b'a file')
        monkeypatch.setenv('XDG_CACHE_HOME', str(home))
        with pytest.raises(OutputError) as caught:
            bring(place=path)
        assert str(caught.value) == (
            f'{home}/activity_recognition/weights: cannot write weights there: Not a directory; '
            'make room, or name a folder that can be written with --to or XDG_CACHE_HOME'
        )

    def test_a_full_disk(self, cache, bring, registered, small_files):
        with small_files, pytest.raises(OutputError, match='cannot write weights there: File too'):
            bring()
        assert files_in(cache) == []
        assert bring().read_bytes() == POSE

    def test_what_is_here_needs_no_cache_that_can_be_written(self, cache, bring, monkeypatch):
        put(cache, 'pose.tflite')
        monkeypatch.setattr('activity_recognition.weights.session.scratch_folder', None)
        assert bring() == cache / 'pose.tflite'


def process(register_file):
    """Fetch in a process of its own, with this test's cache."""
    words = [sys.executable, '-c', IN_A_PROCESS, str(register_file)]
    return subprocess.Popen(words, env=dict(os.environ), stderr=subprocess.PIPE, text=True)


def wait_for(condition, what):
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, f'waited in vain for {what}'
        time.sleep(0.01)


class TestProcesses:
    def test_killed_in_the_middle(self, made_up, cache, bring, registered):
        registered['/pose.tflite'] = stalling(POSE[:7000], len(POSE))
        killed = process(made_up)
        try:
            wait_for(lambda: any(p.stat().st_size for p in cache.rglob('*pose.tflite')), 'bytes')
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.communicate()
        assert not (cache / 'pose.tflite').exists()
        assert files_in(cache)
        registered['/pose.tflite'] = content(POSE)
        assert bring().read_bytes() == POSE
        assert files_in(cache) == ['pose.tflite']
        assert [path.name for path in cache.iterdir()] == ['pose.tflite']

    @pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
    def test_ended_in_the_middle(self, made_up, cache, registered, number):
        registered['/pose.tflite'] = stalling(POSE[:7000], len(POSE))
        ended = process(made_up)
        try:
            wait_for(lambda: any(p.stat().st_size for p in cache.rglob('*pose.tflite')), 'bytes')
            ended.send_signal(number)
            _, said = ended.communicate(timeout=PATIENCE_S)
        finally:
            ended.kill()
            ended.wait()
        assert ended.returncode == 128 + number
        assert said.startswith('activity-recognition weights: ')
        assert list(cache.iterdir()) == []

    def test_two_at_once(self, made_up, cache, registered):
        barrier = threading.Barrier(2)
        registered['/pose.tflite'] = meeting(barrier, content(POSE))
        both = [process(made_up), process(made_up)]
        said = [running.communicate(timeout=PATIENCE_S) for running in both]
        assert [running.returncode for running in both] == [0, 0], said
        assert (cache / 'pose.tflite').read_bytes() == POSE
        assert [path.name for path in cache.iterdir()] == ['pose.tflite']
