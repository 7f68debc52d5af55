"""What a user may name, and what is shown of it."""

import os
import re

import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.media import addresses
from activity_recognition.media.addresses import camera_source, parse_source, shown_address


def test_a_file_is_read_from_its_start_again(tmp_path):
    path = tmp_path / 'clip.mp4'
    path.touch()
    source = parse_source(str(path))
    assert (source.address, source.shown, source.is_file) == (str(path), str(path), True)


@pytest.mark.parametrize(
    ('text', 'kind'),
    [
        ('http://host/clip.mp4', 'http'),
        ('HTTPS://host:8443/live.m3u8?token=1', 'https'),
        ('rtsp://user:secret@camera.local/stream', 'rtsp'),
        ('udp://239.0.0.1:1234', 'udp'),
    ],
)
def test_an_address_may_use_the_network_and_no_file(text, kind):
    source = parse_source(text)
    allowed = source.options['protocol_whitelist'].split(',')
    assert kind in allowed
    assert not {'file', 'concat', 'data', 'subfile', 'pipe', 'fd', 'unix'} & set(allowed)
    assert source.address == text
    assert not source.is_file


@pytest.mark.parametrize(
    'text',
    [
        'http://user:s3cret@host/a.mp4',
        'http://s3cret@host/a.mp4',
        'rtsp://user:p@s3cret@host:554/a.mp4',
        'http://host/a.mp4?password=s3cret',
        'http://host/a.mp4#s3cret',
        'http://host?key=s3cret',
    ],
)
def test_what_is_secret_is_not_shown(text):
    source = parse_source(text)
    assert source.address == text
    assert 's3cret' not in source.shown
    assert 'host' in source.shown
    assert 'user' not in source.shown


def test_what_steers_a_terminal_is_not_shown_as_it_is():
    assert '\x1b' not in shown_address('http://host/\x1b[2J')


@pytest.mark.parametrize(
    'text',
    [
        'concat:a.mp4|b.mp4',
        'lavfi:testsrc',
        'movie=/etc/passwd',
        'subfile,,start,0,end,9,,:/etc/passwd',
        'pipe:0',
        'clip.mp4',
    ],
)
def test_what_is_no_file_here_is_nothing_else_either(text):
    with pytest.raises(RecordingError, match=f'{re.escape(text)}: no such file; expected a video'):
        parse_source(text)


@pytest.mark.parametrize('text', ['file:///etc/passwd', 'ftp://host/x', 'lavfi://testsrc', '://x'])
def test_addresses_of_other_kinds_are_refused(text):
    with pytest.raises(RecordingError, match='expected an address that begins with http://'):
        parse_source(text)


@pytest.mark.parametrize('text', ['http://', 'rtsp:///stream', 'http://[::1'])
def test_an_address_without_a_host_is_refused(text):
    with pytest.raises(RecordingError, match='expected an address with a host'):
        parse_source(text)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(RecordingError, match='a folder; expected a video or audio file'):
        parse_source(str(tmp_path))


def test_a_camera_that_is_not_there_is_named_with_those_that_are(tmp_path, monkeypatch):
    monkeypatch.setattr(addresses, '_CAMERAS', tmp_path)
    with pytest.raises(RecordingError, match='video7: no such camera; there are: none'):
        parse_source(str(tmp_path / 'video7'))
    (tmp_path / 'video0').symlink_to('/dev/null')
    with pytest.raises(RecordingError, match=r'there are: .*video0'):
        parse_source(str(tmp_path / 'video7'))
    source = parse_source(str(tmp_path / 'video0'))
    assert (source.format, source.is_file) == ('v4l2', False)


def test_a_file_below_dev_is_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(addresses, '_CAMERAS', tmp_path)
    (tmp_path / 'shm').mkdir()
    (tmp_path / 'shm' / 'clip.mp4').touch()
    assert parse_source(str(tmp_path / 'shm' / 'clip.mp4')).is_file


def test_what_is_no_device_is_no_camera(tmp_path):
    os.mkfifo(tmp_path / 'video0')
    with pytest.raises(RecordingError, match='expected the device of a camera'):
        camera_source(tmp_path / 'video0')


def test_a_pipe_is_there_and_is_none_of_these(tmp_path):
    os.mkfifo(tmp_path / 'clip.mp4')
    with pytest.raises(
        RecordingError, match=r'clip\.mp4: a pipe or another special file; expected'
    ):
        parse_source(str(tmp_path / 'clip.mp4'))
