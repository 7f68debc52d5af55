"""The microphone's signal of a recording, synthesised segment by segment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from activity_recognition.simulation import timbre
from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.choreography import Choreography
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.simulation.script import Segment
from activity_recognition.simulation.speech import Spoken
from activity_recognition.simulation.timbre import Rng, Samples

Event = tuple[float, float, Samples]
"""Start in seconds from the segment's start, level in dB above the segment's, samples."""

SoundProgram = Callable[[Rng, int, NDArray[np.float64], float, float], list[Event]]
"""Draws a segment's events: generator, sample rate, beats of the motion in seconds, length of the
segment in seconds, pitch of the person's voice in hertz."""

_BACKGROUND_S = 11.0
"""Length of the background's loop; its ends fit together."""
_TAIL_S = 4.0
"""Longest an event may sound on after its segment."""
_LEAD_S = 1.0
"""Longest an event may begin before its segment."""


def _quiet(
    _rng: Rng, _rate: int, _beats: NDArray[np.float64], _length_s: float, _pitch: float
) -> list[Event]:
    return []


def _per_beat(make: Callable[[Rng, int], Samples], lead_s: float = 0.0) -> SoundProgram:
    """Return a program that makes one sound at every beat, ``lead_s`` before it."""

    def program(
        rng: Rng, rate_hz: int, beats: NDArray[np.float64], _length_s: float, _pitch: float
    ) -> list[Event]:
        return [
            (float(beat) - lead_s, float(rng.uniform(-4, 2)), make(rng, rate_hz)) for beat in beats
        ]

    return program


def _crockery(
    rng: Rng, rate_hz: int, beats: NDArray[np.float64], _length_s: float, _pitch: float
) -> list[Event]:
    """A clink at some of the beats, at least a few tenths of a second apart."""
    events: list[Event] = []
    free_s = 0.0
    for beat in beats:
        if beat >= free_s:
            events.append((float(beat), float(rng.uniform(-5, 1)), timbre.clink(rng, rate_hz)))
            free_s = float(beat) + float(rng.uniform(0.3, 0.9))
    return events


def _groans(
    rng: Rng, rate_hz: int, _beats: NDArray[np.float64], length_s: float, pitch_hz: float
) -> list[Event]:
    """A thud, then groans and scraping for as long as the person lies there."""
    events: list[Event] = [(0.1, 6.0, timbre.thud(rng, rate_hz))]
    time_s = float(rng.uniform(0.3, 0.7))
    while time_s < length_s - 0.3:
        sound = (
            timbre.groan(rng, rate_hz, pitch_hz)
            if rng.random() < 0.65
            else timbre.scrape(rng, rate_hz)
        )
        events.append((time_s, float(rng.uniform(-3, 1)), sound))
        time_s += len(sound) / rate_hz + float(rng.uniform(0.3, 0.9))
    return events


SOUNDS: Mapping[str, SoundProgram] = MappingProxyType(
    {
        'quiet': _quiet,
        'steps': _per_beat(timbre.footstep),
        'knocks': _per_beat(timbre.knock),
        'rubbing': _per_beat(timbre.rub, lead_s=0.17),
        'keys': _per_beat(timbre.key_click),
        'crockery': _crockery,
        'groans': _groans,
    }
)
"""Every sound program by name."""

_NEUTRAL = (timbre.bell, timbre.door, timbre.passing_car)


@dataclass(frozen=True, kw_only=True, slots=True)
class Acoustics:
    """Room, microphone and voice of one recording."""

    background: Samples
    """A loop of noise of root mean square 1."""
    gain: float
    """Factor of the background at the microphone."""
    impulse: Samples
    """The room's answer to a click, its first sample 1."""
    level_db: float
    """Usual level of an activity above the background."""
    pitch_hz: float


def draw_acoustics(config: SimulationConfig) -> Acoustics:
    """Draw what a recording's sound is made with."""
    rng = stream(config.seed, Stream.SOUND)
    rate = config.sample_rate_hz
    hard = config.difficulty
    decay_s = float(rng.uniform(0.03, 0.06 + 0.08 * hard))
    times = np.arange(round(5 * decay_s * rate)) / rate
    impulse = rng.standard_normal(len(times)) * np.exp(-times / decay_s) / np.sqrt(decay_s * rate)
    impulse *= float(rng.uniform(0.2, 0.4 + 0.5 * hard))
    impulse[0] = 1.0
    level_db = 23.0 - 13.0 * hard + float(rng.uniform(-4, 4))
    # The louder the activities, the less the microphone is turned up.
    gain_db = float(rng.uniform(-54, -46)) - max(0.0, level_db - 18.0)
    return Acoustics(
        background=_draw_background(rng, rate),
        gain=10 ** (gain_db / 20),
        impulse=impulse.astype(np.float32),
        level_db=level_db,
        pitch_hz=float(rng.uniform(95, 230)),
    )


