"""Links of the chain from a buffer to a window: stamps, entry times, filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from rclpy.serialization import serialize_message

from activity_recognition.config import SyncConfig
from activity_recognition.errors import DecodeError
from activity_recognition.ros.recognizing import message_filters_stand_in
from activity_recognition.ros.recognizing.filters import EntryTimes, SynchronizerFilter
from activity_recognition.sensors.cdr_stamps import read_stamp
from activity_recognition.streams import WindowSynchronizer
from activity_recognition.types import NANOSECONDS as SECOND
from activity_recognition.types import Window
from factories.timed import frame, words

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@given(st.integers(0, 2**31 - 1), st.integers(0, SECOND - 1), st.booleans())
def test_a_stamp_is_read_from_the_buffer_of_a_message(seconds, nanoseconds, little):
    order = 'little' if little else 'big'
    head = bytes([0, int(little), 0, 0])
    buffer = head + seconds.to_bytes(4, order) + nanoseconds.to_bytes(4, order) + b'rest'
    assert read_stamp(buffer) == seconds * SECOND + nanoseconds
    with pytest.raises(DecodeError, match='header'):
        read_stamp(buffer[:11])


def test_a_real_message_has_its_stamp_where_it_is_looked_for():
    from sensor_msgs.msg import CompressedImage, Image

    for cls in (Image, CompressedImage):
        message = cls()
        message.header.stamp.sec, message.header.stamp.nanosec = 1_700_000_000, 123
        assert read_stamp(serialize_message(message)) == 1_700_000_000 * SECOND + 123


def test_entry_times_are_those_of_the_newest_arrival_not_later():
    entries = EntryTimes()
    for arrival, entry in ((10, 1.0), (20, 2.0), (30, 3.0)):
        entries.note(arrival, entry)
    assert entries.find(9) is None
    assert entries.find(21) == 2.0
    assert entries.find(21) is None
    entries.note(5, 4.0)  # time went back
    assert entries.find(30) == 4.0


def simple_filters():
    real = pytest.importorskip('message_filters', reason='message_filters is not installed here')
    return real.SimpleFilter(), message_filters_stand_in.SimpleFilter()


def test_the_stand_in_behaves_like_message_filters():
    logs = []
    for one in simple_filters():
        log = []
        numbers = [one.registerCallback(lambda *a, log=log: log.append(a), n) for n in 'ab']
        one.signalMessage('x', 'y')
        logs.append((numbers, log))
    assert logs[0] == logs[1] == ([0, 1], [('x', 'y', 'a'), ('x', 'y', 'b')])


def test_the_chain_is_made_of_message_filters_where_they_are_installed():
    real, _ = simple_filters()
    assert issubclass(SynchronizerFilter, type(real))


def test_only_frames_that_were_admitted_put_the_timer_off():
    source = SynchronizerFilter(WindowSynchronizer(SyncConfig()))
    told = []
    source.call_after_trigger(lambda: told.append(True))
    for sample in (frame(100.0), frame(100.0), frame(0.0), words(0.0, 1000.0), frame(200.0)):
        source.add(sample, 0.0)
    assert len(told) == 2


def test_windows_reach_every_callback_of_the_synchroniser_filter():
    synchronizer = WindowSynchronizer(SyncConfig())
    source = SynchronizerFilter(synchronizer)
    windows, ready = [], []
    source.call_when_ready(lambda: ready.append(1))
    source.registerCallback(windows.append)
    head = message_filters_stand_in.SimpleFilter()
    source.connectInput(head)
    head.signalMessage(frame(100.0), 0.0)
    for window in source.take():
        source.signalMessage(window)
    assert [type(window) for window in windows] == [Window]
    assert ready
