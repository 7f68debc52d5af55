"""The speech recogniser: utterances, late and with errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from activity_recognition.simulation.sampling.audio import MICROPHONE_FRAME
from activity_recognition.types import Utterance, to_ns

if TYPE_CHECKING:
    from activity_recognition.simulation.config import SimulationConfig
    from activity_recognition.simulation.simulation import Simulation
    from activity_recognition.simulation.speech import Transcript

LOCALE = 'en'


def samples(simulation: Simulation) -> Iterator[Utterance]:
    """Yield what was recognised before the recording ended."""
    yield from utterances(simulation.config, simulation.transcripts)


def utterances(config: SimulationConfig, transcripts: Iterable[Transcript]) -> Iterator[Utterance]:
    """Yield transcripts as they arrive before the recording ends.

    Args:
        config: of the recording.
        transcripts: in any order.
    """
    end_ns = config.start_ns + to_ns(config.duration_s)
    arrived = []
    for item in transcripts:
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
