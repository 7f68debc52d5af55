"""The microphone: chunks of the sound track, a few milliseconds late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.sound import SoundTrack, draw_acoustics
from activity_recognition.simulation.timbre import Samples
from activity_recognition.types import NANOSECONDS, AudioChunk, to_ns

if TYPE_CHECKING:
    from activity_recognition.simulation.simulation import Simulation

MICROPHONE_FRAME = 'microphone'


def samples(simulation: Simulation) -> Iterator[AudioChunk]:
    """Yield the microphone's chunks."""
    config = simulation.config
    rng = stream(config.seed, Stream.TRANSPORT_AUDIO)
    first, newest_ns = 0, 0
    for values in _messages(simulation):
        chunk = AudioChunk(
            stamp_ns=config.start_ns + first * NANOSECONDS // config.sample_rate_hz,
            arrival_ns=0,
            samples=values,
            sample_rate_hz=config.sample_rate_hz,
            frame_id=MICROPHONE_FRAME,
        )
        first += len(values)
        newest_ns = max(newest_ns + 1, chunk.end_ns + to_ns(float(rng.uniform(0.004, 0.02))))
        yield AudioChunk(
            stamp_ns=chunk.stamp_ns,
            arrival_ns=newest_ns,
            samples=values,
            sample_rate_hz=config.sample_rate_hz,
            frame_id=MICROPHONE_FRAME,
        )


def _messages(simulation: Simulation) -> Iterator[Samples]:
    """Yield the messages' samples; the last one may have fewer. Several people are mixed."""
    if not simulation.members:
        yield from _cut(
            SoundTrack(
                config=simulation.config,
                segments=simulation.segments,
                choreography=simulation.choreography,
                spoken=tuple(item.spoken for item in simulation.transcripts),
                acoustics=draw_acoustics(simulation.config),
            )
        )
        return
    for parts in zip(*(_cut(member.sound) for member in simulation.members), strict=True):
        yield np.clip(np.sum(parts, axis=0), -1.0, 1.0).astype(np.float32)


def _cut(track: SoundTrack) -> Iterator[Samples]:
    """Cut a sound track into messages."""
    size = track.config.chunk_samples
    rest = np.zeros(0, np.float32)
    for block in track.blocks():
        joined = np.concatenate([rest, block])
        whole = len(joined) // size * size
        for first in range(0, whole, size):
            yield joined[first : first + size].copy()
        rest = joined[whole:]
    if len(rest):
        yield rest.copy()
