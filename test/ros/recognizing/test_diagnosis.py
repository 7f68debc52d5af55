"""What the diagnostics say of inputs, and the parameters' descriptions."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')

from activity_recognition.config import RecognizerConfig, SyncConfig
from activity_recognition.ros.parameters import config_fields
from activity_recognition.ros.recognizing.diagnostics import Diagnosis, Snapshot
from activity_recognition.ros.recognizing.inputs import InputReport
from activity_recognition.sensors import Role
from activity_recognition.streams import DropReason, InputCounters
from activity_recognition.types import MODALITIES

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

IMAGE = 'sensor_msgs/msg/Image'


def report(role=Role.IMAGE, **changes):
    values = {
        'role': role,
        'topic': f'/{role}',
        'type_name': IMAGE,
        'qos': 'best effort, volatile',
        'publishers': 1,
        'received': 10,
        'lost': 0,
        'age_s': 0.1,
        'problems': (),
    }
    return InputReport(**{**values, **changes})


def image_status(now, before=()):
    diagnosis = Diagnosis(node_name='/r', hardware_id='cpu', silent_after_s=2.0)
    counters = {modality: InputCounters() for modality in MODALITIES}
    first, *_ = diagnosis.statuses(
        Snapshot(time_s=2.0, inputs=(now,), counters=counters),
        [Snapshot(time_s=1.0, inputs=tuple(before))],
        checkpoint='abc',
    )
    return first


@pytest.mark.parametrize(
    ('now', 'level', 'words'),
    [
        (report(), b'\x00', '10.0 Hz'),
        (report(age_s=3.0), b'\x01', 'no message for 3.0 s'),
        (report(age_s=None, received=0), b'\x01', 'no message ever'),
        (report(publishers=0), b'\x01', '/image: nobody publishes'),
        (report(problems=('it is upside down',)), b'\x02', 'it is upside down'),
        (report(role=Role.TRANSCRIPT, age_s=100.0), b'\x00', 'Hz'),
        (report(role=Role.AUDIO_INFO, publishers=0, received=0), b'\x00', 'nothing received'),
        (report(dropped={'image size': 3}, example='image size: 0 x 0'), b'\x01', '0 x 0'),
    ],
)
def test_inputs_are_diagnosed_in_words(now, level, words):
    before = report(role=now.role, received=0)
    status = image_status(now, [before])
    assert status.level == level
    assert words in status.message


def test_old_drops_are_not_told_again():
    old = report(dropped={'image size': 3}, example='image size: 0 x 0')
    assert image_status(old, [old]).level == b'\x00'


def test_every_drop_has_a_value_in_the_diagnosis():
    keys = {value.key for value in image_status(report()).values}
    assert {f'dropped: {reason}' for reason in DropReason} <= keys


def test_every_field_of_the_configuration_is_a_described_parameter():
    fields = config_fields(RecognizerConfig)
    assert fields['sync.decision_rate_hz'].default == SyncConfig().decision_rate_hz
    assert fields['sync.decision_rate_hz'].live
    assert fields['smoothing.hysteresis'].description.startswith('By how much')
    assert [name for name, item in fields.items() if not item.description] == []
