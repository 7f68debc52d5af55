"""The transport profile of processes that publish images."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from activity_recognition.config_io import shipped_file
from activity_recognition.ros.transport import PROFILE_VARIABLE, image_transport, segment_bytes

ENOUGH = shutil.disk_usage('/').free > 1 << 30


def test_the_shipped_profile_asks_for_64_mib():
    assert segment_bytes(shipped_file('fastdds.xml')) == 64 * 1024 * 1024


@pytest.mark.skipif(not ENOUGH, reason='this machine has no room left')
def test_where_there_is_room_the_profile_is_used():
    added, warning = image_transport({}, Path('/'))
    assert added == {PROFILE_VARIABLE: str(shipped_file('fastdds.xml'))}
    assert warning == ''


@pytest.mark.skipif(not ENOUGH, reason='this machine has no room left')
def test_room_is_left_for_processes_whose_images_matter_more():
    spare = shutil.disk_usage('/').free // segment_bytes(shipped_file('fastdds.xml'))
    added, warning = image_transport({}, Path('/'), name='recognizer', spare_segments=spare + 16)
    assert added == {}
    assert warning.startswith('images of recognizer go over the default transport')
    assert image_transport({}, Path('/'), spare_segments=1)[0]


def test_a_profile_of_the_users_stays():
    assert image_transport({PROFILE_VARIABLE: 'own.xml'}, Path('/nowhere')) == ({}, '')


def test_without_room_it_is_said_and_nothing_is_set():
    added, warning = image_transport({}, Path('/nowhere'))
    assert added == {}
    assert '64 MiB of /nowhere are needed and 0 MiB are free' in warning
