"""The decoding link of the chain: what becomes of messages that give no sample."""

from __future__ import annotations

import array
import os
import time

import pytest

pytest.importorskip('rclpy')

from audio_common_msgs.msg import AudioDataStamped
from rclpy.context import Context
from rclpy.node import Node
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from activity_recognition.config import SyncConfig
from activity_recognition.ros.executor_choice import CHOICE_VARIABLE, make_executor
from activity_recognition.ros.qos import profile
from activity_recognition.ros.recognizing.filters import (
    Decoder,
    RawMessage,
    RawSubscriber,
    SynchronizerFilter,
)
from activity_recognition.sensors import AudioFormat, DecoderSettings, Role, SensorDecoders
from activity_recognition.streams import DropReason, WindowSynchronizer
from activity_recognition.types import Modality
from factories.timing import PATIENCE_S

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

START_NS = 1_700_000_000_000_000_000
STEP_NS = 20_000_000


def sound(stamp_ns: int, data: bytes = bytes(640)) -> RawMessage:
    """A chunk of 20 ms, as a subscription hands it over."""
    message = AudioDataStamped()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.audio.data = array.array('B', data)
    cdr = serialize_message(message)
    return RawMessage('audio_common_msgs/msg/AudioDataStamped', cdr, START_NS, 0.0)


def test_late_sound_is_counted_as_late_and_not_as_unreadable():
    synchronizer, failures = WindowSynchronizer(SyncConfig()), []
    decoder = Decoder(
        Role.AUDIO,
        SensorDecoders(DecoderSettings(audio_format=AudioFormat())),
        synchronizer,
        lambda _, error: failures.append(error),
    )
    decoder.registerCallback(lambda sample, _: synchronizer.push(sample))
    for index in range(50):
        decoder.add(sound(START_NS + index * STEP_NS))
    newest_ns = START_NS + 49 * STEP_NS
    decoder.add(sound(newest_ns))
    decoder.add(sound(newest_ns - STEP_NS))
    decoder.add(sound(newest_ns - 25 * STEP_NS))
    assert not failures
    assert decoder.drops.total == 0
    decoder.add(sound(newest_ns + STEP_NS, data=bytes(7)))
    assert len(failures) == decoder.drops.total == 1
    counters = synchronizer.counters[Modality.AUDIO]
    assert (counters.received, counters.admitted) == (54, 50)
    assert {reason: count for reason, count in counters.dropped.items() if count} == {
        DropReason.DUPLICATE: 1,
        DropReason.OUT_OF_ORDER: 2,
        DropReason.UNREADABLE: 1,
    }


def test_a_minute_in_one_message_is_no_more_than_what_may_wait():
    synchronizer = WindowSynchronizer(SyncConfig(queue_audio_s=4.0))
    sink = SynchronizerFilter(synchronizer)
    decoder = Decoder(
        Role.AUDIO,
        SensorDecoders(DecoderSettings(audio_format=AudioFormat())),
        synchronizer,
        lambda *_: None,
    )
    sink.connectInput(decoder)
    decoder.add(sound(START_NS, data=bytes(60 * 32_000)))
    [window] = sink.take()
    assert [len(sample.samples) for sample in window.samples] == [16_000] * 4
    assert window.samples[-1].end_ns == START_NS + 60 * 10**9
    decoder.add(sound(START_NS + 60 * 10**9))
    assert len(sink.take()[0].samples) == 1
    counters = synchronizer.counters[Modality.AUDIO]
    assert (counters.received, counters.dropped[DropReason.OVERLOAD]) == (61, 56)


def test_ten_minutes_in_one_message_are_a_counted_drop():
    synchronizer, failures = WindowSynchronizer(SyncConfig()), []
    decoder = Decoder(
        Role.AUDIO,
        SensorDecoders(DecoderSettings(audio_format=AudioFormat())),
        synchronizer,
        lambda _, error: failures.append(str(error)),
    )
    decoder.registerCallback(lambda sample, _: synchronizer.push(sample))
    decoder.add(sound(START_NS, data=bytes(600 * 32_000)))
    decoder.add(sound(START_NS + STEP_NS))
    assert len(failures) == 1
    assert 'one message holds 600.0 s of 1 channel(s)' in failures[0]
    counters = synchronizer.counters[Modality.AUDIO]
    assert (counters.received, counters.admitted) == (2, 1)


@pytest.mark.parametrize('choice', ['single', 'events'])
def test_what_a_queue_overwrites_is_counted_by_either_executor(choice, monkeypatch):
    monkeypatch.setenv(CHOICE_VARIABLE, choice)
    context = Context()
    context.init(args=[])
    executor = make_executor(context)
    node = Node('subscriber', namespace=f'/queue_{os.getpid()}_{choice}', context=context)
    executor.add_node(node)
    subscriber, got = RawSubscriber(node), []
    subscriber.registerCallback(got.append)
    subscriber.gaps.note_publishers(1)
    publisher = node.create_publisher(String, 'words', profile(100))
    subscriber.subscribe(String, 'std_msgs/msg/String', 'words', profile(5))

    def spin_until(text: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not got or got[-1].cdr != serialize_message(String(data=text)):
            assert time.monotonic() < deadline_s
            executor.spin_once(timeout_sec=0.05)

    try:
        while not publisher.get_subscription_count():
            executor.spin_once(timeout_sec=0.05)
        publisher.publish(String(data='first'))
        spin_until('first')
        for number in range(20):
            publisher.publish(String(data=str(number)))
        spin_until('19')
        assert subscriber.gaps.missed == 21 - len(got) > 0
    finally:
        node.destroy_node()
        executor.shutdown()
        context.try_shutdown()
