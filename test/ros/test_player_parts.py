"""What playing is made of: the pace, moved stamps, and reading ahead."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from activity_recognition.errors import RecordingError
from activity_recognition.media.pacing import Pacer
from activity_recognition.ros.playing.playback_statistics import PlaybackStatistics
from activity_recognition.ros.playing.restamping import StampMap, restamp
from activity_recognition.ros.sources.read_ahead import ReadAhead, TimedMessage
from activity_recognition.sensors.cdr import TypeRegistry
from factories.timing import PATIENCE_S

pytestmark = pytest.mark.ros

SECOND = 1_000_000_000
TYPES = TypeRegistry(prefixes=())


class Hands:
    """A clock that is moved by hand."""

    def __init__(self):
        self.ns = 17

    def __call__(self):
        return self.ns


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(['run', 'pause']), st.integers(0, 10**10)), max_size=12),
    st.sampled_from([0.5, 1.0, 2.0, 10.0]),
)
def test_track_time_is_running_time_times_rate(steps, rate):
    hands = Hands()
    pacer = Pacer(rate, hands)
    expected = 0.0
    for kind, distance_ns in steps:
        (pacer.resume if kind == 'run' else pacer.pause)()
        assert pacer.paused == (kind == 'pause')
        hands.ns += distance_ns
        expected += distance_ns * rate if kind == 'run' else 0
        assert pacer.now_ns() == pytest.approx(expected, abs=len(steps) + 1)


def test_a_pacer_stands_still_until_it_is_let_go():
    hands = Hands()
    pacer = Pacer(clock=hands)
    hands.ns += SECOND
    assert pacer.now_ns() == 0


@pytest.mark.parametrize('rate', [0.5, 4.0])
def test_waits_are_never_short_and_do_not_add_up(rate):
    pacer = Pacer(rate)
    began = time.monotonic_ns()
    pacer.resume()
    for step in range(1, 9):
        due_ns = step * 4_000_000
        assert pacer.wait_until(due_ns)
        assert time.monotonic_ns() - began >= due_ns / rate
        assert pacer.now_ns() >= due_ns


def test_what_is_due_already_does_not_wait():
    pacer = Pacer()
    pacer.resume()
    assert pacer.wait_until(-SECOND)
    assert pacer.wait_until(0)


def waiting(pacer, due_ns):
    results = []
    thread = threading.Thread(target=lambda: results.append(pacer.wait_until(due_ns)))
    thread.start()
    return thread, results


def test_stopping_ends_a_wait_and_every_later_one():
    pacer = Pacer()
    pacer.resume()
    thread, results = waiting(pacer, 1000 * SECOND)
    pacer.stop()
    thread.join(PATIENCE_S)
    assert results == [False]
    assert not pacer.wait_until(0)


def test_stopping_ends_a_pause():
    pacer = Pacer()
    thread, results = waiting(pacer, 0)
    pacer.stop()
    thread.join(PATIENCE_S)
    assert results == [False]


def test_a_pause_holds_a_wait_until_it_is_over():
    hands = Hands()
    pacer = Pacer(clock=hands)
    thread, results = waiting(pacer, 5)
    hands.ns += SECOND
    assert results == []
    pacer.resume()
    hands.ns += 5
    pacer.pause()  # wakes the waiter, which finds that its time has come only when running
    pacer.resume()
    thread.join(PATIENCE_S)
    assert results == [True]


def image(stamp_ns, *, little_endian=True, frame_id='camera'):
    kind = TYPES.resolve('sensor_msgs/msg/CompressedImage')
    seconds, nanoseconds = divmod(stamp_ns, SECOND)
    stamp = kind.new('builtin_interfaces/msg/Time', sec=seconds, nanosec=nanoseconds)
    message = kind.new(
        kind.name,
        header=kind.new('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id),
        format='jpeg',
        data=np.arange(7, dtype=np.uint8),
    )
    return bytes(kind.store.serialize_cdr(message, kind.name, little_endian=little_endian))


def stamp_of(cdr):
    message = TYPES.resolve('sensor_msgs/msg/CompressedImage').deserialise(cdr)
    assert message.header.frame_id == 'camera'
    assert message.data.tolist() == list(range(7))
    return message.header.stamp.sec * SECOND + message.header.stamp.nanosec


@settings(max_examples=40)
@given(
    st.integers(1, 2**31 * SECOND - 1),
    st.integers(-SECOND * 10**8, SECOND * 10**8),
    st.booleans(),
)
def test_stamps_move_by_the_offset_and_nothing_else_changes(stamp_ns, offset_ns, little_endian):
    cdr = image(stamp_ns, little_endian=little_endian)
    moved = restamp(cdr, StampMap(recording_ns=0, live_ns=offset_ns))
    expected = stamp_ns + offset_ns
    assert stamp_of(moved) == (expected if 0 <= expected < 2**31 * SECOND else stamp_ns)
    assert moved[:4] + moved[12:] == cdr[:4] + cdr[12:]


def test_distances_shrink_by_the_rate():
    stamps = StampMap(recording_ns=100 * SECOND, live_ns=5000 * SECOND, rate=4.0)
    assert stamp_of(restamp(image(108 * SECOND), stamps)) == 5002 * SECOND
    assert stamp_of(restamp(memoryview(image(100 * SECOND)), stamps)) == 5000 * SECOND


def test_an_unset_stamp_stays_unset_and_a_stub_is_left_alone():
    stamps = StampMap(recording_ns=0, live_ns=SECOND)
    assert stamp_of(restamp(image(0), stamps)) == 0
    assert restamp(b'\x00\x01\x00\x00\x05', stamps) == b'\x00\x01\x00\x00\x05'


def messages(count, size=10):
    return [TimedMessage(number, 'topic', bytes(size)) for number in range(count)]


def test_reading_ahead_keeps_the_order_and_ends():
    with ReadAhead(messages(500)) as ahead:
        ahead.wait_for_first()
        assert [message.time_ns for message in ahead] == list(range(500))
        assert list(ahead) == []


def test_reading_ahead_of_nothing_ends():
    with ReadAhead([]) as ahead:
        ahead.wait_for_first()
        assert list(ahead) == []


def test_no_more_is_read_than_fits():
    read = []

    def source():
        for message in messages(100):
            read.append(message)
            yield message

    with ReadAhead(source(), limit_bytes=50) as ahead:
        iterator = iter(ahead)
        for number in range(100):
            assert next(iterator).time_ns == number
            assert len(read) <= number + 8
    assert len(read) == 100


def test_leaving_early_ends_the_reader():
    with ReadAhead(iter(messages(10**6)), limit_bytes=100) as ahead:
        next(iter(ahead))
    assert not [thread for thread in threading.enumerate() if thread.name == 'read-ahead']


def test_a_failure_comes_after_what_was_read_before_it():
    def damaged():
        yield from messages(3)
        raise RecordingError('cut short')

    with ReadAhead(damaged()) as ahead:
        iterator = iter(ahead)
        assert [next(iterator).time_ns for _ in range(3)] == [0, 1, 2]
        with pytest.raises(RecordingError, match='cut short'):
            next(iterator)


def test_the_account_in_one_sentence():
    statistics = PlaybackStatistics(state='finished')
    statistics.published.update({'a': 3, 'b': 1})
    statistics.refused['b'] += 2
    for late_s in (0.001, 0.003):
        statistics.add_lateness(late_s)
    sentence = statistics.sentence(
        'x.mcap', {'a': '/image', 'b': '/audio'}, left_out=1, unreadable=2
    )
    assert sentence == (
        'finished: published 4 messages of x.mcap (/image 3, /audio 1, /audio 2 refused), '
        '1.00 ms late on average, 3.0 ms at most; 1 topics left out; '
        '2 records could not be read'
    )
