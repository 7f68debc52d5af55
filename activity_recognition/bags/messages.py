"""Samples -> the ROS messages a recording holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from activity_recognition.errors import RecordingError
from activity_recognition.modalities import ROLE_SPEC, SPEC, Role
from activity_recognition.sensors.cdr import MessageType, TypeRegistry, full_type_name
from activity_recognition.sensors.keypoints import KEY_POINTS_TYPE
from activity_recognition.types import NANOSECONDS, Chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from activity_recognition.keypoints import KeyPoints
    from activity_recognition.sensors.cdr import Message
    from activity_recognition.types import AudioChunk, Frame, InertialChunk, Sample, Utterance

IMAGE_FORMATS = ('raw', 'jpeg', 'png')
"""How images may be stored."""
TRANSCRIPT_FORMATS = ('std_msgs/msg/String', 'hri_msgs/msg/LiveSpeech')
"""Types a transcript may be stored as."""

IMU_TYPE = 'sensor_msgs/msg/Imu'
_IMAGE = 'sensor_msgs/msg/Image'
_COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
_AUDIO_DATA = 'audio_common_msgs/msg/AudioData'
_AUDIO = 'audio_common_msgs/msg/AudioDataStamped'
_AUDIO_INFO = 'audio_common_msgs/msg/AudioInfo'
_UNKNOWN = np.zeros(9)
_NO_ORIENTATION = np.array([-1.0, *[0.0] * 8])
_TIME = 'builtin_interfaces/msg/Time'
_HEADER = 'std_msgs/msg/Header'


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A serialised message and its type."""

    kind: MessageType
    cdr: memoryview


