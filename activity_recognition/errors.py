"""Every error this package raises on purpose, in one tree.

A message says what was expected, what came, and what to do about it::

    ActivityRecognitionError
    ├── ConfigError            a key, value or file of the configuration
    ├── CheckpointError        a checkpoint folder that is missing, damaged or of another schema
    ├── DecodeError            one message or record that cannot be read; live, a counted drop
    │   ├── UnsupportedEncodingError   a readable message in a format we cannot take
    │   └── OutOfOrderError            a message that comes again, or after its successor
    ├── ShapeError             an array or tensor of the wrong shape, dtype or range
    ├── RecordingError         a bag, clip or label file
    ├── DeviceError            an accelerator, precision or memory that this machine lacks
    ├── BackendError           what runs the network lacks an operator, or gives other numbers
    ├── NonFiniteError         the network gave NaN or infinity instead of an answer
    └── MissingExtraError      an optional dependency that is not installed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class ActivityRecognitionError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1
    """Exit status of the command line when this error ends a command."""


class ConfigError(ActivityRecognitionError):
    """A configuration key, value or file is wrong."""

    exit_code = 2


class CheckpointError(ActivityRecognitionError):
    """A checkpoint folder is missing, damaged, or of another schema."""


class DecodeError(ActivityRecognitionError):
    """One message cannot be decoded; on a live topic it is a counted drop."""


class UnsupportedEncodingError(DecodeError):
    """A well-formed message in an encoding that cannot be taken."""


class OutOfOrderError(DecodeError):
    """A message whose stamp is not later than that of the one before it."""

    def __init__(self, message: str, *, duplicate: bool) -> None:
        super().__init__(message)
        self.duplicate = duplicate
        """Whether the stamps are equal."""


class ShapeError(ActivityRecognitionError):
    """An array or tensor has the wrong shape, dtype or range."""


class RecordingError(ActivityRecognitionError):
    """A recording, clip or label file cannot be used."""


class DeviceError(ActivityRecognitionError):
    """The asked-for accelerator, precision or amount of memory is not available."""


class BackendError(ActivityRecognitionError):
    """A backend cannot run this network on this machine, or does not give PyTorch's numbers."""


class NonFiniteError(ActivityRecognitionError):
    """The network's answer is NaN or infinite: finite weights overflowed."""

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
