"""ActivityStamped, the recogniser's own message, read back: by monitors and behaviour trees.

Looks at attributes only, so it takes messages of rclpy and of rosbags alike and needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.errors import DecodeError
from activity_recognition.types import NANOSECONDS, Modality, ModalityEvidence, Status

if TYPE_CHECKING:
    from activity_recognition.sensors.cdr import Message


def nanoseconds_of(stamp: Message) -> int:
    """Return a builtin_interfaces/Time as nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def status_of(message: Message) -> Status:
    """Return the status of an ActivityStamped.

    Raises:
        DecodeError: for a status that this version does not know.
    """
    try:
        return Status(message.status)
    except ValueError as error:
        raise _of_another_version(error) from error


def evidence_of(message: Message) -> tuple[ModalityEvidence, ...]:
    """Return what each modality contributed to an ActivityStamped.

    Raises:
        DecodeError: for a modality that this version does not know.
    """
    try:
        return tuple(_entry(item) for item in message.evidence)
    except ValueError as error:
        raise _of_another_version(error) from error


def _entry(item: Message) -> ModalityEvidence:
    return ModalityEvidence(
        modality=Modality(item.modality),
        present=item.present,
        age_s=item.age_s,
        label=item.label,
        confidence=item.confidence,
        weight=item.weight,
    )


def _of_another_version(error: ValueError) -> DecodeError:
    return DecodeError(
        f'expected an ActivityStamped of this version, got: {error}; run the recognizer and who '
        'listens to it with the same version of activity_recognition'
    )
