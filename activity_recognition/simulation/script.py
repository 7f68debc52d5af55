"""The schedule of a recording: which activity from when to when."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.config import ACTIVITY_TABLE, Activity, SimulationConfig
from activity_recognition.types import LabelSpan

AWAY = '(away)'
"""Label of a segment in which somebody walks out of the image and comes back; it is no truth."""
_ABSENCE = Activity(motion='away')
_FIRST_ABSENCE_S = (6.0, 24.0)
_BETWEEN_ABSENCES_S = (24.0, 48.0)
_ABSENCE_S = (8.0, 11.0)
"""Earliest and latest start of the first absence, from the end of one to the next, and length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One segment of one activity, seconds from the recording's start."""

    index: int
    start_s: float
    end_s: float
    label: str

    @property
    def activity(self) -> Activity:
        """What can be noticed of it."""
        return _ABSENCE if self.is_away else ACTIVITY_TABLE[self.label]

    @property
    def is_away(self) -> bool:
        """Whether it is an absence, which has no label."""
        return self.label == AWAY

    @property
    def span(self) -> LabelSpan:
        """The same as a label."""
        return LabelSpan(start_s=self.start_s, end_s=self.end_s, label=self.label)


def plan_script(config: SimulationConfig) -> tuple[Segment, ...]:
    """Fill the recording with activities, without holes, each about equally often.

    Neighbours never share a motion where the activities allow it, so that a change can be seen.
    """
    rng = stream(config.seed, Stream.SCRIPT)
    segments: list[Segment] = []
    bag: list[str] = []
    start_s = 0.0
    while not segments or segments[-1].end_s < config.duration_s:
        previous = segments[-1].label if segments else None
        if all(_alike(label, previous) for label in bag):
            bag += [str(label) for label in rng.permutation(config.activities)]
        label = _take(bag, previous)
        end_s = _segment_end(config, rng, start_s, ACTIVITY_TABLE[label])
        segments.append(Segment(index=len(segments), start_s=start_s, end_s=end_s, label=label))
        start_s = end_s
    return tuple(segments)


def with_absences(
    segments: tuple[Segment, ...], config: SimulationConfig, rng: np.random.Generator
) -> tuple[Segment, ...]:
    """Let somebody leave and come back now and then between activities.

    What comes after an absence is later by its length; the recording ends where it did.

    Args:
        segments: of the script, in order.
        config: of the recording.
        rng: draws when and for how long.
    """
    found: list[Segment] = []
    due_s, delay_s = float(rng.uniform(*_FIRST_ABSENCE_S)), 0.0

    def add(label: str, start_s: float, end_s: float) -> None:
        found.append(Segment(index=len(found), start_s=start_s, end_s=end_s, label=label))

    for segment in segments:
        start_s = round(segment.start_s + delay_s, 3)
        if found and config.duration_s - start_s < config.min_segment_s:
            break
        if found and start_s >= due_s and config.duration_s - start_s > 2 * _ABSENCE_S[1]:
            end_s = round(start_s + float(rng.uniform(*_ABSENCE_S)), 3)
            add(AWAY, start_s, end_s)
            delay_s += end_s - start_s
            start_s, due_s = end_s, end_s + float(rng.uniform(*_BETWEEN_ABSENCES_S))
        add(segment.label, start_s, min(round(segment.end_s + delay_s, 3), config.duration_s))
    found[-1] = replace(found[-1], end_s=config.duration_s)
    return tuple(found)


def segment_at(segments: tuple[Segment, ...], time_s: float) -> Segment:
    """Return the segment that holds a time, seconds from the recording's start.

    Args:
        segments: of the script, in order.
        time_s: seconds from the recording's start.
    """
    return next((s for s in segments if time_s < s.end_s), segments[-1])


def _alike(label: str, previous: str | None) -> bool:
    """Return whether a change between two activities cannot be seen."""
    return previous is not None and ACTIVITY_TABLE[label].motion == ACTIVITY_TABLE[previous].motion


def _take(bag: list[str], previous: str | None) -> str:
    """Remove and return the first activity of ``bag`` that visibly differs from ``previous``."""
    for place, label in enumerate(bag):
        if not _alike(label, previous):
            return bag.pop(place)
    others = (place for place, label in enumerate(bag) if label != previous)
    return bag.pop(next(others, 0))


def _segment_end(
    config: SimulationConfig, rng: np.random.Generator, start_s: float, activity: Activity
) -> float:
    """Draw an end; a rest too short for another activity is added to this one."""
    shortest = config.min_spoken_segment_s if activity.intent else config.min_segment_s
    # Milliseconds, so that labels survive being written as text.
    end_s = round(start_s + float(rng.uniform(shortest, config.max_segment_s)), 3)
    return config.duration_s if config.duration_s - end_s < config.min_segment_s else end_s
