"""Made-up streams of a seed, with everything that goes wrong on a robot."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from activity_recognition.types import (
    NANOSECONDS,
    AudioChunk,
    DecisionTime,
    Frame,
    Modality,
    Sample,
    Utterance,
    Window,
    modality_of,
    to_ns,
)
from factories.bodies import any_body
from factories.networks import TEXTS

START_NS = 1_700_000_000_000_000_000
"""An epoch time, so that float32 seconds would be off by a minute."""
JUMP_BACK_NS = 100 * NANOSECONDS
"""How far a clock jump goes back."""
RATE_HZ = 8000


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a made-up recording holds; times in seconds from its start."""

    seed: int = 0
    duration_s: float = 3.0
    frame_rate_hz: float = 8.0
    lost_frames: float = 0.0
    """Share of the frames that never arrive."""
    chunks: tuple[int, ...] = (400,)
    """Lengths of the audio chunks in samples, over and over again."""
    sample_rate_hz: int = RATE_HZ
    """Of the sound."""
    utterances: int = 3
    silences: tuple[tuple[Modality, float, float], ...] = ()
    """Modality, start and end of what is missing."""
    jumps: tuple[float, ...] = ()
    """When the clock is set back, and the stamps with it."""
    has_key_points: bool = True
    """Whether its frames have key points as well."""

    def misses(self, modality: Modality, time_s: float) -> bool:
        """Tell whether a modality is silent at a time."""
        return any(m is modality and start <= time_s < end for m, start, end in self.silences)


def samples(scene: Scene) -> list[Sample]:
    """Return a scene's samples in order of arrival."""
    rng = np.random.default_rng(scene.seed)
    found: list[Sample] = [*frames(scene, rng), *audio(scene, rng), *utterances(scene, rng)]
    found.sort(key=lambda sample: sample.arrival_ns)
    return [_after_jumps(sample, scene) for sample in found]


def frames(scene: Scene, rng: np.random.Generator) -> Iterator[Frame]:
    """Yield frames of several sizes, delayed by up to 60 ms, which have key points as well."""
    bodies = np.random.default_rng(scene.seed + 2)
    for index in range(int(scene.duration_s * scene.frame_rate_hz)):
        time_s = index / scene.frame_rate_hz
        stamp_ns = START_NS + to_ns(time_s)
        size = ((32, 32), (24, 40))[index % 2]
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        arrival_ns = stamp_ns + int(rng.integers(0, 60_000_000))
        if rng.random() >= scene.lost_frames and not scene.misses(Modality.VIDEO, time_s):
            yield Frame(
                stamp_ns=stamp_ns,
                arrival_ns=arrival_ns,
                image=image,
                key_points=any_body(bodies) if scene.has_key_points else None,
            )


def audio(scene: Scene, rng: np.random.Generator) -> Iterator[AudioChunk]:
    """Yield noise of changing loudness in chunks; a silence leaves out whole chunks."""
    rate_hz = scene.sample_rate_hz
    pcm = noise(rng, int(scene.duration_s * rate_hz))
    start, index = 0, 0
    while start < len(pcm):
        stop = start + scene.chunks[index % len(scene.chunks)]
        if not scene.misses(Modality.AUDIO, start / rate_hz):
            yield chunk(pcm, start, stop, rate_hz=rate_hz)
        start, index = stop, index + 1


def noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return noise whose loudness changes every 2000 samples."""
    loudness = np.repeat(rng.uniform(0.0, 0.3, count // 2000 + 1), 2000)[:count]
    return np.clip(rng.standard_normal(count) * loudness, -1, 1).astype(np.float32)


def chunk(
    pcm: np.ndarray, start: int, stop: int, *, start_ns: int = START_NS, rate_hz: int = RATE_HZ
) -> AudioChunk:
    """Return the samples of ``pcm`` from ``start`` to ``stop``, arriving when the last is taken."""
    part = pcm[start:stop]
    stamp_ns = start_ns + start * NANOSECONDS // rate_hz
    return AudioChunk(
        stamp_ns=stamp_ns,
        arrival_ns=stamp_ns + len(part) * NANOSECONDS // rate_hz,
        samples=part,
        sample_rate_hz=rate_hz,
    )


def utterances(scene: Scene, rng: np.random.Generator) -> Iterator[Utterance]:
    """Yield utterances 0.3 to 3 s late, every other one with the stamp of the one before it."""
    stamp_ns = START_NS
    for index in range(scene.utterances):
        time_s = float(rng.uniform(0, scene.duration_s))
        if index % 2 == 0:
            stamp_ns = START_NS + to_ns(time_s)
        text = ' '.join(rng.choice(TEXTS, size=int(rng.integers(1, 4))))
        arrival_ns = stamp_ns + to_ns(float(rng.uniform(0.3, 3.0)))
        if not scene.misses(Modality.TEXT, time_s):
            yield Utterance(stamp_ns=stamp_ns, arrival_ns=arrival_ns, text=text)


def by_hand(scene: Scene) -> list[Window]:
    """Return windows no synchroniser would make: decisions at any time, crowds, empty windows."""
    rng = np.random.default_rng(scene.seed + 1)
    windows: list[Window] = []
    waiting: list[Sample] = []
    newest: dict[Modality, int] = {}
    arrival_ns, jumps = START_NS - JUMP_BACK_NS * len(scene.jumps) - NANOSECONDS, 0
    for sample in samples(dataclasses.replace(scene, jumps=())):
        arrived_s = (sample.arrival_ns - START_NS) / NANOSECONDS
        reset = jumps < len(scene.jumps) and arrived_s >= sorted(scene.jumps)[jumps]
        if reset:
            windows.append(Window(samples=tuple(waiting)))
            waiting, newest, jumps = [], {}, jumps + 1
        arrival_ns = max(sample.arrival_ns, arrival_ns + 1)
        modality = modality_of(sample)
        if modality is Modality.TEXT or sample.stamp_ns > newest.get(modality, 0):
            newest[modality] = sample.stamp_ns
            waiting.append(dataclasses.replace(sample, arrival_ns=arrival_ns))
        if reset or rng.random() < 0.6:
            t_ns = arrival_ns + to_ns(float(rng.uniform(-1.0, 0.5)))
            decision = DecisionTime(t_ns=t_ns, arrival_ns=arrival_ns)
            windows.append(Window(reset=reset, samples=tuple(waiting), decision=decision))
            waiting = []
    return windows


def without(found: Sequence[Sample], modality: Modality) -> list[Sample]:
    """Return the samples of the other modalities."""
    return [sample for sample in found if modality_of(sample) is not modality]


def _after_jumps(sample: Sample, scene: Scene) -> Sample:
    arrived_s = (sample.arrival_ns - START_NS) / NANOSECONDS
    back_ns = JUMP_BACK_NS * sum(jump <= arrived_s for jump in scene.jumps)
    return dataclasses.replace(
        sample, stamp_ns=sample.stamp_ns - back_ns, arrival_ns=sample.arrival_ns - back_ns
    )
