"""The one path from a topic's buffers to samples, live and from recordings alike."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING

from activity_recognition.config import AudioConfig, SyncConfig
from activity_recognition.errors import DecodeError
from activity_recognition.sensors.audio import AudioDecoder
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.sensors.image import decode_image
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.sensors.transcript import TranscriptDecoder

if TYPE_CHECKING:
    from activity_recognition.sensors.audio_format import AudioFormat
    from activity_recognition.sensors.cdr import Message
    from activity_recognition.types import Sample


class Role(str, Enum):
    """What a topic is to the recogniser."""

    IMAGE = 'image'
    AUDIO = 'audio'
    AUDIO_INFO = 'audio_info'
    TRANSCRIPT = 'transcript'

    def __str__(self) -> str:
        return self.value


IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
"""Types an image topic may have."""
AUDIO_TYPES = (
    'audio_common_msgs/msg/AudioDataStamped',
    'audio_common_msgs/msg/AudioStamped',
    'audio_common_msgs/msg/AudioData',
)
"""Types an audio topic may have, the ones with a stamp first."""
MAX_TRANSCRIPT_BYTES = 1 << 20
"""Longest transcript message; unlike images and sound, text is taken apart piece by piece."""
AUDIO_INFO_TYPE = 'audio_common_msgs/msg/AudioInfo'

_AUDIO = AudioConfig()
_SYNC = SyncConfig()
_TYPES = {Role.IMAGE: IMAGE_TYPES, Role.AUDIO: AUDIO_TYPES, Role.AUDIO_INFO: (AUDIO_INFO_TYPE,)}


class SensorDecoders:
    """Decodes the topics of one recogniser or recording; holds the audio stream's state.

    Not thread-safe: call it from one thread, or from one per role with a ``types`` of its own.
    """

    def __init__(
        self,
        *,
        sample_rate_hz: int = _AUDIO.sample_rate_hz,
        max_gap_s: float = _AUDIO.max_gap_s,
        reset_after_s: float = _SYNC.reset_after_s,
        audio_fallback: AudioFormat | None = None,
        audio_channels: str = 'mean',
        transcript_field: str = '',
        transcript_incremental: bool = False,
        image_side_px: int = 0,
        types: TypeRegistry | None = None,
    ) -> None:
        """Make decoders that have seen nothing.

        Args:
            sample_rate_hz: rate of audio chunks (``audio.sample_rate_hz`` of the model), Hz.
            max_gap_s: ``audio.max_gap_s``, seconds.
            reset_after_s: ``sync.reset_after_s``, seconds.
            audio_fallback: format to assume until an AudioInfo arrives; None refuses until then.
            audio_channels: which of several channels is heard, as
                :meth:`~activity_recognition.channel_choice.ChannelChoice.parse` reads it.
            transcript_field: dotted field of the text; empty for the known one of a known type.
            transcript_incremental: whether partial results become utterances, too.
            image_side_px: ``video.input_size_px`` of the model: large images come no smaller than
                this, or than :data:`~activity_recognition.sensors.size.LEAST_SIDE_PX`.
            types: where message types are looked up; a new registry by default.

        Raises:
            ConfigError: when ``audio_channels`` cannot be read.
        """
        self.audio = AudioDecoder(
            sample_rate_hz=sample_rate_hz,
            max_gap_s=max_gap_s,
            reset_after_s=reset_after_s,
            fallback=audio_fallback,
            channels=audio_channels,
        )
        self._types = types or TypeRegistry()
        self._transcript_field = transcript_field
        self._transcript_incremental = transcript_incremental
        self._least_side_px = max(image_side_px, LEAST_SIDE_PX)
        self._transcripts: dict[str, TranscriptDecoder] = {}

    @property
    def empty_transcripts(self) -> int:
        """Transcript messages without text so far."""
        return sum(decoder.empty for decoder in self._transcripts.values())

    def deserialise(self, type_name: str, cdr: bytes | memoryview) -> Message:
        """Return the message in a buffer.

        Raises:
            DecodeError: when the type is unknown or the buffer is broken.
        """
        return self._types.deserialise(cdr, type_name)

    def decode(
        self, role: Role | str, type_name: str, cdr: bytes | memoryview, arrival_ns: int
    ) -> Sample | None:
        """Return the sample in one message; None where it completes none.

        What goes on to the engine goes through :func:`~activity_recognition.sensors.pieces_of`.

        Args:
            role: what the topic is.
            type_name: its type, ``pkg/msg/Type``.
            cdr: the message as it travels, with its encapsulation header. A frame may be a view
                of it, so it must not change afterwards.
            arrival_ns: when it could be known.

        Raises:
            DecodeError: when it cannot be decoded. The text up to the first colon names the reason
                and is the same for every such message, so it serves to count by.
            ConfigError: when the transcript's field has to be named.
        """
        if len(cdr) > MAX_TRANSCRIPT_BYTES and Role(role) is Role.TRANSCRIPT:
            raise DecodeError(
                f'transcript length: {len(cdr)} bytes are more than the {MAX_TRANSCRIPT_BYTES} '
                'allowed for one message'
            )
        return self.decode_message(role, type_name, self.deserialise(type_name, cdr), arrival_ns)

    def decode_message(
        self, role: Role | str, type_name: str, message: Message, arrival_ns: int
    ) -> Sample | None:
        """Return the sample in a message that :meth:`deserialise` gave; as :meth:`decode`."""
        role = Role(role)
        if type_name not in _TYPES.get(role, (type_name,)):
            raise DecodeError(
                f'{role} topic type: expected one of {", ".join(_TYPES[role])}, got {type_name}'
            )
        if role is Role.IMAGE:
            return decode_image(message, arrival_ns, least_side_px=self._least_side_px)
        if role is Role.AUDIO:
            return self.audio.decode(message, arrival_ns)
        if role is Role.AUDIO_INFO:
            self.audio.set_info(message)
            return None
        if type_name not in self._transcripts:
            self._transcripts[type_name] = TranscriptDecoder(
                type_name, self._transcript_field, incremental=self._transcript_incremental
            )
        return self._transcripts[type_name].decode(message, arrival_ns)


class Drops:
    """Messages that could not be used, counted by reason, with an example of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Reason -> number."""
        self.examples: dict[str, str] = {}
        """Reason -> the first message that gave it, in full."""

    def add(self, error: Exception) -> None:
        """Count one drop under the words before the first colon of its message."""
        reason = str(error).partition(':')[0]
        self.counts[reason] += 1
        self.examples.setdefault(reason, str(error))

    @property
    def total(self) -> int:
        """All drops together."""
        return self.counts.total()
