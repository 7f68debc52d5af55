"""Several people in one room: each with a script, a place, looks and a voice of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.choreography import choreograph
from activity_recognition.simulation.config import ACTIVITY_TABLE, SimulationConfig
from activity_recognition.simulation.person import draw_looks
from activity_recognition.simulation.script import Segment, plan_script, with_absences
from activity_recognition.simulation.sound import Acoustics, SoundTrack, draw_acoustics
from activity_recognition.simulation.speech import Transcript, plan_speech, transcribe
from activity_recognition.simulation.stage import Stage
from activity_recognition.simulation.video import Actor, Scene
from activity_recognition.types import LabelSpan

SUBJECTS = ('ann', 'ben', 'eva', 'tom')
"""Names of the people, the first has the table."""

_PLACES = {2: (0.45, -0.45), 3: (0.5, -0.62, -0.2), 4: (0.5, -0.68, -0.1, -0.36)}
"""By number of people, how far each is from the middle, towards the table where positive; shares of
half of what the camera sees."""
_LANES_M = (0.0, 0.05, 0.5, -0.25)
"""How much farther from the camera each is: who is nearer hides others."""
_REACH = 0.12
"""How far from their place people stand, as a share of half of what the camera sees."""
_ONLY_FOR = {'sit': 0, 'reach': 1}
"""There is one chair, and one cupboard: who uses them, by motion."""
_PITCHES_HZ = ((95.0, 120.0), (130.0, 155.0), (165.0, 190.0), (200.0, 230.0))
"""Ranges of voices that nobody takes for each other."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Member:
    """One of several people."""

    subject: str
    config: SimulationConfig
    """Of a recording of this person alone: what it draws is its own."""
    segments: tuple[Segment, ...]
    actor: Actor
    transcripts: tuple[Transcript, ...]
    """What this person says, and what the radio says meanwhile."""
    acoustics: Acoustics
    """The room's, with a voice of its own; the background is heard with the first alone."""

    @property
    def own_words(self) -> tuple[Transcript, ...]:
        """What this person says."""
        return tuple(item for item in self.transcripts if not item.spoken.from_radio)

    @property
    def sound(self) -> SoundTrack:
        """What is heard of this person."""
        return SoundTrack(
            config=self.config,
            segments=self.segments,
            choreography=self.actor.choreography,
            spoken=tuple(item.spoken for item in self.transcripts),
            acoustics=self.acoustics,
        )

    @property
    def labels(self) -> tuple[LabelSpan, ...]:
        """The truth about this person; there is none of an absence."""
        return tuple(
            replace(segment.span, subject=self.subject)
            for segment in self.segments
            if not segment.is_away
        )


def gather(config: SimulationConfig, scene: Scene) -> tuple[Member, ...]:
    """Draw everybody in a recording with several people.

    Args:
        config: of the recording.
        scene: room and camera, and the looks of the first.
    """
    rng = stream(config.seed, Stream.OTHERS)
    room = draw_acoustics(config)
    silent = np.zeros(1, np.float32)
    voices = [_PITCHES_HZ[place] for place in rng.permutation(len(_PITCHES_HZ))]
    members = []
    for index, subject in enumerate(SUBJECTS[: config.people]):
        own = _config_of(config, index)
        looks = scene.looks if index == 0 else draw_looks(stream(own.seed, Stream.PERSON))
        segments = with_absences(plan_script(own), own, stream(own.seed, Stream.OTHERS))
        stage = _stage_of(scene.stage, index, config.people)
        background = room.background if index == 0 else silent
        pitch_hz = float(rng.uniform(*voices[index]))
        members.append(
            Member(
                subject=subject,
                config=own,
                segments=segments,
                actor=Actor(looks=looks, choreography=choreograph(own, segments, stage)),
                transcripts=_transcripts(own, segments),
                acoustics=replace(room, background=background, pitch_hz=pitch_hz),
            )
        )
    return tuple(members)


def _transcripts(config: SimulationConfig, segments: tuple[Segment, ...]) -> tuple[Transcript, ...]:
    """Return what is heard of one of the people, who says nothing while away."""
    spoken = plan_speech(config, segments)
    return transcribe(config, tuple(s for s in spoken if not segments[s.segment].is_away))


def _config_of(config: SimulationConfig, index: int) -> SimulationConfig:
    """Return the configuration of a recording of one of the people alone."""
    seed = int(stream(config.seed, Stream.OTHERS, 1 + index).integers(2**62))
    able = tuple(
        label
        for label in config.activities
        if _ONLY_FOR.get(ACTIVITY_TABLE[label].motion, index) == index
    )
    return replace(config, seed=seed, people=1, activities=able or ('none',))


def _stage_of(stage: Stage, index: int, people: int) -> Stage:
    """Return the floor plan with the place of one of the people."""
    return replace(
        stage,
        centre_m=stage.side * _PLACES[people][index] * stage.half_width_m,
        lane_m=_LANES_M[index],
        reach=_REACH,
    )
