"""Decisions and label lists as messages."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

from builtin_interfaces.msg import Time

from activity_recognition.modalities import DEFAULT_MODALITIES
from activity_recognition.msg import (
    ActivityLabels,
    ActivityScore,
    ActivityStamped,
)
from activity_recognition.msg import ModalityEvidence as EvidenceMessage
from activity_recognition.types import (
    ALL_MODALITIES,
    NANOSECONDS,
    Decision,
    Modality,
    ModalityEvidence,
    Status,
)

_ABSENT = {
    modality: ModalityEvidence(modality=modality, present=False) for modality in ALL_MODALITIES
}


def to_time(stamp_ns: int) -> Time:
    """Return nanoseconds as a message; times before the epoch become the epoch."""
    seconds, nanoseconds = divmod(max(stamp_ns, 0), NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def to_message(
    decision: Decision,
    labels: Sequence[str],
    *,
    modalities: Sequence[Modality] = DEFAULT_MODALITIES,
    frame_id: str = '',
    subject_id: str = '',
) -> ActivityStamped:
    """Return a decision as a message; ``latency_s`` and ``processing_s`` are still to be set.

    Args:
        decision: what was decided.
        labels: the model's labels, by class.
        modalities: what the network takes in; each has an entry of evidence.
        frame_id: frame of the sensor that triggered the decision.
        subject_id: who is meant.
    """
    message = ActivityStamped(
        status=int(decision.status),
        subject_id=subject_id,
        label=decision.label,
        class_id=decision.class_id,
        confidence=float(decision.confidence),
        evidence=_evidence(decision.evidence, modalities),
        window_start=to_time(decision.window_start_ns),
        stable_since=to_time(decision.stable_since_ns),
    )
    header = message.header
    header.stamp = to_time(decision.t_ns)
    header.frame_id = frame_id
    if decision.status is not Status.OK:
        message.stable_since = header.stamp
    if decision.status is not Status.NO_DATA:
        message.scores = _ranked(decision, labels)
    return message


def no_data_message(
    t_ns: int,
    *,
    modalities: Sequence[Modality] = DEFAULT_MODALITIES,
    frame_id: str = '',
    subject_id: str = '',
) -> ActivityStamped:
    """Return the message that nothing is known.

    Args:
        t_ns: of when it speaks.
        modalities: as of :func:`to_message`.
        frame_id: likewise.
        subject_id: likewise.
    """
    stamp = to_time(t_ns)
    message = ActivityStamped(
        status=ActivityStamped.STATUS_NO_DATA,
        subject_id=subject_id,
        class_id=ActivityStamped.CLASS_ID_NONE,
        evidence=_evidence((), modalities),
        window_start=stamp,
        stable_since=stamp,
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def labels_message(labels: Sequence[str], *, checkpoint_id: str, stamp_ns: int) -> ActivityLabels:
    """Return the list of labels; its version is a digest, so equal lists have equal versions.

    Args:
        labels: the model's labels, by class.
        checkpoint_id: of the model.
        stamp_ns: when it is published.
    """
    digest = hashlib.sha256('\0'.join(labels).encode()).hexdigest()
    message = ActivityLabels(
        labels=list(labels), checkpoint_id=checkpoint_id, label_set_version=digest[:12]
    )
    message.header.stamp = to_time(stamp_ns)
    return message


def _ranked(decision: Decision, labels: Sequence[str]) -> list[ActivityScore]:
    """Return all activities by falling probability; equal ones by class."""
    # Numbers of Python: a message takes no others, and taking them out one by one is slow.
    order = (-decision.probabilities).argsort(kind='stable').tolist()
    probabilities = decision.probabilities.tolist()
    return [
        ActivityScore(label=labels[index], class_id=index, probability=probabilities[index])
        for index in order
    ]


def _evidence(
    evidence: Iterable[ModalityEvidence], modalities: Iterable[Modality]
) -> list[EvidenceMessage]:
    """Return one entry per modality of the network, absent ones too."""
    known = {item.modality: item for item in evidence}
    return [_entry(known.get(modality, _ABSENT[modality])) for modality in modalities]


def _entry(item: ModalityEvidence) -> EvidenceMessage:
    if not item.present:
        return EvidenceMessage(modality=item.modality.value, age_s=item.age_s)
    return EvidenceMessage(
        modality=item.modality.value,
        present=True,
        age_s=item.age_s,
        label=item.label,
        confidence=0.0 if math.isnan(item.confidence) else item.confidence,
        weight=item.weight,
    )
