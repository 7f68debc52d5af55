"""One node that serves several streams, over real DDS."""

from __future__ import annotations

import math

import pytest

pytest.importorskip('rclpy')

from activity_recognition.config import RecognizerConfig
from activity_recognition.errors import ConfigError

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

STREAMS = ['kitchen', 'hall']


def activities_of(world, stream):
    from activity_recognition.msg import ActivityStamped

    return world.hear(f'{stream}/activity', ActivityStamped)


def test_each_stream_answers_on_its_own_and_one_that_falls_silent_silences_nobody(world, seen):
    from audio_common_msgs.msg import AudioDataStamped

    node = world.recognize(streams=STREAMS)
    heard = {stream: activities_of(world, stream) for stream in STREAMS}
    diagnoses = world.diagnoses()
    cameras = {s: world.camera(f'{s}/image') for s in STREAMS}
    microphone = world.matched(world.advertise('hall/audio', AudioDataStamped))

    def picture(stream):
        message = world.image()
        message.header.frame_id = f'{stream}_camera'
        return message

    timers = {s: world.every(0.05, cameras[s], lambda stream=s: picture(stream)) for s in STREAMS}
    world.every(0.04, microphone, world.sound)
    world.spin_until(lambda: any(seen(m) == {'video'} for m in heard['kitchen']))
    world.spin_until(lambda: any(seen(m) == {'video', 'audio'} for m in heard['hall']))
    for stream, messages in heard.items():
        frames = {m.header.frame_id for m in messages if 'video' in seen(m)}
        assert frames <= {f'{stream}_camera', 'microphone'}
        assert f'{stream}_camera' in frames
    assert not any('audio' in seen(m) for m in heard['kitchen'])

    timers['kitchen'].cancel()
    world.spin_until(lambda: heard['kitchen'][-1].status == heard['kitchen'][-1].STATUS_NO_DATA)
    assert not math.isnan(heard['kitchen'][-1].evidence[0].age_s)
    heard['hall'].clear()
    world.spin_until(lambda: sum(seen(m) == {'video', 'audio'} for m in heard['hall']) > 5)
    world.spin_until(lambda: diagnoses.says('kitchen image', 'but no message for'))
    assert not diagnoses.says('hall image', 'but no message for')
    assert int(diagnoses.value('hall engine', 'decisions')) > 5
    assert diagnoses.value('hall engine', 'errors') == '0'

    timers['kitchen'] = world.every(0.05, cameras['kitchen'], lambda: picture('kitchen'))
    heard['kitchen'].clear()
    world.spin_until(lambda: any(seen(m) == {'video'} for m in heard['kitchen']))
    world.there(node.trigger_deactivate)
    for messages in heard.values():
        world.spin_until(lambda said=messages: said[-1].status == said[-1].STATUS_NO_DATA)


def test_a_clock_that_jumps_in_one_stream_resets_that_one_alone(world, seen):
    world.recognize(streams=STREAMS)
    heard, diagnoses = activities_of(world, 'hall'), world.diagnoses()
    cameras = {s: world.camera(f'{s}/image') for s in STREAMS}
    world.every(0.05, cameras['hall'], world.image)
    start = world.now_ns() - 60_000_000_000
    for lap in range(2):
        for step in range(30):
            world.deliver(cameras['kitchen'], world.image(start + step * 100_000_000))
        world.spin_until(
            lambda lap=lap: diagnoses.value('kitchen engine', 'time jumps') == f'{lap}'
        )
    assert diagnoses.value('hall engine', 'time jumps') == '0'
    before = len(heard)
    world.spin_until(lambda: any('video' in seen(m) for m in heard[before:]))
    assert all('video' in seen(m) for m in heard[before:])


def test_names_of_streams_can_be_remapped(world):
    there = ['--ros-args', '-r', 'kitchen/image:=front/image', '-r', 'kitchen/activity:=doing']
    world.recognize(streams=['kitchen'], cli_args=there)
    camera = world.camera('front/image')
    world.every(0.05, camera, world.image)
    from activity_recognition.msg import ActivityStamped

    heard = world.hear('doing', ActivityStamped)
    world.spin_until(lambda: any(m.scores for m in heard))


@pytest.mark.parametrize(
    ('streams', 'words'),
    [
        (('a b',), "streams: expected names as in topics.*'a b'"),
        (('a', 'a'), 'streams: expected different names'),
        (('',), 'streams: expected names'),
    ],
)
def test_names_that_cannot_be_topics_are_refused(streams, words):
    with pytest.raises(ConfigError, match=words):
        RecognizerConfig(streams=streams)


def test_one_trace_is_of_one_stream():
    assert RecognizerConfig(streams=('a',), trace='t').trace == 't'
    with pytest.raises(ConfigError, match='trace: expected one stream, got 2'):
        RecognizerConfig(streams=('a', 'b'), trace='t')


def test_streams_of_another_type_are_refused_in_words(world):
    node = world.make_recognizer(streams=7)
    world.there(node.trigger_configure)
    assert 'streams' in str(node.failure)
