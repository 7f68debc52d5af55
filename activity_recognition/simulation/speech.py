"""When somebody speaks, what is said, and what a speech recogniser makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.simulation.phrases import (
    FILLERS,
    UNRELATED,
    choices,
    fill,
    patterns,
    slots,
)
from activity_recognition.simulation.recogniser import mishear, write
from activity_recognition.simulation.script import Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """An utterance, seconds from the recording's start."""

    start_s: float
    end_s: float
    intent: str
    segment: int
    """Index of the segment it belongs to."""
    from_radio: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """What the recogniser hands over, and when."""

    spoken: Spoken
    text: str
    confidence: float
    """Of the recogniser, in [0, 1]."""
    delay_s: float
    """From the last word to the arrival."""


def plan_speech(config: SimulationConfig, segments: tuple[Segment, ...]) -> tuple[Spoken, ...]:
    """Draw who speaks when; the words do not matter here.

    Args:
        config: of the recording.
        segments: of the script, in order.
    """
    spoken: list[Spoken] = []
    for segment in segments:
        rng = stream(config.seed, Stream.SPEECH_TIMES, segment.index)
        if segment.activity.intent is not None:
            spoken += _deciding(rng, segment, segment.activity.intent)
        elif rng.random() < 0.1 + 0.4 * config.difficulty:
            spoken.append(_unrelated(rng, segment))
    return tuple(item for item in spoken if item.start_s >= 0 and item.end_s <= config.duration_s)


def _deciding(rng: np.random.Generator, segment: Segment, intent: str) -> list[Spoken]:
    """The first words fall together with the change of activity; paraphrases follow."""
    spoken: list[Spoken] = []
    start_s = max(0.02, segment.start_s + float(rng.uniform(-0.3, 0.35)))
    while True:
        end_s = start_s + float(rng.uniform(1.0, 1.5))
        if end_s > segment.end_s - 0.2:
            return spoken
        spoken.append(
            Spoken(
                start_s=start_s,
                end_s=end_s,
                intent=intent,
                segment=segment.index,
                from_radio=False,
            )
        )
        start_s = end_s + float(rng.uniform(2.6, 5.2))


def _unrelated(rng: np.random.Generator, segment: Segment) -> Spoken:
    """Something from the radio, or a remark to oneself."""
    intent = UNRELATED[int(rng.integers(len(UNRELATED)))]
    length_s = float(rng.uniform(1.0, 1.5))
    room_s = segment.end_s - segment.start_s - length_s
    start_s = segment.start_s + float(rng.uniform(0.1, 0.9)) * max(room_s, 0.0)
    return Spoken(
        start_s=start_s,
        end_s=start_s + length_s,
        intent=intent,
        segment=segment.index,
        from_radio=intent == 'radio',
    )


def transcribe(config: SimulationConfig, spoken: tuple[Spoken, ...]) -> tuple[Transcript, ...]:
    """Draw words, recogniser errors and delays for every utterance.

    Args:
        config: of the recording.
        spoken: who speaks when.
    """
    style = int(stream(config.seed, Stream.WORDS).integers(3))
    low, high = config.min_transcript_delay_s, config.max_transcript_delay_s
    transcripts = []
    for place, item in enumerate(spoken):
        rng = stream(config.seed, Stream.WORDS, place + 1)
        said = draw_sentence(rng, item.intent, config.phrasings)
        heard, errors = mishear(rng, said.split(), 0.16 * config.difficulty)
        delay_rng = stream(config.seed, Stream.TRANSPORT_TEXT, place)
        certain = 0.93 - 0.12 * errors + float(rng.normal(0.0, 0.04))
        transcripts.append(
            Transcript(
                spoken=item,
                text=write(heard, style),
                confidence=min(0.99, max(0.2, certain)),
                # Beta(1.2, 7): nine in ten arrive within the first third of the range.
                delay_s=low + (high - low) * float(delay_rng.beta(1.2, 7.0)),
            )
        )
    return tuple(transcripts)


def draw_sentence(rng: np.random.Generator, intent: str, phrasings: str) -> str:
    """Draw a sentence of an intent, perhaps with fillers.

    Args:
        rng: draws it.
        intent: key of :data:`INTENTS`.
        phrasings: which sentences, one of ``config.PHRASINGS``.
    """
    pattern = _one_of(rng, patterns(intent, phrasings))
    words = tuple(_one_of(rng, choices(name, phrasings)) for name in slots(pattern))
    sentence = fill(pattern, words).split()
    while rng.random() < 0.25:
        filler = FILLERS[int(rng.integers(len(FILLERS)))]
        sentence.insert(int(rng.integers(len(sentence))), filler)
    return ' '.join(sentence)


def _one_of(rng: np.random.Generator, entries: tuple[str, ...]) -> str:
    return entries[int(rng.integers(len(entries)))]
