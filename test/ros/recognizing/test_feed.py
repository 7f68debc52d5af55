"""What a stream of the node decodes is what training reads from a recording of it, to the pixel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode

from activity_recognition.bags import RecordingReader, RecordingWriter
from activity_recognition.config import RecognizerConfig, SyncConfig, TopicsConfig
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.ros.recognizing.filters import RawMessage
from activity_recognition.ros.recognizing.stream_inputs import StreamInputs
from activity_recognition.sensors import Role
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.types import NANOSECONDS, Frame
from factories.networks import TINY

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

START_NS = 1_700_000_000 * NANOSECONDS


@pytest.fixture
def node():
    context = Context()
    context.init(args=[])
    node = LifecycleNode('fed', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize('image', ['jpeg', 'raw'])
@pytest.mark.parametrize('side_px', [128, 600])
def test_a_large_camera_looks_the_same_to_the_node_and_to_training(node, tmp_path, image, side_px):
    down, right = np.mgrid[:1080, :1920]
    picture = (np.stack((right * 3, down * 5, (right + down) * 7), axis=-1) % 256).astype(np.uint8)
    with RecordingWriter(tmp_path / 'bag', start_ns=START_NS, image=image) as writer:
        writer.write(Frame(stamp_ns=START_NS, arrival_ns=START_NS, image=picture))
    model = dataclasses.replace(TINY, video=dataclasses.replace(TINY.video, input_size_px=side_px))
    feed = StreamInputs(node, RecognizerConfig(), model, '')
    [decoder] = [item.decoder for item in feed.inputs.each if item.role is Role.IMAGE]
    live = []
    decoder.registerCallback(lambda sample, _: live.append(sample))
    with RecordingReader(tmp_path / 'bag') as reader:
        for record in reader.records([reader.roles.image]):
            decoder.add(RawMessage(record.type_name, record.cdr, record.record_ns, 0.0))
    feed.inputs.close()
    [frame] = live
    [segment] = preprocess_recording(tmp_path / 'bag', model, SyncConfig()).segments
    np.testing.assert_array_equal(segment.arrays['frames'], [resize_frame(frame, side_px)])


@pytest.mark.real
@pytest.mark.parametrize(
    ('choice', 'level', 'problem'),
    [
        ('mean', 1 / 6, 'mean of 6 channels'),
        ('0', 1.0, ''),
        ('auto', 1.0, ''),
        ('auto-0', 0, 'microphones are silent'),
    ],
)
def test_a_microphone_array_is_heard_as_it_is_set(node, shared_case, choice, level, problem):
    config = RecognizerConfig(topics=TopicsConfig(audio_channels=choice))
    feed = StreamInputs(node, config, TINY, '')
    decoders = {item.role: item.decoder for item in feed.inputs.each}
    chunks = []
    decoders[Role.AUDIO].registerCallback(lambda sample, _: chunks.append(sample))
    with RecordingReader(shared_case('six_channels') / 'six') as reader:
        roles = reader.roles.roles()
        for record in reader.records(list(roles)):
            message = RawMessage(record.type_name, record.cdr, record.record_ns, 0.0)
            decoders[roles[record.topic]].add(message)
    problems = [report.channel_problem for report in feed.inputs.reports()]
    feed.inputs.close()
    # Whole periods of all tones, away from the resampler's beginning.
    heard = np.concatenate([chunk.samples for chunk in chunks])[200:3_800]
    # Speech is 440, 1320 and 2200 Hz in this recording, the robot's loudspeaker 2000 Hz.
    step_hz = TINY.audio.sample_rate_hz / len(heard)
    spectrum = np.abs(np.fft.rfft(heard)) / len(heard) * 2
    assert spectrum[round(440 / step_hz)] == pytest.approx(0.5 * level, abs=0.01)
    loudspeaker = 0.5 / 6 if choice == 'mean' else 0.0
    assert spectrum[round(2_000 / step_hz)] == pytest.approx(loudspeaker, abs=0.01)
    assert problem in ' '.join(problems)
    assert any(problems) == bool(problem)
