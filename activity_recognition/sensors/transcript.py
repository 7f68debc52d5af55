"""Any message with a text field -> :class:`~activity_recognition.types.Utterance`."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from activity_recognition.errors import ConfigError, DecodeError
from activity_recognition.modalities import ROLE_SPEC, Role
from activity_recognition.sensors.cdr import frame_id_of, full_type_name, header_stamp_ns
from activity_recognition.sensors.decoder_settings import (
    DecoderSettings,
    SignalHealth,
    TopicMessage,
)
from activity_recognition.types import Utterance, seconds_between

if TYPE_CHECKING:
    from activity_recognition.sensors.cdr import Message

MAX_CHARACTERS = 16_384
"""Longest text of one utterance."""


_LISTED = 20
"""Fields of a message that an error names."""
PARTIAL_INTERVAL_S = 0.5
"""Least time between two partial results that become utterances."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """Where a message type keeps what an utterance needs, dotted; empty where it has none.

    Releases of a type differ: of several names the first that a message has counts, and a message
    may lack all but the text.
    """

    text: str
    confidence: str = ''
    locale: tuple[str, ...] = ()
    partial: str = ''
    """What is understood so far, while the text is empty."""


_KNOWN_FIELDS = {
    'std_msgs/msg/String': _Fields('data'),
    'hri_msgs/msg/LiveSpeech': _Fields(
        'final', 'confidence', ('locale', 'language'), 'incremental'
    ),
    'whisper_msgs/msg/Transcription': _Fields('text'),
    'speech_recognition_msgs/msg/SpeechRecognitionCandidates': _Fields('transcript', 'confidence'),
}
TRANSCRIPT_TYPES = ROLE_SPEC[Role.TRANSCRIPT].message_types
"""Types whose text field is known."""


class TranscriptDecoder:
    """Decodes the messages of a transcript topic, whatever their types."""

    def __init__(self, field: str = '', *, incremental: bool = False) -> None:
        """Make a decoder that has decoded nothing.

        Args:
            field: as :class:`UtteranceReader` takes it.
            incremental: likewise.
        """
        self._field = field
        self._incremental = incremental
        self._readers: dict[str, UtteranceReader] = {}

    @classmethod
    def of(cls, settings: DecoderSettings) -> TranscriptDecoder:
        """Return a decoder of the text that is read, with partial results or without."""
        return cls(settings.transcript_field, incremental=settings.transcript_incremental)

    @property
    def health(self) -> SignalHealth:
        """How many messages had no text."""
        return SignalHealth(empty=sum(reader.empty for reader in self._readers.values()))

    def decode_topic(self, message: TopicMessage) -> Utterance | None:
        """Return the utterance in a message; None when its text is empty.

        Raises:
            DecodeError: as of :meth:`UtteranceReader.decode`.
            ConfigError: when no field is given and the type is not a known one.
        """
        name = message.type_name
        if name not in self._readers:
            self._readers[name] = UtteranceReader(name, self._field, incremental=self._incremental)
        return self._readers[name].decode(message.content, message.arrival_ns)


class UtteranceReader:
    """Reads the text field of one message type."""

    def __init__(self, type_name: str, field: str = '', *, incremental: bool = False) -> None:
        """Choose the field.

        Args:
            type_name: type of the transcript topic.
            field: dotted path of the text, a list's element by its index (``alternatives.0.text``,
                default the first); empty takes the known field of a known type.
            incremental: whether partial results of a type that has them become utterances, too:
                each that differs from the one before, at most one in ``PARTIAL_INTERVAL_S``. It
                stands beside those before it and the final text, and replaces none.

        Raises:
            ConfigError: when no field is given and the type is not a known one.
        """
        self._type_name = full_type_name(type_name)
        known = _KNOWN_FIELDS.get(self._type_name)
        if not field and known is None:
            raise ConfigError(
                f'topics.transcript_field: which field of {self._type_name} holds the text is not '
                f'known; name it (fields are known for {", ".join(TRANSCRIPT_TYPES)})'
            )
        self._fields = known or _Fields(field)
        self._text = field or self._fields.text
        self._partial = self._fields.partial if incremental else ''
        self._last_partial: tuple[int, str] | None = None
        self.empty = 0
        """Messages so far without a text, or with a partial one that says nothing new, as
        recognisers send them while they listen."""

    def decode(self, message: Message, arrival_ns: int) -> Utterance | None:
        """Return the utterance in a message; None when its text is empty.

        The header's stamp is the end of the utterance; without one the arrival is.

        Args:
            message: of the type.
            arrival_ns: when it could be known.

        Raises:
            DecodeError: when the field is missing, is no text, or is too long.
        """
        text = self._read_text(message, self._text)
        stamp_ns, frame_id = header_stamp_ns(message), frame_id_of(message)
        stamp_ns = arrival_ns if stamp_ns is None else stamp_ns
        if text:
            self._last_partial = None
        elif self._partial:
            text = self._read_partial(message, stamp_ns)
        if not text:
            self.empty += 1
            return None
        return Utterance(
            stamp_ns=stamp_ns,
            arrival_ns=arrival_ns,
            text=text,
            confidence=self._confidence(message),
            locale=self._locale(message),
            frame_id=frame_id,
        )

    def _read_partial(self, message: Message, stamp_ns: int) -> str:
        """Return a partial result that says more than the last one, and not too soon after it."""
        text = self._read_text(message, self._partial)
        if text and self._last_partial is not None:
            last_ns, last_text = self._last_partial
            soon = 0 <= seconds_between(stamp_ns, last_ns) < PARTIAL_INTERVAL_S
            if soon or text == last_text:
                return ''
        if text:
            self._last_partial = stamp_ns, text
        return text

    def _read_text(self, message: Message, field: str) -> str:
        text = _first(_follow(message, field), '')
        if not isinstance(text, str):
            raise DecodeError(
                f'transcript field: {self._type_name}.{field} is {type(text).__name__}, '
                'expected text; set transcript_field'
            )
        if len(text) > MAX_CHARACTERS:
            raise DecodeError(
                f'transcript length: {len(text)} characters are more than the {MAX_CHARACTERS} '
                'allowed for one utterance'
            )
        return text.strip()

    def _confidence(self, message: Message) -> float | None:
        """Return the recogniser's confidence; recognisers without one leave it at zero."""
        name = self._fields.confidence
        value = _first(getattr(message, name, None), 0.0) if name else 0.0
        confidence = float(value) if isinstance(value, Real) else 0.0
        return confidence if math.isfinite(confidence) and 0 < confidence <= 1 else None

    def _locale(self, message: Message) -> str:
        found = (getattr(message, name, None) for name in self._fields.locale)
        return next((value for value in found if isinstance(value, str)), '')


def _follow(message: Message, path: str) -> Any:
    """Return what a dotted path leads to in a message; None for an empty path or list."""
    value = message if path else None
    for part in path.split('.') if path else ():
        if not part.isdigit():
            value = _first(value, None)
            if value is None:
                return None
            value = _attribute(value, part, path)
        else:
            items = value if isinstance(value, list) else []
            value = items[int(part)] if int(part) < len(items) else None
    return value


def _attribute(value: Message, name: str, path: str) -> object:
    names = [key for key in getattr(value, '__dataclass_fields__', ()) if not key.startswith('_')]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        raise DecodeError(
            f'transcript field: {name!r} of {path!r} does not exist; '
            f'the message has {_listed(names)}{hint}; set transcript_field'
        )
    return getattr(value, name)


def _listed(names: list[str]) -> str:
    more = ', …' if len(names) > _LISTED else ''
    return f'{", ".join(name[:100] for name in names[:_LISTED])}{more}' if names else 'no fields'


def _first(value: Any, default: object) -> Any:
    """Return a list's or array's first element, ``default`` for an empty one, else the value."""
    if value is None:
        return default
    if isinstance(value, str) or not hasattr(value, '__len__'):
        return value
    return value[0] if len(value) else default
