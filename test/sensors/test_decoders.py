"""The composition that the node and the recordings share, and counting what it refuses."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import DecodeError
from activity_recognition.sensors import (
    AudioFormat,
    DecoderSettings,
    Drops,
    Role,
    SensorDecoders,
)
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.types import AudioChunk, Frame, Modality, Utterance

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
AUDIO = 'audio_common_msgs/msg/AudioDataStamped'
INFO = 'audio_common_msgs/msg/AudioInfo'
STRING = 'std_msgs/msg/String'


def audio_cdr(sender, samples, stamp_ns):
    data = np.frombuffer(samples.tobytes(), np.uint8)
    audio = sender.make('audio_common_msgs/msg/AudioData', data=data)
    return sender.cdr(sender.make(AUDIO, header=(stamp_ns, 'mic'), audio=audio))


def info_cdr(sender, rate_hz):
    return sender.cdr(
        sender.make(
            INFO,
            channels=1,
            sample_rate=rate_hz,
            sample_format='S16LE',
            bitrate=0,
            coding_format='wave',
        )
    )


def test_every_role_gives_its_sample(image_cdr, ros_drivers, publisher):
    decoders = SensorDecoders()
    frame = decoders.decode('image', IMAGE, image_cdr('rgb8', np.zeros((1, 3), np.uint8), 1, 1), 1)
    assert isinstance(frame, Frame)
    assert decoders.decode(Role.AUDIO_INFO, INFO, info_cdr(ros_drivers, 8_000), 2) is None
    chunk = decoders.decode('audio', AUDIO, audio_cdr(ros_drivers, np.zeros(800, '<i2'), 7), 3)
    assert isinstance(chunk, AudioChunk)
    assert chunk.sample_rate_hz == 16_000
    assert 1_500 < len(chunk.samples) < 1_600
    cdr = publisher.cdr(publisher.make(STRING, data='tea'))
    assert isinstance(decoders.decode('transcript', STRING, cdr, 4), Utterance)
    empty = publisher.cdr(publisher.make(STRING, data=''))
    assert decoders.decode('transcript', STRING, empty, 5) is None
    assert decoders.health(Modality.TEXT).empty == 1


@pytest.mark.parametrize(('side_px', 'expected_px'), [(0, 360), (224, 360), (384, 720)])
def test_a_large_jpeg_is_decoded_no_smaller_than_the_network_sees(side_px, expected_px, publisher):
    done, payload = cv2.imencode('.jpg', np.zeros((720, 1280, 3), np.uint8))
    assert done
    fields = {'header': (1, 'eye'), 'format': 'jpeg', 'data': payload.reshape(-1)}
    cdr = publisher.cdr(publisher.make(COMPRESSED, **fields))
    settings = DecoderSettings(least_side_px=max(side_px, LEAST_SIDE_PX))
    frame = SensorDecoders(settings).decode('image', COMPRESSED, cdr, 1)
    assert frame.image.shape[0] == expected_px


def test_the_configured_field_and_fallback_are_used(ros_drivers, portaudio):
    decoders = SensorDecoders(DecoderSettings(audio_format=AudioFormat(sample_rate_hz=16_000)))
    chunk = decoders.decode('audio', AUDIO, audio_cdr(ros_drivers, np.zeros(80, '<i2'), 7), 3)
    assert len(chunk.samples) == 80
    decoders = SensorDecoders(DecoderSettings(transcript_field='dta'))
    with pytest.raises(DecodeError, match="did you mean 'data'"):
        decoders.decode('transcript', STRING, b'\0\1\0\0\1\0\0\0\0', 1)


@pytest.mark.parametrize(
    ('role', 'type_name'), [('image', STRING), ('audio', STRING), ('audio_info', STRING)]
)
def test_a_topic_of_another_type_is_refused(role, type_name, publisher):
    cdr = publisher.cdr(publisher.make(STRING, data='tea'))
    with pytest.raises(DecodeError, match=f'{role} topic type'):
        SensorDecoders().decode(role, type_name, cdr, 1)


@pytest.fixture(scope='module')
def valid_buffers(image_cdr, publisher, ros_drivers, portaudio):
    """Return (role, type, buffer) of every type that is decoded."""
    empty = {f'{name}_data': np.zeros(0, name) for name in ('float32', 'int32', 'int8', 'uint8')}
    carried = portaudio.make(
        'audio_common_msgs/msg/AudioStamped',
        header=(7, 'mic'),
        audio=portaudio.make(
            'audio_common_msgs/msg/Audio',
            audio_data=portaudio.make(
                'audio_common_msgs/msg/AudioData', int16_data=np.zeros(800, np.int16), **empty
            ),
            info=portaudio.make(
                'audio_common_msgs/msg/AudioInfo', format=8, channels=2, rate=48_000, chunk=400
            ),
        ),
    )
    compressed = publisher.make(
        'sensor_msgs/msg/CompressedImage',
        header=(7, 'eye'),
        format='jpeg',
        data=cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].reshape(-1),
    )
    return [
        ('image', IMAGE, image_cdr('bgr8', np.zeros((4, 12), np.uint8), 4, 4)),
        ('image', compressed.__msgtype__, publisher.cdr(compressed)),
        ('audio', AUDIO, audio_cdr(ros_drivers, np.zeros(40, '<i2'), 7)),
        ('audio', carried.__msgtype__, portaudio.cdr(carried)),
        ('audio_info', INFO, info_cdr(ros_drivers, 8_000)),
        ('transcript', STRING, publisher.cdr(publisher.make(STRING, data='tea, please'))),
    ]


@settings(max_examples=50)
@given(
    which=st.integers(0, 5),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5),
    cut=st.integers(0, 30),
)
def test_damaged_buffers_give_a_sample_or_a_decode_error(valid_buffers, which, flips, cut):
    role, type_name, cdr = valid_buffers[which]
    decoders = SensorDecoders(DecoderSettings(audio_format=AudioFormat()))
    assert decoders.decode(role, type_name, cdr, 1) is not None or role == 'audio_info'
    damaged = bytearray(cdr)
    for position, value in flips:
        damaged[position % len(damaged)] = value
    damaged = bytes(damaged[: len(damaged) - cut])
    reason = ''
    try:
        sample = decoders.decode(role, type_name, damaged, 2)
    except DecodeError as error:
        sample, reason = None, str(error)
    assert not reason or ': ' in reason, 'drops are counted by the words before the colon'
    assert sample is None or isinstance(sample, SAMPLE_OF_ROLE[role])
    if damaged == bytes(cdr) and role != 'audio':  # sound that comes again is refused
        assert not reason


SAMPLE_OF_ROLE = {
    'image': Frame,
    'audio': AudioChunk,
    'audio_info': (),
    'transcript': Utterance,
}


@pytest.mark.parametrize('cut', [1, 2, 5, 30])
@pytest.mark.parametrize('which', range(6))
def test_a_buffer_that_lost_its_end_is_a_decode_error(valid_buffers, which, cut):
    role, type_name, cdr = valid_buffers[which]
    decoders = SensorDecoders(DecoderSettings(audio_format=AudioFormat()))
    with pytest.raises(DecodeError):
        decoders.decode(role, type_name, cdr[:-cut], 2)


def test_an_endless_transcript_is_refused_unread():
    with pytest.raises(DecodeError, match='transcript length'):
        SensorDecoders().decode('transcript', STRING, bytes(2 << 20), 1)


def test_drops_are_counted_by_reason_with_an_example(image_cdr):
    decoders, drops = SensorDecoders(), Drops()
    good = image_cdr('rgb8', np.zeros((1, 3), np.uint8), 1, 1)
    for cdr in (
        image_cdr('32FC1', np.zeros((1, 4), np.uint8), 1, 1),
        image_cdr('32FC2', np.zeros((1, 8), np.uint8), 1, 1),
        image_cdr('rgb8', np.zeros((1, 3), np.uint8), 2, 1),
        good[:-1],
        good[:11],
    ):
        with pytest.raises(DecodeError) as caught:
            decoders.decode('image', IMAGE, cdr, 1)
        drops.add(caught.value)
    assert drops.counts == {'image encoding': 2, 'image data length': 1, 'broken buffer': 2}
    assert drops.total == 5
    assert '32FC1' in drops.examples['image encoding']
    assert decoders.decode('image', IMAGE, good, 1) is not None


def test_a_frame_id_that_every_decision_would_carry_is_bounded(image_cdr, ros_drivers):
    """Ten megabytes in one header; and the message that is refused leaves the sound as it was."""
    decoders = SensorDecoders(DecoderSettings(audio_format=AudioFormat(sample_rate_hz=16_000)))
    pixel = np.zeros((1, 3), np.uint8)
    for length in (1_025, 10_000_000):
        cdr = image_cdr('rgb8', pixel, 1, 1, header=(1, 'f' * length))
        with pytest.raises(DecodeError, match=f'^header frame_id: .*got {length};') as caught:
            decoders.decode('image', IMAGE, cdr, 1)
        assert len(str(caught.value)) < 300
    longest = image_cdr('rgb8', pixel, 1, 1, header=(1, 'f' * 1_024))
    assert decoders.decode('image', IMAGE, longest, 1).frame_id == 'f' * 1_024

    def sound(stamp_ns, frame_id):
        data = np.zeros(1_600, np.uint8)
        audio = ros_drivers.make('audio_common_msgs/msg/AudioData', data=data)
        message = ros_drivers.make(AUDIO, header=(stamp_ns, frame_id), audio=audio)
        return decoders.decode('audio', AUDIO, ros_drivers.cdr(message), stamp_ns)

    first = sound(10**9, 'mic')
    with pytest.raises(DecodeError, match=r'^header frame_id: '):
        sound(first.end_ns, 'f' * 2_000)
    assert sound(first.end_ns, 'mic').stamp_ns == first.end_ns
