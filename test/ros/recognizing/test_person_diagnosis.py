"""What is said of the people in a scene, and what is no reason to say anything."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')

from activity_recognition.persons.router import Attendance
from activity_recognition.ros.recognizing.diagnostics import Diagnosis, Snapshot
from activity_recognition.ros.recognizing.people import PeopleReport
from activity_recognition.ros.recognizing.worker import WorkerReport

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

FINE, WARN, ERROR = b'\x00', b'\x01', b'\x02'
TWO = Attendance(recognised=('a', 'b'), has_own_regions=True, camera='front')
LOST = Attendance(recognised=('a',), unmatched=('a',), has_own_regions=True)


def report(attendance=TWO, **changes):
    values = {
        'source': 'detections',
        'topic': '/detections',
        'is_wanted': True,
        'is_published': True,
        'received': 10,
        'age_s': 0.1,
        'problems': (),
        'there': 2,
        'found': 20,
        'others': {},
        'dropped': {},
        'example': '',
        'attendance': attendance,
        'decisions': 5,
    }
    return PeopleReport(**{**values, **changes})


def status_of(*reports, every_s=1.0):
    """Return the status after some reports, as they came."""
    diagnosis = Diagnosis(node_name='/r', hardware_id='cpu', silent_after_s=2.0)
    worker = WorkerReport(decisions=1, errors=0, last_error='', busy_s=0.0, step_s=0.01)
    *history, now = [
        Snapshot(time_s=every_s * index, people=people, worker=worker)
        for index, people in enumerate(reports)
    ]
    return diagnosis.statuses(now, history, checkpoint='abc')[-1]


@pytest.mark.parametrize(
    ('now', 'level', 'words'),
    [
        (report(), FINE, '2 recognised'),
        (report(others={"'chair'": 400}), FINE, '2 recognised'),
        (report(others={"'chair'": 400}, found=0), WARN, "but of 'chair'; where these"),
        (report(age_s=60.0, there=0), FINE, '2 recognised'),
        (report(age_s=60.0, there=1), WARN, 'no message for 60.0 s, and the last one told of 1'),
        (report(age_s=60.0, there=0, is_published=False), WARN, 'nobody publishes'),
        (report(age_s=None, received=0, there=0), FINE, 'recognised'),
        (report(dropped={'id too long': 3}, example='id too long: 99'), WARN, 'too long: 99'),
        (report(problems=('cannot subscribe',)), ERROR, 'cannot subscribe'),
        (
            report(Attendance(camera='front', other_cameras={'rear': 9})),
            WARN,
            'the regions are of frame rear, the images of front',
        ),
        (
            report(Attendance(camera='front', other_cameras={'rear': 9}, has_own_regions=True)),
            FINE,
            '0 recognised',
        ),
        (report(Attendance(is_drawn=True, unmatched=('a',))), WARN, 'drawings of key points'),
        (report(Attendance(not_followed=7)), WARN, '7 region(s) of more bodies'),
        (report(Attendance(overflowed=3)), WARN, '3 piece(s) of news'),
        (report(Attendance(left_out=('c',))), WARN, 'raise people.max'),
    ],
)
def test_people_are_diagnosed_in_words(now, level, words):
    status = status_of(report(), now)
    assert words in status.message
    assert status.level == level


@pytest.mark.parametrize(
    'changes',
    [
        {'problems': ('cannot subscribe',)},
        {'dropped': {'detection without an id': 3}, 'example': 'cannot subscribe'},
        {'topic': 'cannot subscribe', 'is_published': False},
        {'others': {'cannot subscribe': 9}, 'found': 0},
    ],
)
def test_what_nobody_asked_for_is_no_reason_to_warn(changes):
    status = status_of(report(is_wanted=False), report(is_wanted=False, **changes))
    assert status.level == FINE
    assert 'cannot subscribe' in status.message


def test_what_was_refused_is_a_value():
    status = status_of(
        report(), report(TWO, others={"'chair'": 4}, dropped={'id too long': 3}, received=11)
    )
    values = {item.key: item.value for item in status.values}
    assert values["of another class: 'chair'"] == '4'
    assert values['of no use: id too long'] == '3'


@pytest.mark.parametrize(
    ('reports', 'every_s', 'level'),
    [
        ((report(LOST), report(LOST)), 1.0, FINE),
        ((report(), *5 * [report(LOST)]), 0.2, FINE),
        ((report(LOST), report(), report(LOST)), 1.0, FINE),
        ((report(LOST), report(LOST), report(LOST)), 1.0, WARN),
        (12 * (report(LOST),), 0.2, WARN),
        ((report(LOST), report(LOST)), 10.0, WARN),
        ((None, report(LOST)), 10.0, FINE),
    ],
)
def test_a_lack_of_regions_is_told_when_it_lasts(reports, every_s, level):
    """Somebody who walks out of the image is without a region until their track ends."""
    status = status_of(*reports, every_s=every_s)
    assert status.level == level
    assert ('raise people.hold_s' in status.message) == (level == WARN)
