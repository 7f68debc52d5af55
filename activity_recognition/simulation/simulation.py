"""A simulated recording: labels, and samples in the order in which they arrive."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from activity_recognition.persons import Sighting
from activity_recognition.simulation.choreography import Choreography, choreograph
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.simulation.crowd import Member, gather
from activity_recognition.simulation.sampling import samples_of
from activity_recognition.simulation.sampling.text import utterances
from activity_recognition.simulation.script import Segment, plan_script
from activity_recognition.simulation.speech import Transcript, plan_speech, transcribe
from activity_recognition.simulation.tracking import sightings
from activity_recognition.simulation.video import Actor, Scene, draw_scene
from activity_recognition.types import ALL_MODALITIES, LabelSpan, Sample, Utterance


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Simulation:
    """One drawn recording; iterate ``samples()`` as often as needed, it is always the same."""

    config: SimulationConfig
    segments: tuple[Segment, ...]
    """Of one person, or of the first of several."""
    labels: tuple[LabelSpan, ...]
    """The truth: of one person from 0 to the recording's end without holes, of several by subject,
    with holes while they are away."""
    scene: Scene
    choreography: Choreography
    """Of one person, or of the first of several."""
    transcripts: tuple[Transcript, ...]
    """Of everybody."""
    members: tuple[Member, ...] = ()
    """Everybody, where they are several."""

    def sightings(self) -> Iterator[Sighting]:
        """Yield what a tracker says of each image of several people, in order of arrival."""
        return sightings(self)

    def said(self) -> Iterator[tuple[str, Utterance]]:
        """Yield what each of several people says, with who, as far as their voices are known.

        What the radio says is nobody's.
        """
        heard = [
            (member.subject, utterance)
            for member in self.members
            for utterance in utterances(self.config, member.own_words)
        ]
        return iter(sorted(heard, key=lambda item: item[1].arrival_ns))

    @property
    def others(self) -> tuple[Actor, ...]:
        """All but the first."""
        return tuple(member.actor for member in self.members[1:])

    def samples(self) -> Iterator[Sample]:
        """Yield every sample in order of arrival, drawing and synthesising as it goes."""
        wanted = [item for item in ALL_MODALITIES if item in self.config.modalities]
        sources = [samples_of(self, modality) for modality in wanted]
        return heapq.merge(*sources, key=lambda sample: sample.arrival_ns)


def simulate(config: SimulationConfig) -> Simulation:
    """Draw a recording. The same configuration always gives the same samples, byte for byte."""
    scene = draw_scene(config)
    if config.people > 1:
        return _simulate_several(config, scene)
    segments = plan_script(config)
    return Simulation(
        config=config,
        segments=segments,
        labels=tuple(segment.span for segment in segments),
        scene=scene,
        choreography=choreograph(config, segments, scene.stage),
        transcripts=transcribe(config, plan_speech(config, segments)),
    )


def _simulate_several(config: SimulationConfig, scene: Scene) -> Simulation:
    members = gather(config, scene)
    return Simulation(
        config=config,
        segments=members[0].segments,
        labels=tuple(sorted(span for member in members for span in member.labels)),
        scene=scene,
        choreography=members[0].actor.choreography,
        transcripts=tuple(item for member in members for item in member.transcripts),
        members=members,
    )
