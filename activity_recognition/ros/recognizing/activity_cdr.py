"""Decisions written as the bytes that travel, without a message object in between.

``rclpy`` would make thirty objects of a decision, read them field by field in C and write the same
bytes: a few tenths of a millisecond right after an engine step has filled the caches. What does not
change from one decision to the next, labels above all, is written once here.

The encoding is little-endian CDR (OMG DDSI-RTPS 2.3, 10.2) of
:class:`activity_recognition.msg.ActivityStamped`. None of its fields is longer than four bytes, so
everything that begins with one begins at a multiple of four.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from activity_recognition.modalities import DEFAULT_MODALITIES
from activity_recognition.types import (
    ALL_MODALITIES,
    NANOSECONDS,
    Decision,
    Modality,
    ModalityEvidence,
    Status,
)

_LITTLE_ENDIAN = b'\x00\x01\x00\x00'
_TIME = struct.Struct('<iI')
_TIMES = struct.Struct('<iIiI')
_VERDICT = struct.Struct('<ifI')
"""Class, confidence, number of scores."""
_NUMBER, _FLOAT, _FLOATS, _COUNT = (struct.Struct(f'<{code}') for code in ('i', 'f', 'ff', 'I'))


def _text(text: str, flag: bytes = b'') -> bytes:
    """Return a string and the byte-sized field after it, filled up to a multiple of four."""
    data = text.encode()
    whole = b''.join((_COUNT.pack(len(data) + 1), data, b'\0', flag))
    return whole + bytes(-len(whole) % 4)


_NO_TEXT = _text('')
_PRESENT = {modality: _text(modality.value, b'\1') for modality in ALL_MODALITIES}
_ABSENT = {modality: _text(modality.value, b'\0') for modality in ALL_MODALITIES}


class ActivityWriter:
    """Writes the decisions of one stream."""

    def __init__(
        self,
        labels: Sequence[str],
        *,
        modalities: Sequence[Modality] = DEFAULT_MODALITIES,
        subject_id: str = '',
    ) -> None:
        """Prepare what all decisions share.

        Args:
            labels: the model's labels, by class.
            modalities: what the network takes in; each has an entry of evidence.
            subject_id: who is meant.
        """
        self._subject = _text(subject_id)
        self._modalities = tuple(modalities)
        self._num_evidence = _COUNT.pack(len(self._modalities))
        self._labels = {label: _text(label) for label in ('', *labels)}
        self._scores = [_text(label) + _NUMBER.pack(i) for i, label in enumerate(labels)]

    def write(self, decision: Decision, *, frame_id: str = '') -> bytes:
        """Return everything but the last two fields.

        Args:
            decision: what was decided.
            frame_id: frame of the sensor that triggered it.
        """
        status, stamp = decision.status, _moment(decision.t_ns)
        scores = [] if status is Status.NO_DATA else self._ranked(decision)
        known = {item.modality: item for item in decision.evidence}
        since = _moment(decision.stable_since_ns) if status is Status.OK else stamp
        return b''.join(
            (
                _LITTLE_ENDIAN,
                _TIME.pack(*stamp),
                _text(frame_id, bytes((status,))),
                self._subject,
                self._label(decision.label),
                _VERDICT.pack(decision.class_id, decision.confidence, len(scores) // 2),
                *scores,
                self._num_evidence,
                *(self._evidence(known.get(modality), modality) for modality in self._modalities),
                _TIMES.pack(*_moment(decision.window_start_ns), *since),
            )
        )

    @staticmethod
    def complete(written: bytes, *, latency_s: float, processing_s: float) -> bytes:
        """Return the whole message: what :meth:`write` gave, and the times until now.

        Args:
            written: what :meth:`write` gave.
            latency_s: field of the message, seconds.
            processing_s: likewise.
        """
        return written + _FLOATS.pack(latency_s, processing_s)

    def _label(self, label: str) -> bytes:
        return self._labels.get(label) or _text(label)

    def _ranked(self, decision: Decision) -> list[bytes]:
        """Return two parts per activity, by falling probability; equal ones by class."""
        order = (-decision.probabilities).argsort(kind='stable').tolist()
        values = decision.probabilities.astype('<f4').tobytes()
        parts: list[bytes] = []
        for index in order:
            parts += (self._scores[index], values[4 * index : 4 * index + 4])
        return parts

    def _evidence(self, item: ModalityEvidence | None, modality: Modality) -> bytes:
        if item is None or not item.present:
            age_s = math.nan if item is None else item.age_s
            return b''.join((_ABSENT[modality], _FLOAT.pack(age_s), _NO_TEXT, _FLOATS.pack(0, 0)))
        confidence = 0.0 if math.isnan(item.confidence) else item.confidence
        return b''.join(
            (
                _PRESENT[modality],
                _FLOAT.pack(item.age_s),
                self._label(item.label),
                _FLOATS.pack(confidence, item.weight),
            )
        )


def _moment(stamp_ns: int) -> tuple[int, int]:
    """Return seconds and nanoseconds; times before the epoch become the epoch."""
    return divmod(max(stamp_ns, 0), NANOSECONDS)
