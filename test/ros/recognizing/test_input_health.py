"""What ails an input: shares of the last seconds, in words that say what to do."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy')

from activity_recognition.config_io import shipped_file
from activity_recognition.ros.recognizing.diagnostics import Diagnosis, Snapshot
from activity_recognition.ros.recognizing.filters import SequenceGaps, _offset_ns
from activity_recognition.ros.recognizing.input_health import InputHealth, InputPast
from activity_recognition.ros.recognizing.inputs import InputReport
from activity_recognition.ros.status import Status
from activity_recognition.sensors import Role
from activity_recognition.streams import DropReason, InputCounters
from activity_recognition.types import MODALITIES, AudioChunk, Modality, to_ns

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

FINE, WARN, ERROR = b'\x00', b'\x01', b'\x02'
OVERLOAD, DUPLICATE, ORDER = DropReason.OVERLOAD, DropReason.DUPLICATE, DropReason.OUT_OF_ORDER


def report(role=Role.IMAGE, **changes):
    values = {
        'role': role,
        'topic': f'/{role}',
        'type_name': 'sensor_msgs/msg/Image',
        'qos': 'best effort, volatile',
        'publishers': 1,
        'received': 100,
        'lost': 0,
        'age_s': 0.1,
        'problems': (),
    }
    return InputReport(**{**values, **changes})


def judged(role=Role.IMAGE, *, dropped=(), offsets_s=(), has_samples=True, **more):
    """Return level and words about an input."""
    counts = {'received': 100, 'lost': 0, 'unreadable': 0, 'missed': 0, 'samples': 0}
    counts |= {key: more.pop(key) for key in counts if key in more}
    past = InputPast(dropped=dict(dropped), **counts)
    status = Status('input', 'cpu')
    health = InputHealth(report(role, **more), past, offsets_s=offsets_s, has_samples=has_samples)
    health.report_to(status)
    finished = status.finish('')
    return finished.level, finished.message


@pytest.mark.parametrize(
    ('what', 'level', 'words'),
    [
        (
            {'received': 39, 'lost': 332},
            ERROR,
            '332 of the last 371 messages were lost in transport',
        ),
        ({'received': 0, 'lost': 30}, ERROR, '30 of the last 30 messages were lost in transport'),
        ({'lost': 3}, WARN, '3 of the last 103 messages were lost'),
        ({'lost': 2}, FINE, ''),
        ({'received': 3, 'lost': 1}, FINE, ''),
        ({'received': 75, 'dropped': {DUPLICATE: 74}}, ERROR, '74 of the last 75 messages had the'),
        ({'dropped': {DUPLICATE: 2}}, FINE, ''),
        (
            {'received': 90, 'dropped': {ORDER: 80}},
            ERROR,
            '80 of the last 90 messages were stamped',
        ),
        ({'received': 90, 'dropped': {ORDER: 8}}, WARN, 'different clocks share the topic'),
        ({'dropped': {OVERLOAD: 10}}, WARN, '10 of the last 100 messages were dropped because'),
        ({'dropped': {DropReason.RATE: 90}}, FINE, ''),
        ({'missed': 10}, WARN, '10 of the last 110 messages were overwritten before'),
        ({'missed': 300}, ERROR, 'raw or as JPEG'),
        ({'missed': 2}, FINE, ''),
        ({'received': 2, 'dropped': {OVERLOAD: 20}, 'samples': 60}, WARN, '20 of the last 60'),
        ({'unreadable': 1, 'example': 'image size: 0 x 0'}, WARN, '1 messages could not be used'),
        ({'unreadable': 99, 'example': 'image size: 0 x 0'}, ERROR, 'the last: image size: 0 x 0'),
        ({'shared_by': ('/a/cam', '/b/cam')}, WARN, '2 publishers share it (/a/cam, /b/cam)'),
        ({'shared_by': ('/a/cam',)}, FINE, ''),
        ({'offsets_s': (0.5, 0.4, 0.6)}, WARN, 'stamps lie 0.40 s in the future'),
        ({'offsets_s': (-3.0, -2.0)}, WARN, 'stamps lie 2.00 s in the past'),
        ({'offsets_s': (-3.0, -0.1)}, FINE, ''),
        ({'offsets_s': (0.5, -0.1)}, FINE, ''),
        ({'offsets_s': (1e30,)}, WARN, 'in the future'),
        ({'role': Role.TRANSCRIPT, 'offsets_s': (-8.0,)}, FINE, ''),
        ({'role': Role.TRANSCRIPT, 'has_samples': False}, WARN, 'topics.transcript_incremental'),
        ({'role': Role.AUDIO, 'has_samples': False}, WARN, '100 messages came, and nothing was'),
        ({'role': Role.TRANSCRIPT, 'shared_by': ('/a/asr', '/b/asr')}, FINE, ''),
        ({'role': Role.TRANSCRIPT, 'dropped': {DUPLICATE: 60}}, FINE, ''),
        (
            {'role': Role.AUDIO, 'declared_rate_hz': 16000, 'measured_rate_hz': 47990.0},
            WARN,
            '16000 samples a second are declared, but by their stamps 47990 come',
        ),
        (
            {'role': Role.AUDIO, 'declared_rate_hz': 48000, 'measured_rate_hz': 16000.0},
            WARN,
            '48000 samples a second are declared',
        ),
        ({'role': Role.AUDIO, 'declared_rate_hz': 16000, 'measured_rate_hz': 16100.0}, FINE, ''),
        ({'role': Role.AUDIO, 'declared_rate_hz': 16000, 'measured_rate_hz': None}, FINE, ''),
        ({'role': Role.AUDIO, 'channel_problem': 'the mean cancels'}, WARN, 'the mean cancels'),
    ],
)
def test_each_fault_has_its_level_and_its_words(what, level, words):
    found, message = judged(**what)
    assert found == level
    assert words in message
    assert bool(message) == (level != FINE)


def test_lost_images_name_the_profile_where_it_is_and_other_messages_do_not():
    _, message = judged(lost=100)
    assert f'FASTRTPS_DEFAULT_PROFILES_FILE={shipped_file("fastdds.xml")}' in message
    assert shipped_file('fastdds.xml').is_file()
    _, message = judged(Role.AUDIO, lost=100)
    assert 'FASTRTPS' not in message
    assert 'reliably' in message


def test_what_is_lost_is_not_overwritten_too():
    _, message = judged(lost=100, missed=105)
    assert 'lost in transport' in message
    assert 'overwritten' not in message
    _, message = judged(lost=100, missed=300)
    assert '200 of the last 400 messages were overwritten' in message


def test_sound_that_is_lost_is_no_wrong_rate():
    rates = {'declared_rate_hz': 16000, 'measured_rate_hz': 8000.0}
    _, message = judged(Role.AUDIO, lost=100, **rates)
    assert 'declared' not in message


def test_all_that_ails_is_said_at_the_worst_level():
    level, message = judged(lost=10, dropped={DUPLICATE: 90})
    assert level == ERROR
    assert 'lost in transport' in message
    assert 'had the stamp' in message


def test_gaps_are_counted_for_a_publisher_that_is_alone():
    gaps = SequenceGaps()

    def missed(*numbers):
        before = gaps.missed
        for number in numbers:
            gaps.note(number)
        return gaps.missed - before

    assert missed(1, 9) == 0  # nobody knows who publishes
    gaps.note_publishers(1)
    assert missed(20, 21, 25, 26) == 3  # what came before is no gap
    assert missed(1, 2, 4) == 1  # it has been started again
    gaps.note_publishers(2)
    assert missed(5, 1000, 6, 1001) == 0
    gaps.note_publishers(1)
    assert missed(1002, 1004) == 1
    gaps.restart()
    assert missed(2000, 2001) == 0
    assert missed(2**64 - 1, 2**64 - 1) == 0  # the middleware has no numbers


@pytest.mark.parametrize(
    ('start_s', 'seconds', 'offset_s'),
    [(-0.1, 0.04, -0.06), (-10.0, 10.0, 0.0), (0.0, 1.0, 0.0), (0.5, 1.0, 0.5), (-9.0, 4.0, -5.0)],
)
def test_sound_lies_where_its_nearest_part_does(start_s, seconds, offset_s):
    """Long chunks are stamped long before they arrive, or at their end: no wrong clock."""
    now_ns = to_ns(1000.0)
    chunk = AudioChunk(
        stamp_ns=now_ns + to_ns(start_s),
        arrival_ns=now_ns,
        samples=np.zeros(round(16000 * seconds), np.float32),
        sample_rate_hz=16000,
    )
    assert _offset_ns(chunk) == pytest.approx(to_ns(offset_s), abs=1)


def snapshot(time_s, received, duplicates, **changes):
    counters = {modality: InputCounters() for modality in MODALITIES}
    counters[Modality.VIDEO].received = received
    counters[Modality.VIDEO].dropped[DUPLICATE] = duplicates
    inputs = (report(received=received, **changes),)
    return Snapshot(time_s=time_s, inputs=inputs, counters=counters)


def test_the_last_seconds_are_judged_not_the_last_period():
    """A fault that is spread thinly over the periods is found; one that has ended is forgotten."""
    diagnosis = Diagnosis(node_name='/r', hardware_id='cpu', silent_after_s=2.0)

    def level(now, history):
        return diagnosis.statuses(now, history, checkpoint='abc')[0].level

    history = [snapshot(n, 2 * n, n) for n in range(6)]
    assert level(snapshot(6, 12, 6), history) == WARN
    assert level(snapshot(6, 12, 6), history[-1:]) == FINE  # two messages prove nothing
    history = [snapshot(n, 100 + 10 * n, 90) for n in range(6)]
    assert level(snapshot(6, 160, 90), history) == FINE


@pytest.mark.parametrize(
    ('role', 'modality', 'level'),
    [(Role.AUDIO, Modality.AUDIO, WARN), (Role.TRANSCRIPT, Modality.TEXT, FINE)],
)
def test_messages_that_have_become_empty_are_a_warning_where_nothing_pauses(role, modality, level):
    """A microphone whose driver goes on without samples; a recogniser while nobody speaks."""
    diagnosis = Diagnosis(node_name='/r', hardware_id='cpu', silent_after_s=2.0)

    def at(time_s, received, samples):
        counters = {each: InputCounters() for each in MODALITIES}
        counters[modality].received = samples
        inputs = (report(role, received=received),)
        return Snapshot(time_s=time_s, inputs=inputs, counters=counters)

    history = [at(n, 100 + 10 * n, 100) for n in range(6)]
    found = diagnosis.statuses(at(6, 160, 100), history, checkpoint='abc')[0]
    assert found.level == level
    assert ('60 messages came, and nothing was in them' in found.message) == (level == WARN)
    goes_on = diagnosis.statuses(at(6, 160, 101), history, checkpoint='abc')[0]
    assert goes_on.level == FINE
    few = diagnosis.statuses(at(6, 153, 100), history[5:], checkpoint='abc')[0]
    assert few.level == FINE