class MessageMaker:
    """Serialises samples with definitions of its own, the same on every machine."""

    def __init__(self, image_format: str, jpeg_quality: int, transcript_type: str) -> None:
        """Choose formats.

        Args:
            image_format: one of :data:`IMAGE_FORMATS`.
            jpeg_quality: 1 to 100.
            transcript_type: one of :data:`TRANSCRIPT_FORMATS`.

        Raises:
            RecordingError: for a transcript type or quality that cannot be written.
        """
        self._transcript_type = full_type_name(transcript_type)
        if self._transcript_type not in TRANSCRIPT_FORMATS:
            raise RecordingError(
                f'transcript_type must be one of {", ".join(TRANSCRIPT_FORMATS)}, '
                f'got {transcript_type!r}'
            )
        if not 1 <= jpeg_quality <= 100:
            raise RecordingError(f'jpeg_quality must lie in [1, 100], got {jpeg_quality}')
        self._image_format = image_format
        self._encoder_options = (
            [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if image_format == 'jpeg' else []
        )
        self._types = TypeRegistry(prefixes=())

    def type_of(self, role: Role) -> str:
        """Return the type of the messages that a topic of this role gets."""
        if role is Role.TRANSCRIPT:
            return self._transcript_type
        is_compressed = role is Role.IMAGE and self._image_format != 'raw'
        return _COMPRESSED_IMAGE if is_compressed else ROLE_SPEC[role].message_types[0]

    def message(self, sample: Sample) -> OutgoingMessage:
        """Return a sample as the message of its role, made by the method of that name."""
        make = getattr(self, SPEC[sample.modality].role.value)
        return cast('OutgoingMessage', make(sample))

    def messages(self, sample: Sample) -> list[OutgoingMessage]:
        """Return the messages that hold a sample: of a chunk one for each of its samples, if so."""
        if not ROLE_SPEC[SPEC[sample.modality].role].sample_per_message:
            return [self.message(sample)]
        assert isinstance(sample, Chunk)
        return [self.message(sample.cut(index, index + 1)) for index in range(len(sample.samples))]

    def description(self, role: Role, sample_rate_hz: int) -> OutgoingMessage:
        """Return the message that says what a modality's samples mean.

        Args:
            role: of a topic without samples, such as ``audio_info``.
            sample_rate_hz: of the samples.
        """
        return cast('OutgoingMessage', getattr(self, role.value)(sample_rate_hz))

    def time(self, time_ns: int) -> OutgoingMessage:
        """Return the time a recording starts or ends, builtin_interfaces/Time."""
        kind = self._types.resolve(_TIME)
        return OutgoingMessage(kind, kind.serialise(_time(kind, time_ns)))

    def image(self, frame: Frame) -> OutgoingMessage:
        """Return a frame as Image ``rgb8``, or as CompressedImage the way image_transport does.

        Of a frame with key points, these.
        """
        if frame.key_points is not None:
            return self.key_points(frame, frame.key_points)
        compressed = self._image_format != 'raw'
        kind = self._types.resolve(_COMPRESSED_IMAGE if compressed else _IMAGE)
        header = message_header(kind, frame.stamp_ns, frame.frame_id)
        if compressed:
            message = kind.new(
                kind.name,
                header=header,
                format=f'rgb8; {self._image_format} compressed bgr8',
                data=self._compress(frame),
            )
        else:
            height, width, _ = frame.image.shape
            message = kind.new(
                kind.name,
                header=header,
                height=height,
                width=width,
                encoding='rgb8',
                is_bigendian=0,
                step=3 * width,
                data=np.ascontiguousarray(frame.image).reshape(-1),
            )
        return OutgoingMessage(kind, kind.serialise(message))

    def key_points(self, frame: Frame, points: KeyPoints) -> OutgoingMessage:
        """Return the key points of a frame, activity_recognition/KeyPoints.

        Args:
            frame: says when they were seen.
            points: of the body.
        """
        kind = self._types.resolve(KEY_POINTS_TYPE)
        message = kind.new(
            kind.name,
            header=message_header(kind, frame.stamp_ns, frame.frame_id),
            width=points.width_px,
            height=points.height_px,
            names=list(points.names),
            x=np.ascontiguousarray(points.joints_px[:, 0]),
            y=np.ascontiguousarray(points.joints_px[:, 1]),
            scores=points.scores,
        )
        return OutgoingMessage(kind, kind.serialise(message))

    def audio_info(self, sample_rate_hz: int) -> OutgoingMessage:
        """Return what the audio messages mean: one channel of S16LE."""
        kind = self._types.resolve(_AUDIO_INFO)
        message = kind.new(
            kind.name,
            channels=1,
            sample_rate=sample_rate_hz,
            sample_format='S16LE',
            bitrate=16 * sample_rate_hz // 1000,
            coding_format='wave',
        )
        return OutgoingMessage(kind, kind.serialise(message))

    def audio(self, chunk: AudioChunk) -> OutgoingMessage:
        """Return a chunk as AudioDataStamped, S16LE; full scale is 32768, as when decoding."""
        kind = self._types.resolve(_AUDIO)
        pcm = np.clip(np.rint(chunk.samples * np.float32(32768)), -32768, 32767).astype('<i2')
        message = kind.new(
            kind.name,
            header=message_header(kind, chunk.stamp_ns, chunk.frame_id),
            audio=kind.new(_AUDIO_DATA, data=pcm.view(np.uint8)),
        )
        return OutgoingMessage(kind, kind.serialise(message))

    def transcript(self, utterance: Utterance) -> OutgoingMessage:
        """Return an utterance as String or LiveSpeech; a confidence of None is written as 0."""
        kind = self._types.resolve(self._transcript_type)
        if self._transcript_type == TRANSCRIPT_FORMATS[0]:
            message = kind.new(kind.name, data=utterance.text)
        else:
            message = kind.new(
                kind.name,
                header=message_header(kind, utterance.stamp_ns, utterance.frame_id),
                incremental='',
                final=utterance.text,
                confidence=utterance.confidence or 0.0,
                locale=utterance.locale,
            )
        return OutgoingMessage(kind, kind.serialise(message))

    def imu(self, chunk: InertialChunk) -> OutgoingMessage:
        """Return the one sample of a chunk as Imu."""
        kind = self._types.resolve(IMU_TYPE)
        (values,) = chunk.samples.astype(np.float64)
        return inertial_message(kind, values, chunk.stamp_ns, chunk.frame_id)

    def _compress(self, frame: Frame) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        suffix = {'jpeg': '.jpg', 'png': '.png'}[self._image_format]
        done, payload = cv2.imencode(suffix, bgr, self._encoder_options)
        if not done:
            raise RecordingError(
                f'OpenCV cannot encode an image of {frame.image.shape} as {suffix}'
            )
        return np.asarray(payload, np.uint8).reshape(-1)


def _time(kind: MessageType, time_ns: int) -> Message:
    return kind.new(_TIME, sec=time_ns // NANOSECONDS, nanosec=time_ns % NANOSECONDS)


def message_header(kind: MessageType, stamp_ns: int, frame_id: str) -> Message:
    """Return the header of a message of a type.

    Args:
        kind: the type.
        stamp_ns: its stamp.
        frame_id: coordinate frame of the sensor.
    """
    return kind.new(_HEADER, stamp=_time(kind, stamp_ns), frame_id=frame_id)


def inertial_message(
    kind: MessageType, values: NDArray[np.float64], stamp_ns: int, frame_id: str
) -> OutgoingMessage:
    """Return a measurement as Imu without orientation.

    Args:
        kind: :data:`IMU_TYPE`.
        values: (6,), acceleration with gravity, m/s², and angular velocity, rad/s.
        stamp_ns: when it was taken.
        frame_id: coordinate frame of the sensor.
    """
    acceleration, rate = (
        kind.new('geometry_msgs/msg/Vector3', x=float(x), y=float(y), z=float(z))
        for x, y, z in (values[:3], values[3:])
    )
    message = kind.new(
        kind.name,
        header=message_header(kind, stamp_ns, frame_id),
        orientation=kind.new('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=_NO_ORIENTATION,
        angular_velocity=rate,
        angular_velocity_covariance=_UNKNOWN,
        linear_acceleration=acceleration,
        linear_acceleration_covariance=_UNKNOWN,
    )
    return OutgoingMessage(kind, kind.serialise(message))
