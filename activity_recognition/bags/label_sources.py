"""Where the labels of a recording come from: a table, a Label Studio export, or a topic in it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from activity_recognition.bags.label_studio import scan_label_studio
from activity_recognition.bags.labels import (
    LabelScan,
    export_path,
    labels_path,
    make_span,
    name_first,
    scan_labels,
)
from activity_recognition.bags.reader import RecordingReader
from activity_recognition.errors import ActivityRecognitionError, DecodeError, RecordingError
from activity_recognition.text_files import exists
from activity_recognition.types import LabelSpan, seconds_between

LABEL_TYPE = 'std_msgs/msg/String'
LABEL_TOPICS = ('activity_label', 'label')
"""Last parts of the names of topics whose messages say what begins when they are recorded."""


def find_labels(recording: Path) -> LabelScan:
    """Return a recording's labels, of the first of these that it has, and what is wrong with them.

    ``labels.csv``; ``labels.json``, a Label Studio export; a topic ``…/activity_label`` or
    ``…/label`` of strings, each of which holds until the next one, an empty one for no label.
    """
    if exists(labels_path(recording)):
        return scan_labels(labels_path(recording))
    if exists(export_path(recording)):
        return scan_label_studio(export_path(recording))
    try:
        with RecordingReader(recording) as reader:
            return _from_topic(reader)
    except RecordingError as error:
        return LabelScan(path=recording, spans=(), lines=(), problems=(str(error),))
    except (ActivityRecognitionError, OSError) as error:
        return LabelScan.broken(recording, str(error))


def load_labels(recording: Path) -> tuple[LabelSpan, ...]:
    """Return a recording's labels by start, without overlap.

    Raises:
        RecordingError: it has none, or something is wrong with them.
    """
    found = find_labels(recording)
    if found.problems:
        raise RecordingError(found.problems[0])
    return found.spans


def label_files(recording: Path) -> frozenset[Path]:
    """Return the files that hold nothing of a recording but its labels."""
    return frozenset((labels_path(recording), export_path(recording)))


def _from_topic(reader: RecordingReader) -> LabelScan:
    names = [
        topic.name
        for topic in reader.topics
        if topic.type_name == LABEL_TYPE
        and topic.is_readable
        and topic.name.rpartition('/')[2] in LABEL_TOPICS
    ]
    if len(names) != 1:
        found = f'found {len(names)} such topics' if names else 'found none of them'
        return LabelScan.broken(
            reader.path,
            f'expected labels in {labels_path(reader.path).name}, in '
            f'{export_path(reader.path).name} (Label Studio), or on a topic of {LABEL_TYPE} named '
            f'{" or ".join(LABEL_TOPICS)}, {found}',
        )
    try:
        changes = list(reader.texts(names[0]))
    except DecodeError as error:
        return LabelScan.broken(reader.path, f'{names[0]}: {error}')
    spans: list[LabelSpan] = []
    problems: list[str] = []
    for start_s, end_s, label in _stretches(changes, reader):
        try:
            spans.append(make_span(start_s, end_s, label))
        except RecordingError as error:
            problems.append(f'{reader.path}: {names[0]}: {error}')
    return LabelScan(
        path=reader.path,
        spans=tuple(spans),
        lines=tuple(range(1, len(spans) + 1)),
        problems=name_first(problems, reader.path),
    )


def _stretches(
    changes: Iterable[tuple[int, str]], reader: RecordingReader
) -> Iterable[tuple[float, float, str]]:
    """Let every label hold from its message to the next one, the last to the recording's end."""
    for (begun_ns, label), (ended_ns, _) in pairwise([*changes, (reader.end_ns, '')]):
        if label.strip() and ended_ns > begun_ns:
            yield (
                seconds_between(begun_ns, reader.start_ns),
                seconds_between(ended_ns, reader.start_ns),
                label,
            )
