"""What arrives, stays away, comes late, broken or again: the node lives and loses nothing good."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from factories.timing import PATIENCE_S

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

SECOND = 1_000_000_000


def test_every_modality_may_be_absent_come_stop_and_come_back(world, seen):
    world.recognize()
    activities = world.activities()
    world.spin_until(lambda: activities)
    assert activities[-1].status == activities[-1].STATUS_NO_DATA
    assert math.isnan(activities[-1].evidence[0].age_s)

    timers = {}
    sources = {
        'video': (0.05, world.camera(), world.image),
        'audio': (0.04, world.microphone(), world.sound),
        'text': (0.5, world.speech(), world.words),
    }

    def begin(modality):
        timers[modality] = world.every(*sources[modality])

    def sees(*modalities):
        world.spin_until(lambda: seen(activities[-1]) == set(modalities))

    begin('audio')
    sees('audio')
    begin('text')
    sees('audio', 'text')
    begin('video')
    sees('audio', 'text', 'video')
    timers['audio'].cancel()
    sees('text', 'video')
    begin('audio')
    sees('audio', 'text', 'video')
    timers['video'].cancel()
    sees('audio', 'text')
    timers['audio'].cancel()
    timers['text'].cancel()
    sees()
    world.spin_until(lambda: activities[-1].status == activities[-1].STATUS_NO_DATA)
    begin('video')
    sees('video')


def test_a_decision_carries_the_cameras_time_and_honest_ages(world):
    world.recognize()
    activities, camera = world.activities(), world.camera()
    shown = set()

    def show():
        message = world.image()
        shown.add((message.header.stamp.sec, message.header.stamp.nanosec))
        return message

    world.every(0.1, camera, show)
    world.spin_until(lambda: sum(bool(message.scores) for message in activities) > 10)
    decided = [m for m in activities if m.scores]
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in decided]
    assert stamps == sorted(set(stamps))
    for message in (m for m, stamp in zip(decided, stamps, strict=True) if stamp in shown):
        assert message.header.frame_id == 'camera'
        assert message.evidence[0].age_s == 0.0
        assert 0 < message.processing_s <= message.latency_s + 0.001
        assert message.window_start.sec <= message.header.stamp.sec
        probabilities = [score.probability for score in message.scores]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-5)
        assert {score.class_id for score in message.scores} == {0, 1, 2, 3}
    assert set(stamps) & shown


def test_late_and_repeated_messages_are_dropped_and_counted(world):
    world.recognize(sync__queue_frames=1000)
    diagnoses, camera, microphone = world.diagnoses(), world.camera(), world.microphone()
    start = world.now_ns()
    for offset in (0, 100, 50, 100, 200):
        world.deliver(camera, world.image(start + offset * 1_000_000))
    for offset in (0, 40, 40, 80, 0, 120):
        world.deliver(microphone, world.sound(start + offset * 1_000_000))
    world.spin_until(lambda: diagnoses.value('image', 'received') == '5')
    world.spin_until(lambda: diagnoses.value('audio', 'received') == '6')
    assert diagnoses.value('image', 'dropped: out_of_order') == '1'
    assert diagnoses.value('image', 'dropped: duplicate') == '1'
    world.spin_until(lambda: diagnoses.value('image', 'used') == '3')
    world.spin_until(lambda: diagnoses.value('audio', 'used') == '4')
    assert diagnoses.value('engine', 'time jumps') == '0'


def test_a_recording_that_begins_anew_resets_and_goes_on(world, seen):
    world.recognize()
    activities, diagnoses = world.activities(), world.diagnoses()
    camera, microphone = world.camera(), world.microphone()
    start = world.now_ns() - 60 * SECOND
    for lap in range(3):
        activities.clear()
        for step in range(30):
            stamp = start + step * SECOND // 10
            world.deliver(microphone, world.sound(stamp))
            world.deliver(camera, world.image(stamp))
        world.spin_until(lambda: any(seen(m) == {'video', 'audio'} for m in activities))
        jumps = str(lap)
        world.spin_until(lambda jumps=jumps: diagnoses.value('engine', 'time jumps') == jumps)
    assert diagnoses.says('engine', 'time jumped')


def test_broken_buffers_are_counted_and_told_and_good_ones_still_used(world):
    world.recognize()
    activities, diagnoses = world.activities(), world.diagnoses()
    camera, microphone, speech = world.camera(), world.microphone(), world.speech()
    broken = (b'\x00\x01\x00\x00', bytes(20), b'\x00\x01\x00\x00' + b'\xff' * 200)
    for publisher in (camera, microphone, speech):
        for buffer in broken:
            world.deliver(publisher, buffer)
    for part in ('image', 'audio', 'transcript'):
        world.spin_until(lambda part=part: diagnoses.value(part, 'received') == '3')
        world.spin_until(lambda part=part: diagnoses.says(part, 'could not be used'))
    assert diagnoses.value('image', 'dropped: unreadable') == '3'
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(m.scores for m in activities))
    assert diagnoses.value('engine', 'errors') == '0'


def test_an_image_without_pixels_and_one_that_lies_about_its_size_are_refused(world):
    world.recognize()
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    camera.publish(world.image(width=0, height=0))
    lying = world.image()
    lying.height = 480
    camera.publish(lying)
    unknown = world.image()
    unknown.encoding = 'h264'
    camera.publish(unknown)
    world.spin_until(lambda: diagnoses.value('image', 'dropped: unreadable') == '3')
    world.spin_until(lambda: diagnoses.says('image', 'h264'))
    camera.publish(world.image())
    world.spin_until(lambda: any(m.scores for m in activities))


def test_sound_that_is_no_number_is_refused(world, seen):
    world.recognize(topics__audio_sample_format='F32LE')
    activities, diagnoses, microphone = world.activities(), world.diagnoses(), world.microphone()
    nan = np.full(640, np.nan, np.float32).tobytes()
    microphone.publish(world.sound(data=nan))
    world.spin_until(lambda: diagnoses.says('audio', 'NaN'))
    quiet = np.zeros(640, np.float32).tobytes()
    world.every(0.04, microphone, lambda: world.sound(data=quiet))
    world.spin_until(lambda: any(seen(m) == {'audio'} for m in activities))


def test_sound_without_an_audio_info_is_refused_and_told_until_one_comes(world, seen):
    from audio_common_msgs.msg import AudioInfo

    world.recognize(topics__audio_sample_format='')
    activities, diagnoses, microphone = world.activities(), world.diagnoses(), world.microphone()
    world.deliver(microphone, world.sound())
    world.spin_until(lambda: diagnoses.says('audio', 'state the format in audio_sample_format'))
    assert diagnoses.value('audio', 'unreadable: audio info') == '1'
    world.spin_until(lambda: diagnoses.says('audio_info', 'nothing says in what format'))
    assert diagnoses.says('audio_info', 'set topics.audio_sample_format, audio_sample_rate_hz')
    driver = world.matched(world.advertise('audio_info', AudioInfo, latched=True))
    driver.publish(
        AudioInfo(channels=1, sample_rate=16000, sample_format='S16LE', coding_format='wave')
    )
    world.spin_until(lambda: diagnoses.value('audio_info', 'received') == '1')
    world.every(0.04, microphone, world.sound)
    world.spin_until(lambda: any(seen(m) == {'audio'} for m in activities))
    diagnoses.forget()
    world.spin_until(lambda: diagnoses.status('audio_info'))
    assert diagnoses.status('audio_info').level == b'\x00'


def test_audio_info_decides_and_coded_audio_is_refused_in_words(world, seen):
    from audio_common_msgs.msg import AudioInfo

    world.recognize()
    activities, diagnoses, microphone = world.activities(), world.diagnoses(), world.microphone()
    driver = world.matched(world.advertise('audio_info', AudioInfo, latched=True))
    info = AudioInfo(
        channels=1, sample_rate=16000, sample_format='S16LE', bitrate=0, coding_format='mp3'
    )
    driver.publish(info)
    world.spin_until(lambda: diagnoses.value('audio_info', 'received') == '1')
    world.every(0.04, microphone, world.sound)
    world.spin_until(lambda: diagnoses.says('audio', 'format to wave'))
    info.coding_format = 'wave'
    driver.publish(info)
    world.spin_until(lambda: any(seen(m) == {'audio'} for m in activities))


def test_overload_drops_the_oldest_and_says_so_while_the_engine_is_stuck(world, monkeypatch):
    from activity_recognition.inference import MultiStreamEngine

    free = threading.Event()
    free.set()
    apply = MultiStreamEngine.apply

    def when_free(self, window):
        assert free.wait(PATIENCE_S)
        return apply(self, window)

    monkeypatch.setattr(MultiStreamEngine, 'apply', when_free)
    world.recognize(sync__queue_frames=4)
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    world.every(0.02, camera, world.image)
    world.spin_until(lambda: any(m.scores for m in activities))
    free.clear()
    try:
        world.spin_until(lambda: diagnoses.says('engine', 'in one step for'))
        world.spin_until(lambda: diagnoses.says('engine', 'overload'))
    finally:
        stuck_until = world.now_ns()
        free.set()
    activities.clear()
    assert int(diagnoses.value('image', 'dropped: overload')) > 0
    world.spin_until(lambda: len(activities) > 3)
    # Of what had waited only the newest was decided on, so latency does not stay.
    stamps = [m.header.stamp.sec * SECOND + m.header.stamp.nanosec for m in activities]
    assert sum(stamp < stuck_until - SECOND // 2 for stamp in stamps) <= 1
    status = diagnoses.status('image')
    values = {value.key: value.value for value in status.values}
    dropped = sum(int(v) for key, v in values.items() if key.startswith('dropped'))
    assert int(values['received']) == int(values['used']) + int(values['waiting']) + dropped


def test_an_error_of_the_engine_costs_one_step_and_is_told(world, monkeypatch):
    from activity_recognition.inference import MultiStreamEngine

    world.recognize()
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(m.scores for m in activities))
    with monkeypatch.context() as patch:

        def fail(self, window):
            raise RuntimeError('the device is on fire')

        patch.setattr(MultiStreamEngine, 'apply', fail)
        world.spin_until(lambda: diagnoses.says('engine', 'the device is on fire'))
    activities.clear()
    world.spin_until(lambda: any(m.scores for m in activities))
    assert int(diagnoses.value('engine', 'errors')) > 0


def test_frames_above_the_rate_are_skipped_before_they_are_decoded(world, monkeypatch):
    from activity_recognition.sensors import SensorDecoders

    decoded = []
    decode = SensorDecoders.decode

    def counting(self, role, *rest):
        decoded.append(role)
        return decode(self, role, *rest)

    monkeypatch.setattr(SensorDecoders, 'decode', counting)
    world.recognize(sync__max_frame_rate_hz=10.0)
    diagnoses, camera = world.diagnoses(), world.camera()
    start = world.now_ns()
    for step in range(60):
        world.deliver(camera, world.image(start + step * SECOND // 60))
    world.spin_until(lambda: diagnoses.value('image', 'received') == '60')
    skipped = int(diagnoses.value('image', 'dropped: rate'))
    assert len(decoded) == 60 - skipped
    assert 9 <= len(decoded) <= 12


def test_a_sensor_clock_that_is_ahead_is_told(world):
    world.recognize()
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    world.every(0.05, camera, lambda: world.image(world.now_ns() + 5 * SECOND))
    world.spin_until(lambda: any(m.latency_s < 0 for m in activities))
    world.spin_until(lambda: diagnoses.says('engine', 'negative latency'))


def test_messages_without_a_stamp_take_their_arrival(world, seen):
    world.recognize()
    activities, camera = world.activities(), world.camera()
    world.every(0.05, camera, lambda: world.image(0))
    world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))
    assert abs(activities[-1].header.stamp.sec - world.now_ns() // SECOND) < 30
