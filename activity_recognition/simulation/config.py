"""What a simulated recording is made of: activities, and the knobs that vary it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from activity_recognition.errors import ConfigError, quoted
from activity_recognition.types import ALL_MODALITIES, MODALITIES, Modality


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """What the camera, the microphone and the speech recogniser get to notice of an activity.

    Activities that name the same ``motion`` (or ``sound``) are drawn from the very same generator,
    so that modality alone cannot distinguish them.
    """

    motion: str
    """Pose program, a key of ``poses.MOTIONS``."""
    sound: str = 'quiet'
    """Sound program, a key of ``sound.SOUNDS``; speech comes on top of it."""
    intent: str | None = None
    """What the person says, a key of ``phrases.INTENTS``; None: nothing that names the activity."""


ACTIVITY_TABLE = MappingProxyType(
    {
        'none': Activity(motion='idle'),
        'resting': Activity(motion='lie'),
        'fallen': Activity(motion='lie', sound='groans'),
        'drinking': Activity(motion='drink'),
        'walking': Activity(motion='walk', sound='steps'),
        'exercising': Activity(motion='exercise', sound='steps'),
        'knocking': Activity(motion='reach', sound='knocks'),
        'wiping': Activity(motion='reach', sound='rubbing'),
        'typing': Activity(motion='sit', sound='keys'),
        'eating': Activity(motion='sit', sound='crockery'),
        'greeting': Activity(motion='wave', intent='greeting'),
        'calling_for_help': Activity(motion='wave', intent='help'),
        'asking_robot': Activity(motion='gesture', intent='request'),
        'chatting': Activity(motion='gesture', intent='chat'),
    }
)
"""Every activity by label. Pairs share motion (only sound or words differ), sound, or both."""

ACTIVITIES = tuple(ACTIVITY_TABLE)
"""Labels of all activities, ``none`` first."""

MOST_PEOPLE = 4
"""More than these do not fit a room."""

PHRASINGS = ('all', 'train', 'rearranged', 'heldout')


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationConfig:
    """One simulated recording: one room, one camera, one person or several.

    Raises:
        ConfigError: when a value lies outside its range.
    """

    seed: int = 0
    """Decides everything that is drawn; the same seed gives the same bytes."""
    duration_s: float = 60.0
    """Length of the recording, seconds, above 0."""
    frame_rate_hz: float = 15.0
    """Camera frames a second, in (0, 240]."""
    width_px: int = 192
    height_px: int = 144
    """Size of the cameran image, pixels, each in [32, 4096]."""
    sample_rate_hz: int = 16_000
    """Audio samples a second, in [8000, 96000]."""
    audio_chunk_s: float = 0.064
    """Length of an audio message, seconds, in [0.005, 1]."""
    start_ns: int = 1_700_000_000_000_000_000
    """Stamp of the recording's first moment, nanoseconds, not negative."""
    difficulty: float = 0.5
    """Camera noise, occlusion, background sound and recogniser errors, from 0 (clean) to 1."""
    modalities: tuple[Modality, ...] = MODALITIES
    """What is recorded; leaving one out changes nothing in the others."""
    activities: tuple[str, ...] = ACTIVITIES
    """What a person may do, labels of ``ACTIVITIES``."""
    min_segment_s: float = 8.0
    max_segment_s: float = 18.0
    """Shortest and longest segment of one activity, seconds."""
    min_spoken_segment_s: float = 12.0
    """Shortest segment of an activity that only words distinguish, seconds: they come late."""
    min_transcript_delay_s: float = 0.3
    max_transcript_delay_s: float = 3.0
    """Range of the speech recogniser's delay after the last word, seconds; most are short."""
    phrasings: str = 'all'
    """Sentences to draw from: ``all``, or the disjoint ``train`` and ``heldout``, which differ in
    patterns and in what stands in them; ``rearranged`` has words of ``train`` in other patterns."""
    people: int = 1
    """How many people are there, 1 to 4. Several are told apart by a simulated tracker."""
    missed_regions: float = 0.02
    """Share of a person's images for which the tracker says nothing of somebody it could see."""
    id_swaps: float = 0.1
    """Share of the encounters of two people in the image after which the tracker has their ids
    swapped."""

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_names()
        if not 2 <= self.min_segment_s <= self.max_segment_s:
            raise ConfigError(
                'min_segment_s and max_segment_s must satisfy 2 <= min <= max, got '
                f'{self.min_segment_s} and {self.max_segment_s}'
            )
        if not self.min_segment_s <= self.min_spoken_segment_s <= self.max_segment_s:
            raise ConfigError(
                f'min_spoken_segment_s must lie in [{self.min_segment_s}, {self.max_segment_s}], '
                f'got {self.min_spoken_segment_s}'
            )
        if not 0 <= self.min_transcript_delay_s <= self.max_transcript_delay_s <= 30:
            raise ConfigError(
                'transcript delays must satisfy 0 <= min <= max <= 30 s, got '
                f'{self.min_transcript_delay_s} and {self.max_transcript_delay_s}'
            )

    def _check_ranges(self) -> None:
        ranges = {
            'seed': (0, 2**63 - 1),
            'duration_s': (0.1, 1e6),
            'frame_rate_hz': (1e-3, 240),
            'width_px': (32, 4096),
            'height_px': (32, 4096),
            'sample_rate_hz': (8000, 96_000),
            'audio_chunk_s': (0.005, 1),
            'start_ns': (0, 2**62),
            'difficulty': (0, 1),
            'people': (1, MOST_PEOPLE),
            'missed_regions': (0, 1),
            'id_swaps': (0, 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f'{name} must lie in [{low}, {high}], got {quoted(value)}')

    def _check_names(self) -> None:
        unknown = [label for label in self.activities if label not in ACTIVITY_TABLE]
        if unknown or not self.activities or len(set(self.activities)) != len(self.activities):
            raise ConfigError(
                f'activities must be different labels of {", ".join(ACTIVITIES)}, '
                f'got {quoted(self.activities)}'
            )
        if any(modality not in ALL_MODALITIES for modality in self.modalities):
            raise ConfigError(
                f'modalities must come from {", ".join(ALL_MODALITIES)}, '
                f'got {quoted(self.modalities)}'
            )
        if self.phrasings not in PHRASINGS:
            raise ConfigError(
                f'phrasings must be one of {", ".join(PHRASINGS)}, got {quoted(self.phrasings)}'
            )

    @property
    def chunk_samples(self) -> int:
        """Samples in one audio message."""
        return max(1, round(self.audio_chunk_s * self.sample_rate_hz))

    @property
    def frame_count(self) -> int:
        """Frames whose stamp lies inside the recording."""
        return max(1, int(np.ceil(self.duration_s * self.frame_rate_hz - 1e-9)))

    @property
    def sample_count(self) -> int:
        """Audio samples in the recording."""
        return max(1, round(self.duration_s * self.sample_rate_hz))
