"""What a run's ``metrics.json`` holds: plain dictionaries, so that a page can be drawn from a file.

Times are seconds from the recording's start. Floats that are unknown are ``None``, because JSON
has no NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

from activity_recognition.errors import RecordingError
from activity_recognition.text_files import read_json


class LabelScore(TypedDict):
    """How one label fared."""

    label: str
    support: int
    """Decisions that fell on this label's spans."""
    recall: float | None
    """Share of them that named it; None without support."""
    precision: float | None
    """Share of the decisions naming it that were right; None when none named it."""


class Scores(TypedDict):
    """Decisions against the truth."""

    decisions: int
    """Decisions that fell on a labelled span."""
    unscored: int
    """Decisions outside every labelled span."""
    accuracy: float | None
    balanced_accuracy: float | None
    """Mean recall over the labels that occur in the truth."""
    labels: list[str]
    """Rows of ``confusion``: the labels that occur in the truth."""
    answers: list[str]
    """Columns of ``confusion``: the labels of the rows, then whatever else was answered."""
    confusion: list[list[int]]
    per_label: list[LabelScore]


class Distribution(TypedDict):
    """A measured quantity, seconds."""

    count: int
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    max_s: float | None
    edges_s: list[float]
    """Borders of the histogram's bins, one more than ``counts``."""
    counts: list[int]


class FrameAccount(TypedDict):
    """Where every published frame went: published = used + dropped + lost + unaccounted."""

    published: int
    received: int
    used: int
    dropped: dict[str, int]
    """Counted drops by reason."""
    lost: int
    """Lost in transport: published and never received."""
    unaccounted: int
    """Received, but neither used nor counted as dropped; anything but 0 is a fault."""
    lost_fraction: float | None
    """``lost / published``."""


class EvidencePoint(TypedDict):
    """One modality in one decision."""

    t_s: float
    present: bool
    age_s: float | None
    label: str
    confidence: float | None
    weight: float | None
    """None where it was not measured."""


class Answer(TypedDict):
    """One decision, in sensor time."""

    t_s: float
    answer: str
    """The label, or ``(unknown)`` or ``(no data)``."""
    confidence: float


class Check(TypedDict):
    """One thing that had to hold."""

    name: str
    found: str
    wanted: str
    passed: bool


class Timed(TypedDict):
    """What a timeline shows."""

    duration_s: float
    truth: list[tuple[float, float, str]]
    """Start, end and label of every labelled span."""
    answers: list[Answer]
    evidence: dict[str, list[EvidencePoint]]
    """By modality; may be empty."""


class PersonScores(TypedDict):
    """How well one of several people was recognised."""

    decisions: int
    """About this person while the truth was known."""
    possible: int
    """Decisions about the scene in the same time: more, where the person was not seen."""
    scores: Scores


class RunMetrics(Timed):
    """Everything a report shows of one run."""

    title: str
    summary: str
    """What was run, one sentence."""
    scores: Scores
    latency: Distribution
    """From the sensor's stamp to the publication of the decision."""
    processing: Distribution
    """Work spent on a decision."""
    frames: FrameAccount | None
    checks: list[Check]
    conditions: dict[str, str]
    """Versions, machine, checkpoint, settings: what a number depends on."""


def write_metrics(path: Path, metrics: RunMetrics) -> None:
    """Write a run's metrics as strict JSON (no NaN).

    Args:
        path: of the file; its folder is made.
        metrics: of the run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics, indent=1, allow_nan=False) + '\n', encoding='utf-8')


def write_people(path: Path, people: Mapping[str, PersonScores]) -> None:
    """Write how well each person was recognised as strict JSON.

    Args:
        path: of the file; its folder is there.
        people: by subject.
    """
    path.write_text(json.dumps(people, indent=1, allow_nan=False) + '\n', encoding='utf-8')


def read_metrics(path: Path) -> RunMetrics:
    """Read what :func:`write_metrics` wrote.

    Raises:
        RecordingError: when the file is missing, is not JSON, or lacks a key.
    """
    value = read_json(path, RecordingError, what='the metrics')
    found = set(value) if isinstance(value, dict) else set()
    missing = sorted(RunMetrics.__annotations__.keys() - found)
    if missing:
        raise RecordingError(
            f'{path}: expected the metrics of a run, but {", ".join(missing)} is missing; '
            'write the file again'
        )
    return cast(RunMetrics, value)
