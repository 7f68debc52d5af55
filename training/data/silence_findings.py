"""Says of recordings whether their audio is nothing but silence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from activity_recognition.training.data.several_recordings import named, shares
from activity_recognition.types import AudioChunk, Sample

SILENT = 2.0**-12
"""Largest sample, of 1, of what is called silence: 8 steps of 16 bits, which a codec may leave of
digital silence: -72 dB. The faintest of 155 audible clips of surveillance cameras has a mean volume
of -50 dB."""


class SilenceWatch:
    """Finds out whether a recording has audio in which something can be heard."""

    def __init__(self) -> None:
        self._chunks = 0
        self._loudest = 0.0

    def add(self, sample: Sample) -> None:
        """Take one sample."""
        if isinstance(sample, AudioChunk):
            self._chunks += 1
            self._loudest = max(self._loudest, float(abs(sample.samples).max()))

    @property
    def silent(self) -> bool:
        """Whether there was audio, and nothing in it."""
        return self._chunks > 0 and self._loudest <= SILENT


def silent_audio(
    silent: Mapping[Path, bool], labels: Mapping[Path, Collection[str]]
) -> Iterator[str]:
    """Yield a sentence on the recordings with silent audio, where there are any.

    Args:
        silent: of each recording, whether its audio is silence.
        labels: that each recording has.
    """
    found = [path for path, is_silent in silent.items() if is_silent]
    if found:
        yield (
            f'{named(found)}: the audio is silence from end to end{shares(found, labels)}; was the '
            'microphone off, or has the video an empty track? Where labels differ in this, a '
            'network learns the silence'
        )
