"""A simulated recording: labels, and samples in the order in which they arrive."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from activity_recognition.simulation.choreography import Choreography, choreograph
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.simulation.sampling import samples_of
from activity_recognition.simulation.script import Segment, plan_script
from activity_recognition.simulation.speech import Transcript, plan_speech, transcribe
from activity_recognition.simulation.video import Scene, draw_scene
from activity_recognition.types import ALL_MODALITIES, LabelSpan, Sample


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Simulation:
    """One drawn recording; iterate ``samples()`` as often as needed, it is always the same."""

    config: SimulationConfig
    segments: tuple[Segment, ...]
    labels: tuple[LabelSpan, ...]
    """The truth, from 0 to the recording's end without holes."""
    scene: Scene
    choreography: Choreography
    transcripts: tuple[Transcript, ...]

    def samples(self) -> Iterator[Sample]:
        """Yield every sample in order of arrival, drawing and synthesising as it goes."""
        wanted = [item for item in ALL_MODALITIES if item in self.config.modalities]
        sources = [samples_of(self, modality) for modality in wanted]
        return heapq.merge(*sources, key=lambda sample: sample.arrival_ns)


def simulate(config: SimulationConfig) -> Simulation:
    """Draw a recording. The same configuration always gives the same samples, byte for byte."""
    segments = plan_script(config)
    scene = draw_scene(config)
    return Simulation(
        config=config,
        segments=segments,
        labels=tuple(segment.span for segment in segments),
        scene=scene,
        choreography=choreograph(config, segments, scene.stage),
        transcripts=transcribe(config, plan_speech(config, segments)),
    )
