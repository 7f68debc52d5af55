"""Every error this package raises on purpose, in one tree.

A message says what was expected, what came, and what to do about it::

    ActivityRecognitionError
    ├── ConfigError            a key, value or file of the configuration
    ├── CheckpointError        a checkpoint folder that is missing, damaged or of another schema
    ├── WeightsError           a pretrained network's file that is missing, wrong or not to be had
    ├── DecodeError            one message or record that cannot be read; live, a counted drop
    │   ├── UnsupportedEncodingError   a readable message in a format we cannot take
    │   └── OutOfOrderError            a message that comes again, or after its successor
    ├── ShapeError             an array or tensor of the wrong shape, dtype or range
    ├── RecordingError         a bag, clip or label file
    ├── OutputError            a file of this package's own that cannot be written
    ├── DeviceError            an accelerator, precision or memory that this machine lacks
    ├── BackendError           what runs the network lacks an operator, or gives other numbers
    ├── NonFiniteError         the network gave NaN or infinity instead of an answer
    └── MissingExtraError      an optional dependency that is not installed

What a message quotes comes from files and topics of others: :func:`quoted` bounds each value, and
no message is longer than :data:`MESSAGE_LIMIT` or holds characters that steer a terminal.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

QUOTE_LIMIT = 100
"""Characters that a message quotes of one value."""
MESSAGE_LIMIT = 2000
"""Characters of a whole message."""

# Control characters but tab and newline, separators of lines, marks that turn the direction of what
# follows, and halves of UTF-16 pairs, which cannot be written.
_STEERING = re.compile(
    r'[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]'
)
_CUT = ' […] '


def printable(text: str, limit: int | None = None) -> str:
    """Return text that a terminal shows and does not obey.

    Args:
        text: of whatever origin; newlines and tabs are kept.
        limit: characters to keep of it, the middle is left out; None keeps all.
    """
    if limit is not None and len(text) > limit:
        head = (limit - len(_CUT)) * 2 // 3
        text = text[:head] + _CUT + text[len(text) - (limit - len(_CUT) - head) :]
    return _STEERING.sub(lambda found: found[0].encode('unicode_escape').decode('ascii'), text)


class _BoundedRepr(reprlib.Repr):
    """``repr`` whose work does not grow with the value, nor with how often it holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 10
        self.maxother = QUOTE_LIMIT

    def repr_str(self, x: str, level: int) -> str:  # noqa: ARG002 - reprlib calls it so
        return repr(x) if len(x) <= QUOTE_LIMIT else f'{x[:QUOTE_LIMIT]!r}…'

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        # Python refuses to write out integers of thousands of digits.
        return repr(x) if x.bit_length() <= 128 else f'an integer of {x.bit_length()} bits'


_REPR = _BoundedRepr()


def quoted(value: Any, limit: int = QUOTE_LIMIT) -> str:
    """Return ``repr(value)`` for a message, cut at about ``limit`` characters.

    The work is bounded, too: of nested and of very long values only the beginning is looked at.

    Args:
        value: anything.
        limit: about how many characters to quote, at most.
    """
    shown = printable(_REPR.repr(value)).replace('\n', ' ')
    return shown if len(shown) <= limit + 3 else f'{shown[:limit]}…'


class ActivityRecognitionError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1
    """Exit status of the command line when this error ends a command."""

    def __str__(self) -> str:
        """Return the message as it may be shown: bounded, and nothing in it steers a terminal."""
        return printable(super().__str__(), MESSAGE_LIMIT)


class ConfigError(ActivityRecognitionError):
    """A configuration key, value or file is wrong."""

    exit_code = 2


class CheckpointError(ActivityRecognitionError):
    """A checkpoint folder is missing, damaged, or of another schema."""


class WeightsError(ActivityRecognitionError):
    """A file of a pretrained network is missing, is not the registered one, or cannot be had."""


class DecodeError(ActivityRecognitionError):
    """One message cannot be decoded; on a live topic it is a counted drop."""


class UnsupportedEncodingError(DecodeError):
    """A well-formed message in an encoding that cannot be taken."""


class OutOfOrderError(DecodeError):
    """A message whose stamp is not later than that of the one before it.

    Args:
        message: what was wrong.
        duplicate: whether the stamp was that of the message before.
    """

    def __init__(self, message: str, *, duplicate: bool) -> None:
        super().__init__(message)
        self.duplicate = duplicate
        """Whether the stamps are equal."""


class ShapeError(ActivityRecognitionError):
    """An array or tensor has the wrong shape, dtype or range."""


class RecordingError(ActivityRecognitionError):
    """A recording, clip or label file cannot be used."""


class OutputError(ActivityRecognitionError):
    """What this package writes finds no room, or no right to be written."""


class DeviceError(ActivityRecognitionError):
    """The asked-for accelerator, precision or amount of memory is not available."""


class BackendError(ActivityRecognitionError):
    """A backend cannot run this network on this machine, or does not give PyTorch's numbers."""


class NonFiniteError(ActivityRecognitionError):
    """The network's answer is NaN or infinite: finite weights overflowed.

    Args:
        message: what was wrong.
        streams: names of the streams whose answer it is.
        decisions: answers of the other streams in the same step.
    """

    def __init__(
        self, message: str, *, streams: Sequence[str] = (), decisions: Mapping[str, object] = {}
    ) -> None:
        super().__init__(message)
        self.streams = tuple(streams)
        """Names of the engine's streams that it is about; they have been reset."""
        self.decisions = dict(decisions)
        """Decisions of the other streams in the same step, which are good, by stream."""


class MissingExtraError(ActivityRecognitionError):
    """An optional dependency is needed for this call and is not installed."""
