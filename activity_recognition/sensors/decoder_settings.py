"""The decoders' settings and the interface that all of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.sensors.size import LEAST_SIDE_PX

if TYPE_CHECKING:
    from activity_recognition.modalities import Role
    from activity_recognition.sensors.audio_format import AudioFormat
    from activity_recognition.sensors.cdr import Message
    from activity_recognition.types import Sample


_MODEL, _SYNC = ModelConfig(), SyncConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderSettings:
    """What samples have to be for a network, and what the messages mean."""

    model: ModelConfig = _MODEL
    """Of the network that takes the samples."""
    reset_after_s: float = _SYNC.reset_after_s
    """``sync.reset_after_s`` of what takes them, seconds."""
    least_side_px: int = LEAST_SIDE_PX
    """Large images come no smaller than this, or than the network takes them."""
    is_watched: bool = True
    """Whether people see the images, too. Else the drawing of key points is small where the network
    takes the key points themselves: drawing costs more than all else that is read of them."""
    audio_format: AudioFormat | None = None
    """Format to assume until an AudioInfo arrives; None refuses audio until then."""
    audio_channels: str = 'mean'
    """Which of several channels is used, as
    :meth:`~activity_recognition.channel_choice.ChannelChoice.parse` reads it."""
    transcript_field: str = ''
    """Dotted field of the text; empty for the known one of a known type."""
    transcript_incremental: bool = False
    """Whether partial results become utterances, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalHealth:
    """What a decoder knows of its signal beside the samples."""

    declared_rate_hz: int | None = None
    """Samples a second as the format says; None without one."""
    measured_rate_hz: float | None = None
    """Samples a second by the stamps; None while too little has come."""
    problem: str = ''
    """What is wrong with the signal, in words; empty where nothing is."""
    empty: int = 0
    """Messages so far without a sample in them, as some senders mean it."""


class TopicMessage(NamedTuple):
    """A message on one of a modality's topics."""

    role: Role
    """Of the topic."""
    type_name: str
    """Of the topic."""
    content: Message
    arrival_ns: int
    """When it could be known."""


class ModalityDecoder(Protocol):
    """Decodes the topics of one modality, in the order of their messages."""

    @classmethod
    def of(cls, settings: DecoderSettings) -> ModalityDecoder:
        """Return a decoder that has seen nothing.

        Raises:
            ConfigError: when a setting cannot be read.
        """
        ...

    def decode_topic(self, message: TopicMessage) -> Sample | None:
        """Return the sample in a message; None where it completes none.

        Raises:
            DecodeError: when it cannot be decoded.
            ConfigError: when a setting is missing without which it cannot.
        """
        ...

    @property
    def health(self) -> SignalHealth:
        """What is known of the signal now."""
        ...