def _draw_background(rng: Rng, rate_hz: int) -> Samples:
    """Draw rumble, hiss, a fan and mains hum, mixed at random."""
    count = round(_BACKGROUND_S * rate_hz)
    frequency = np.fft.rfftfreq(count, 1 / rate_hz)
    shape = np.maximum(frequency, 30.0) ** -float(rng.uniform(0.4, 0.9))
    fan_hz = float(rng.uniform(150, 900))
    shape *= 1 + float(rng.uniform(0, 2.5)) / (1 + ((frequency - fan_hz) / 120) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * shape, count)
    noise /= noise.std()
    mains_hz = 50.0 if rng.random() < 0.5 else 60.0
    times = np.arange(count) / rate_hz
    for harmonic in range(1, 6):
        strength = float(rng.uniform(0, 0.5)) / harmonic
        noise += strength * np.sin(2 * np.pi * mains_hz * harmonic * times)
    loop: Samples = (noise / noise.std()).astype(np.float32)
    return loop


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundTrack:
    """The whole signal, made as it is asked for."""

    config: SimulationConfig
    segments: tuple[Segment, ...]
    choreography: Choreography
    spoken: tuple[Spoken, ...]
    acoustics: Acoustics

    def blocks(self) -> Iterator[Samples]:
        """Yield consecutive blocks of the signal, in [-1, 1], of varying length.

        Together they have exactly ``config.sample_count`` samples.
        """
        rate, total = self.config.sample_rate_hz, self.config.sample_count
        waiting = np.zeros(0, np.float32)
        echo = np.zeros(0, np.float32)
        done = 0
        for segment in self.segments:
            begin = round((segment.start_s - _LEAD_S) * rate)
            events = self._mix(segment, begin)
            if begin < done:
                events = events[done - begin :]
                begin = done
            waiting = _overlay(waiting, events, begin - done)
            last = segment is self.segments[-1]
            until = total if last else round((segment.end_s - _LEAD_S) * rate)
            dry, waiting = _split(waiting, max(0, min(until, total) - done))
            wet, echo = _reverberate(dry, echo, self.acoustics.impulse)
            yield self._record(wet, done)
            done += len(dry)

    def _mix(self, segment: Segment, begin: int) -> Samples:
        """Return the sum of a segment's events, at background level 1, from sample ``begin`` on."""
        rate = self.config.sample_rate_hz
        length_s = segment.end_s - segment.start_s
        out = np.zeros(round((length_s + _LEAD_S + _TAIL_S) * rate), np.float32)
        for start_s, level_db, sound in self._events(segment, length_s):
            first = max(0, round((segment.start_s + start_s) * rate) - begin)
            part = sound[: max(0, len(out) - first)]
            level = 10 ** ((self.acoustics.level_db + level_db) / 20)
            out[first : first + len(part)] += np.float32(level) * part
        return out

    def _events(self, segment: Segment, length_s: float) -> list[Event]:
        """Draw everything that sounds in a segment."""
        rate, pitch = self.config.sample_rate_hz, self.acoustics.pitch_hz
        rng = stream(self.config.seed, Stream.SOUND, 1 + 3 * segment.index)
        own_level = float(rng.uniform(-2.5, 2.5))
        beats = self.choreography.motions[segment.index].beats(length_s)
        program = SOUNDS[segment.activity.sound]
        events = [
            (start_s, own_level + level_db, sound)
            for start_s, level_db, sound in program(rng, rate, beats, length_s, pitch)
        ]
        voice_rng = stream(self.config.seed, Stream.SOUND, 2 + 3 * segment.index)
        own = [item for item in self.spoken if item.segment == segment.index]
        events += [self._speak(voice_rng, item, segment) for item in own]
        noise_rng = stream(self.config.seed, Stream.SOUND, 3 + 3 * segment.index)
        if noise_rng.random() < 0.1 + 0.3 * self.config.difficulty:
            make = _NEUTRAL[int(noise_rng.integers(len(_NEUTRAL)))]
            start_s = float(noise_rng.uniform(0.0, 0.8)) * length_s
            events.append((start_s, float(noise_rng.uniform(-8, -2)), make(noise_rng, rate)))
        return events

    def _speak(self, rng: Rng, item: Spoken, segment: Segment) -> Event:
        """Return the voice of one utterance."""
        rate = self.config.sample_rate_hz
        pitch = float(rng.uniform(95, 230)) if item.from_radio else self.acoustics.pitch_hz
        sound = timbre.voice(rng, rate, item.end_s - item.start_s, pitch)
        level_db = float(rng.uniform(-2, 3))
        if item.from_radio:
            sound, level_db = timbre.through_radio(sound, rate), level_db - 6
        return item.start_s - segment.start_s, level_db, sound

    def _record(self, wet: Samples, first: int) -> Samples:
        """Add the background and apply the microphone's gain and limits."""
        loop = self.acoustics.background
        places = np.arange(first, first + len(wet)) % len(loop)
        recorded: Samples = np.clip(self.acoustics.gain * (wet + loop[places]), -1.0, 1.0).astype(
            np.float32
        )
        return recorded


def _overlay(base: Samples, extra: Samples, offset: int) -> Samples:
    """Add ``extra`` to ``base`` from ``offset`` samples on, longer where needed."""
    out = np.zeros(max(len(base), offset + len(extra)), np.float32)
    out[: len(base)] = base
    out[offset : offset + len(extra)] += extra
    return out


def _split(samples: Samples, count: int) -> tuple[Samples, Samples]:
    """Return the first ``count`` samples, filled up with zeros, and the rest."""
    head = np.zeros(count, np.float32)
    head[: min(count, len(samples))] = samples[:count]
    return head, samples[count:]


def _reverberate(dry: Samples, echo: Samples, impulse: Samples) -> tuple[Samples, Samples]:
    """Return the room's sound and what still rings afterwards (overlap-add convolution)."""
    size = len(dry) + len(impulse) - 1
    if len(dry) == 0:
        return dry, echo
    length = 1 << (size - 1).bit_length()
    spectrum = np.fft.rfft(dry, length) * np.fft.rfft(impulse, length)
    full = np.fft.irfft(spectrum, length)[:size].astype(np.float32)
    full = _overlay(full, echo, 0)
    return full[: len(dry)], full[len(dry) :]
