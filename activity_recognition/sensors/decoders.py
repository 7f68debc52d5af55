"""The one path from a topic's buffers to samples, live and from recordings alike."""

from __future__ import annotations

import importlib
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, cast

from activity_recognition.errors import DecodeError
from activity_recognition.modalities import MODALITY_OF_ROLE, ROLE_SPEC, SPEC, Role
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.sensors.decoder_settings import DecoderSettings, TopicMessage

if TYPE_CHECKING:
    from activity_recognition.sensors.cdr import Message
    from activity_recognition.sensors.decoder_settings import ModalityDecoder, SignalHealth
    from activity_recognition.types import Modality, Sample


class SensorDecoders:
    """Decodes the topics of one recogniser or recording; holds the state of their streams.

    Not thread-safe: call it from one thread, or from one per role with a ``types`` of its own.
    """

    def __init__(
        self, settings: DecoderSettings | None = None, *, types: TypeRegistry | None = None
    ) -> None:
        """Make decoders that have seen nothing.

        Args:
            settings: what the samples have to be and what the messages mean.
            types: where message types are looked up; a new registry by default.

        Raises:
            ConfigError: when a setting cannot be read.
        """
        self._types = types or TypeRegistry()
        settings = settings or DecoderSettings()
        self._decoders = {modality: _decoder_class(modality).of(settings) for modality in SPEC}

    def health(self, modality: Modality) -> SignalHealth:
        """Return what is known of a modality's signal beside its samples."""
        return self._decoders[modality].health

    def deserialise(self, type_name: str, cdr: bytes | memoryview) -> Message:
        """Return the message in a buffer.

        Args:
            type_name: its type, ``pkg/msg/Type``.
            cdr: the message as it travels, with its encapsulation header.

        Raises:
            DecodeError: when the type is unknown or the buffer is broken.
        """
        return self._types.deserialise(cdr, type_name)

    def decode(
        self, role: Role | str, type_name: str, cdr: bytes | memoryview, arrival_ns: int
    ) -> Sample | None:
        """Return the sample in one message; None where it completes none.

        What goes on to the engine goes through :func:`~activity_recognition.types.split_sample`.

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
        limit = ROLE_SPEC[Role(role)].max_bytes
        if limit is not None and len(cdr) > limit:
            raise DecodeError(
                f'{role} length: {len(cdr)} bytes are more than the {limit} allowed for one message'
            )
        return self.decode_message(role, type_name, self.deserialise(type_name, cdr), arrival_ns)

    def decode_message(
        self, role: Role | str, type_name: str, message: Message, arrival_ns: int
    ) -> Sample | None:
        """Return the sample in a message that :meth:`deserialise` gave.

        Args:
            role: what the topic is.
            type_name: its type, ``pkg/msg/Type``.
            message: of that type.
            arrival_ns: when it could be known.

        Raises:
            DecodeError: as of :meth:`decode`.
            ConfigError: as of :meth:`decode`.
        """
        role = Role(role)
        if not ROLE_SPEC[role].accepts(type_name):
            raise DecodeError(
                f'{role} topic type: expected one of {", ".join(ROLE_SPEC[role].message_types)}, '
                f'got {type_name}'
            )
        decoder = self._decoders[MODALITY_OF_ROLE[role]]
        return decoder.decode_topic(TopicMessage(role, type_name, message, arrival_ns))


@cache
def _decoder_class(modality: Modality) -> type[ModalityDecoder]:
    """Return a modality's decoder: of the topic ``audio``, ``sensors.audio.AudioDecoder``."""
    name = SPEC[modality].role.value
    module = importlib.import_module(f'activity_recognition.sensors.{name}')
    found = getattr(module, f'{name.title().replace("_", "")}Decoder')
    return cast('type[ModalityDecoder]', found)


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
