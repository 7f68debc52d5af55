"""A simulated recording: labels, and samples in the order in which they arrive."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.choreography import Choreography, choreograph
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.simulation.script import Segment, plan_script
from activity_recognition.simulation.sound import SoundTrack, draw_acoustics
from activity_recognition.simulation.speech import Transcript, plan_speech, transcribe
from activity_recognition.simulation.timbre import Samples
from activity_recognition.simulation.video import Scene, draw_scene, render_frames
from activity_recognition.types import (
    NANOSECONDS,
    AudioChunk,
    Frame,
    LabelSpan,
    Modality,
    Sample,
    Utterance,
    to_ns,
)

CAMERA_FRAME = 'camera'
MICROPHONE_FRAME = 'microphone'
LOCALE = 'en'


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
        sources: dict[Modality, Iterator[Sample]] = {
            Modality.VIDEO: self._frames(),
            Modality.AUDIO: self._chunks(),
            Modality.TEXT: self._utterances(),
        }
        wanted = [sources[item] for item in sources if item in self.config.modalities]
        return heapq.merge(*wanted, key=lambda sample: sample.arrival_ns)

    def _frames(self) -> Iterator[Frame]:
        config = self.config
        rng = stream(config.seed, Stream.TRANSPORT_VIDEO)
        newest_ns = 0
        for index, (_, image) in enumerate(render_frames(self.scene, self.choreography)):
            # From the index, not by adding periods: the grid must not drift.
            stamp_ns = config.start_ns + round(index * NANOSECONDS / config.frame_rate_hz)
            newest_ns = max(newest_ns + 1, stamp_ns + to_ns(float(rng.uniform(0.008, 0.035))))
            yield Frame(stamp_ns=stamp_ns, arrival_ns=newest_ns, image=image, frame_id=CAMERA_FRAME)

    def _chunks(self) -> Iterator[AudioChunk]:
        config = self.config
        rng = stream(config.seed, Stream.TRANSPORT_AUDIO)
        first, newest_ns = 0, 0
        for samples in self._chunk_samples():
            chunk = AudioChunk(
                stamp_ns=config.start_ns + first * NANOSECONDS // config.sample_rate_hz,
                arrival_ns=0,
                samples=samples,
                sample_rate_hz=config.sample_rate_hz,
                frame_id=MICROPHONE_FRAME,
            )
            first += len(samples)
            newest_ns = max(newest_ns + 1, chunk.end_ns + to_ns(float(rng.uniform(0.004, 0.02))))
            yield AudioChunk(
                stamp_ns=chunk.stamp_ns,
                arrival_ns=newest_ns,
                samples=samples,
                sample_rate_hz=config.sample_rate_hz,
                frame_id=MICROPHONE_FRAME,
            )

    def _chunk_samples(self) -> Iterator[Samples]:
        """Cut the sound track into messages; the last one may be shorter."""
        size = self.config.chunk_samples
        track = SoundTrack(
            config=self.config,
            segments=self.segments,
            choreography=self.choreography,
            spoken=tuple(item.spoken for item in self.transcripts),
            acoustics=draw_acoustics(self.config),
        )
        rest = np.zeros(0, np.float32)
        for block in track.blocks():
            joined = np.concatenate([rest, block])
            whole = len(joined) // size * size
            for first in range(0, whole, size):
                yield joined[first : first + size].copy()
            rest = joined[whole:]
        if len(rest):
            yield rest.copy()

    def _utterances(self) -> Iterator[Utterance]:
        """Yield what was recognised before the recording ended."""
        config = self.config
        end_ns = config.start_ns + to_ns(config.duration_s)
        arrived = []
        for item in self.transcripts:
            stamp_ns = config.start_ns + to_ns(item.spoken.end_s)
            arrived.append(
                Utterance(
                    stamp_ns=stamp_ns,
                    arrival_ns=stamp_ns + to_ns(item.delay_s),
                    text=item.text,
                    start_ns=config.start_ns + to_ns(item.spoken.start_s),
                    confidence=item.confidence,
                    locale=LOCALE,
                    frame_id=MICROPHONE_FRAME,
                )
            )
        for utterance in sorted(arrived, key=lambda item: item.arrival_ns):
            if utterance.arrival_ns <= end_ns:
                yield utterance


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
