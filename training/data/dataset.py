"""Recordings of a source, split by recording, with the labels that occur in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.source import RecordingSource, usable_labels
from activity_recognition.training.data.splits import Assignment, draw_validation
from activity_recognition.training.data.targets import label_seconds
from activity_recognition.training.data.usable import demand_usable

NONE_LABEL = 'none'
"""Takes class 0 where it occurs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Prepared recordings, split, with the labels that occur in them."""

    labels: tuple[str, ...]
    training: tuple[PreparedRecording, ...]
    validation: tuple[PreparedRecording, ...]
    test: tuple[PreparedRecording, ...]
    """Held out from both, by the table of splits."""
    skipped: tuple[str, ...]
    """Why each recording that could not be used could not."""
    recorded: RecordedConfig = DEFAULTS
    """How their topics were read in general; of shards, when they were made."""
    validation_groups: int = 0
    """Of how many groups the validation recordings are; one in no group is a group of its own."""

    def texts(self) -> list[str]:
        """Return all utterances of the training recordings."""
        return [text for r in self.training for texts in r.texts for text in texts]


def load_dataset(
    source: RecordingSource, *, validation_fraction: float, seed: int, strict: bool = False
) -> Dataset:
    """Prepare and split the labelled recordings of a source.

    A recording that is damaged or has no usable labels is skipped and named. ``splits.csv`` says
    which are trained on, validated with and held out; without it, or for recordings it leaves
    open, validation recordings are drawn so that every label is among them. Shards give what the
    recordings that they were made of would have given, bit for bit.

    Args:
        source: where the recordings come from.
        validation_fraction: share of every label's time that is drawn for validation, at least
            one recording; nothing is drawn where the table names recordings for it.
        seed: of the split.
        strict: whether a recording that cannot be used is an error.

    Raises:
        RecordingError: no recording can be used, or ``strict`` and one cannot, one alone with
            validation asked for, the table of splits is wrong, or a shard is damaged.
    """
    table = source.table()
    spans, skipped = usable_labels(source, source.found)
    prepared, damaged = source.prepare(list(spans))
    skipped += [*damaged, *source.unread]
    demand_usable(source.place, usable=len(prepared), skipped=skipped, strict=strict)
    durations_s = {recording: label_seconds(found) for recording, found in spans.items()}
    sides = split_recordings(prepared, table, durations_s, validation_fraction, seed)
    occurring = {label for item in prepared for label in durations_s[item.recording]}
    return Dataset(
        labels=tuple(sorted(occurring, key=lambda name: (name != NONE_LABEL, name))),
        training=tuple(sides['train']),
        validation=tuple(sides['validation']),
        test=tuple(sides['test']),
        skipped=tuple(skipped),
        recorded=source.recorded,
        validation_groups=len({_group(item, table) for item in sides['validation']}),
    )


def split_recordings(
    recordings: Sequence[PreparedRecording],
    table: Mapping[Path, Assignment],
    durations_s: Mapping[Path, Mapping[str, float]],
    fraction: float,
    seed: int,
) -> dict[str, list[PreparedRecording]]:
    """Split whole recordings by a table, and by a draw where it leaves them open.

    Copies of a recording count as one, as does a group, so that none is trained on and validated
    with.

    Args:
        recordings: prepared ones.
        table: of :func:`activity_recognition.training.data.splits.read_splits`.
        durations_s: seconds of each label in each recording.
        fraction: share to draw for validation.
        seed: of the draw.

    Raises:
        RecordingError: validation is asked for and there are not two different recordings.
    """
    sides: dict[str, list[PreparedRecording]] = {'train': [], 'validation': [], 'test': []}
    open_ones: defaultdict[str, list[PreparedRecording]] = defaultdict(list)
    for recording in recordings:
        assignment = table.get(recording.recording)
        if assignment is not None and assignment.split:
            sides[assignment.split].append(recording)
        else:
            open_ones[_group(recording, table)].append(recording)
    chosen: set[str] = set()
    if open_ones and fraction > 0 and not sides['validation']:
        lengths = {name: _lengths(members, durations_s) for name, members in open_ones.items()}
        chosen = draw_validation(lengths, fraction, seed)
    for name, members in open_ones.items():
        sides['validation' if name in chosen else 'train'] += members
    return sides


def _group(recording: PreparedRecording, table: Mapping[Path, Assignment]) -> str:
    assignment = table.get(recording.recording)
    return (assignment.group if assignment is not None else '') or recording.key


def _lengths(
    recordings: Sequence[PreparedRecording], durations_s: Mapping[Path, Mapping[str, float]]
) -> dict[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for recording in recordings:
        for label, length in durations_s[recording.recording].items():
            total[label] += length
    return dict(total)


def open_segments(
    recordings: Sequence[PreparedRecording], labels: Sequence[str]
) -> list[LabelledSegment]:
    """Open the arrays of recordings with their labels as classes of ``labels``.

    Args:
        recordings: prepared ones.
        labels: all that may occur, in the order of the classes.
    """
    return [segment for recording in recordings for segment in recording.segments(labels)]
