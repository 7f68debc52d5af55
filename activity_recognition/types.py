"""The values that travel through the package, from a sensor to a decision.

Stamps are integer nanoseconds since the epoch of the clock in use (``*_ns``); durations are float
seconds (``*_s``). Every sample carries two times: ``stamp_ns``, when it happened, and
``arrival_ns``, when it could be known (live: the node's clock at receipt; in a recording: the
record time).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from activity_recognition.keypoints import KeyPoints

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""


def seconds_between(later_ns: int, earlier_ns: int) -> float:
    """Return ``later_ns - earlier_ns`` in seconds, subtracted as integers.

    Args:
        later_ns: a stamp, nanoseconds.
        earlier_ns: another, of the same clock.
    """
    return (later_ns - earlier_ns) / NANOSECONDS


def to_ns(seconds: float) -> int:
    """Return a duration in integer nanoseconds."""
    return round(seconds * NANOSECONDS)


class Modality(str, Enum):
    """One kind of input."""

    VIDEO = 'video'
    AUDIO = 'audio'
    TEXT = 'text'
    IMU = 'imu'

    def __str__(self) -> str:
        return self.value


ALL_MODALITIES = tuple(Modality)
"""All modalities in the order every array, message and table uses."""
MODALITIES = (Modality.VIDEO, Modality.AUDIO, Modality.TEXT)
"""Those of a network, a recording or a simulation that does not say which it has."""


class Role(str, Enum):
    """What a topic is to the recogniser."""

    IMAGE = 'image'
    AUDIO = 'audio'
    AUDIO_INFO = 'audio_info'
    TRANSCRIPT = 'transcript'
    IMU = 'imu'

    def __str__(self) -> str:
        return self.value


class Crop(NamedTuple):
    """A square part of an image, perhaps beyond its edges; whole pixels."""

    left: int
    """Its first column; negative where it begins left of the image."""
    top: int
    """Its first row, likewise."""
    side: int
    """Length of its sides, at least 1."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frame:
    """One camera image."""

    modality: ClassVar[Modality] = Modality.VIDEO
    stamp_ns: int
    arrival_ns: int
    image: NDArray[np.uint8]
    """RGB, (H, W, 3), contiguous."""
    frame_id: str = ''
    """Coordinate frame of the camera (REP 103)."""
    key_points: KeyPoints | None = None
    """What ``image`` is drawn of, where the source has key points instead of images."""
    crop: Crop | None = None
    """The part of ``image`` that is meant, where it is of one person; None for all of it."""
    full_size: tuple[int, int] | None = None
    """Width and height of the camera's image, where ``image`` is smaller; None where it is not."""

    @property
    def end_ns(self) -> int:
        """When it ends: as it begins, for an image is of one moment."""
        return self.stamp_ns


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chunk:
    """A run of consecutive samples at a fixed rate."""

    modality: ClassVar[Modality]
    stamp_ns: int
    """When the first sample was taken."""
    arrival_ns: int
    samples: NDArray[np.float32]
    """(N, ...), N >= 1."""
    sample_rate_hz: int
    frame_id: str = ''
    """Coordinate frame of the sensor."""

    @property
    def end_ns(self) -> int:
        """When the sample after the last one is due."""
        return self.stamp_ns + len(self.samples) * NANOSECONDS // self.sample_rate_hz

    def cut(self, begin: int, end: int) -> Self:
        """Return the samples from one index to another, stamped accordingly.

        Args:
            begin: index of the first sample.
            end: index after the last one.
        """
        stamp_ns = self.stamp_ns + begin * NANOSECONDS // self.sample_rate_hz
        return replace(self, stamp_ns=stamp_ns, samples=self.samples[begin:end])

    def split(self) -> tuple[Self, ...]:
        """Return it as chunks of at most a second, each with the chunk's arrival."""
        count = len(self.samples)
        # Of equal length: a rest of some samples could lie behind the next chunk's corrected stamp.
        number = -(-count // self.sample_rate_hz)
        edges = [count * index // number for index in range(number + 1)]
        return tuple(self.cut(begin, end) for begin, end in pairwise(edges))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AudioChunk(Chunk):
    """A run of consecutive mono samples, (N,), in [-1, 1]."""

    modality: ClassVar[Modality] = Modality.AUDIO


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class InertialChunk(Chunk):
    """What a sensor on the person measured, (N, 6).

    Acceleration with gravity, m/s², then angular velocity, rad/s, about the axes of the sensor
    (REP 145). Each sample is the mean over the period that begins at its stamp.
    """

    modality: ClassVar[Modality] = Modality.IMU


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """One recognised utterance."""

    modality: ClassVar[Modality] = Modality.TEXT
    stamp_ns: int
    """End of the utterance: when its last word was spoken."""
    arrival_ns: int
    text: str
    start_ns: int | None = None
    confidence: float | None = None
    """Of the speech recogniser, in [0, 1]."""
    locale: str = ''
    """BCP 47 language tag, empty where unknown."""
    frame_id: str = ''

    @property
    def end_ns(self) -> int:
        """When its last word was spoken."""
        return self.stamp_ns


Sample = Frame | AudioChunk | Utterance | InertialChunk
"""Anything a sensor delivers."""


def modality_of(sample: Sample) -> Modality:
    """Return the modality a sample belongs to."""
    return sample.modality


def split_sample(sample: Sample) -> tuple[Sample, ...]:
    """Return a sample as what the engine takes in one step: long chunks split into seconds.

    So a long message waits like as many short ones, of which the oldest give way where too many
    wait.
    """
    if not isinstance(sample, Chunk) or len(sample.samples) <= sample.sample_rate_hz:
        return (sample,)
    return sample.split()


# Moments and windows are made for every message, and a tuple in half the time of a frozen class.
class DecisionTime(NamedTuple):
    """The moment a decision speaks of and the moment it is taken."""

    t_ns: int
    """Sensor time the decision is about."""
    arrival_ns: int
    """Only samples that arrived by then are seen."""


class Window(NamedTuple):
    """What the synchroniser hands to the engine at once, in the order it is to be applied."""

    reset: bool = False
    """Forget everything before applying ``samples`` (a time jump)."""
    samples: tuple[Sample, ...] = ()
    """Newly admitted samples in order of arrival."""
    decision: DecisionTime | None = None
    """The decision due after these samples, if one is."""


class Status(IntEnum):
    """What kind of answer a decision is; values match ``ActivityStamped``."""

    OK = 0
    UNKNOWN = 1
    """Inputs are there, but no label is probable enough."""
    NO_DATA = 2
    """No modality delivered anything inside its window."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModalityEvidence:
    """What one modality contributed to a decision."""

    modality: Modality
    present: bool
    age_s: float = float('nan')
    """Decision time minus stamp of its newest sample, also when that has left the window; NaN when
    none has arrived since the start or the last reset."""
    label: str = ''
    confidence: float = float('nan')
    """Probability of its own best label from its unimodal head; NaN when absent."""
    weight: float = float('nan')
    """Drop of the winner's probability when this modality is masked; NaN when not computed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Decision:
    """One answer of the recogniser."""

    t_ns: int
    arrival_ns: int
    status: Status
    class_id: int
    """Index into the label list; -1 unless ``status`` is OK."""
    label: str
    """Empty unless ``status`` is OK."""
    confidence: float
    """Smoothed, calibrated probability of the best class, in [0, 1]; 0 for NO_DATA."""
    probabilities: NDArray[np.float32]
    """(num_activities,), smoothed and calibrated."""
    logits: NDArray[np.float32]
    """(num_activities,), raw, of this decision alone."""
    evidence: tuple[ModalityEvidence, ...]
    window_start_ns: int
    """Oldest moment that can have influenced the decision."""
    stable_since_ns: int
    """Since when ``label`` and ``status`` have been this."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class LabelSpan:
    """A labelled span of a recording, seconds from the recording's start."""

    start_s: float
    end_s: float
    label: str = field(compare=False)
    subject: str = field(default='', compare=False)
    """Of whom it is true; empty where there is one person, or the whole scene is meant."""
