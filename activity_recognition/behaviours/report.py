"""What was reported of an activity, and what a tree can make of it at one moment.

Free of ROS: :mod:`activity_recognition.behaviours.subscriber` turns messages into reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from activity_recognition.types import ModalityEvidence, Status, seconds_between

NONE_LABEL = 'none'
"""The activity that means: somebody is watched, and does nothing that the labels name."""


class Situation(Enum):
    """What the recognizer has to say, or that it says nothing."""

    ACTIVITY = 'activity'
    """It names an activity."""
    NONE = 'none'
    """It watches, and nothing is being done: the label is ``none``."""
    UNKNOWN = 'unknown'
    """It has inputs, and no label is probable enough."""
    NO_DATA = 'no_data'
    """It is alive, and no camera, microphone or transcript reaches it."""
    SILENT = 'silent'
    """It has not spoken for too long: it is dead, stuck, inactive, or on another topic."""
    WAITING = 'waiting'
    """Nothing was received yet, and not for long enough to call it silent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One decision of the recognizer, as it came over the topic."""

    stamp_ns: int
    """Sensor time the decision speaks of."""
    status: Status
    label: str = ''
    """Empty unless ``status`` is OK."""
    confidence: float = 0.0
    """Probability of the label, of the best candidate when UNKNOWN, in [0, 1]."""
    stable_since_ns: int = 0
    """Sensor time since which the label has been reported without interruption."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Probability of every label the recognizer knows, highest first; empty without data."""
    evidence: tuple[ModalityEvidence, ...] = ()
    """What each modality contributed."""
    subject_id: str = ''
    """Who it is about; empty for the whole scene."""
    frame_id: str = ''
    """Coordinate frame of that person where the recognizer knows it, else of the sensor."""

    @property
    def situation(self) -> Situation:
        """What the report says, once it is received."""
        if self.status is Status.UNKNOWN:
            return Situation.UNKNOWN
        if self.status is Status.NO_DATA:
            return Situation.NO_DATA
        return Situation.NONE if self.label == NONE_LABEL else Situation.ACTIVITY


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """The newest report as seen at one moment."""

    situation: Situation
    report: Report | None = None
    """None while SILENT or WAITING: what was said before is no longer to be acted on."""
    age_s: float = float('inf')
    """Age of the newest report: the time since the sensor's stamp or, where the sensor's clock
    is ahead, since it was received. Infinite before the first report."""
    silence_s: float = 0.0
    """Seconds since something was received, or since listening began; never negative."""
    is_of_person: bool = False
    """Whether it is of one person, who may come and leave, and not of the scene."""

    @property
    def status(self) -> Status | None:
        """Status of the report, None without one."""
        return self.report.status if self.report else None

    @property
    def label(self) -> str:
        """The activity, empty where none is named."""
        return self.report.label if self.report else ''

    @property
    def confidence(self) -> float:
        """Probability of the label, in [0, 1]; 0 without a report."""
        return self.report.confidence if self.report else 0.0

    @property
    def stable_s(self) -> float:
        """How long the label has been reported without interruption, seconds of sensor time."""
        if self.report is None or self.report.status is not Status.OK:
            return 0.0
        return max(0.0, seconds_between(self.report.stamp_ns, self.report.stable_since_ns))

    @property
    def evidence(self) -> tuple[ModalityEvidence, ...]:
        """What each modality contributed; empty without a report."""
        return self.report.evidence if self.report else ()

    def __str__(self) -> str:
        """Return the situation in words, as leaves show it."""
        if self.situation is Situation.SILENT:
            asked = 'is this person there, and ' if self.is_of_person else 'is '
            silent = f'silent: nothing received for {self.silence_s:.1f} s'
            return f'{silent}; {asked}the recognizer active?'
        if self.report is None:
            return 'waiting for the first message'
        if self.situation is Situation.NO_DATA:
            if self.is_of_person:
                return "no data: this person has left, or nothing reaches the recognizer's inputs"
            return 'no data: the recognizer runs, but nothing reaches its inputs'
        if self.situation is Situation.UNKNOWN:
            best = next(iter(self.report.scores), 'the best candidate')
            return f'unknown: {best} with {self.confidence:.2f} is not probable enough'
        held = f'{self.label} with {self.confidence:.2f} for {self.stable_s:.1f} s'
        return f'{held}, {self.age_s:.1f} s old'
