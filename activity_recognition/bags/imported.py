"""What all imports have in common: files beside the source, writing in order, and the outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

from activity_recognition.bags.labels import read_labels
from activity_recognition.bags.subtitles import as_utterances, read_subtitles
from activity_recognition.errors import RecordingError
from activity_recognition.types import NANOSECONDS, AudioChunk, Frame, Sample, seconds_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from activity_recognition.bags.messages import OutgoingMessage
    from activity_recognition.bags.subtitles import Cue
    from activity_recognition.bags.writer import RecordingWriter
    from activity_recognition.types import LabelSpan, Utterance

START_NS = 1_577_836_800 * NANOSECONDS
"""Stamp of an import's start, 2020-01-01 UTC: the same source gives the same recording."""
TRANSCRIPT_TYPE = 'hri_msgs/msg/LiveSpeech'
"""What transcripts are written as."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedMessage:
    """A message of a topic that holds no samples."""

    arrival_ns: int
    topic: str
    message: OutgoingMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedTexts:
    """What lies in files beside the source, at times from its start."""

    transcript: str | Path | None
    cues: tuple[Cue, ...]
    labels: str | Path | None
    spans: tuple[LabelSpan, ...] | None
    """None without a label file."""
    speech_delay_s: float

    @classmethod
    def read(
        cls, transcript: str | Path | None, labels: str | Path | None, speech_delay_s: float
    ) -> ImportedTexts:
        """Read the files.

        Args:
            transcript: ``.srt`` or ``.vtt`` file; None without.
            labels: label file; None without.
            speech_delay_s: how long after its end an utterance arrives, seconds.

        Raises:
            RecordingError: a file cannot be used, or the delay is negative.
        """
        spans = read_labels(labels) if labels is not None else None
        cues = read_subtitles(transcript) if transcript is not None else ()
        if speech_delay_s < 0:
            raise RecordingError(f'speech_delay_s must not be negative, got {speech_delay_s}')
        return cls(
            transcript=transcript,
            cues=cues,
            labels=labels,
            spans=spans,
            speech_delay_s=speech_delay_s,
        )

    def utterances(self, start_ns: int) -> Iterator[Utterance]:
        """Yield the utterances, in order of arrival.

        Args:
            start_ns: stamp of the source's start.
        """
        return as_utterances(self.cues, start_ns, self.speech_delay_s)

    def demand_within(self, source: Path, duration_s: float) -> None:
        """Refuse texts that belong to a longer source.

        Args:
            source: to be named.
            duration_s: of the source, seconds.

        Raises:
            RecordingError: naming what starts after the end.
        """
        for cue in self.cues:
            if cue.start_s > duration_s:
                raise RecordingError(
                    f'{self.transcript}:{cue.line}: starts at {cue.start_s} s, after the end of '
                    f'{source} at {duration_s:.3f} s'
                )
        for span in self.spans or ():
            if span.start_s > duration_s:
                raise RecordingError(
                    f'{self.labels}: {span.label!r} starts at {span.start_s} s, after the end of '
                    f'{source} at {duration_s:.3f} s'
                )


class WrittenSamples:
    """What has been written so far."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._end_ns = start_ns
        self.frames = 0
        self.audio_s = 0.0
        self.messages: Counter[str] = Counter()
        """Those that are no samples, by topic."""

    @property
    def duration_s(self) -> float:
        """End of the last frame or audio chunk, seconds from the start."""
        return seconds_between(self._end_ns, self._start_ns)

    def add(self, sample: Sample | TimedMessage) -> None:
        """Count one sample or message."""
        if isinstance(sample, TimedMessage):
            self.messages[sample.topic] += 1
        elif isinstance(sample, Frame):
            self.frames += 1
            self._end_ns = max(self._end_ns, sample.stamp_ns)
        elif isinstance(sample, AudioChunk):
            self.audio_s += len(sample.samples) / sample.sample_rate_hz
            self._end_ns = max(self._end_ns, sample.end_ns)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedRecording:
    """What an import brought."""

    path: Path
    """The recording."""
    duration_s: float
    """End of the last frame or audio chunk."""
    frames: int
    audio_s: float
    """Seconds of audio; 0 without."""
    utterances: int
    labels: int
    skipped: Mapping[str, int]
    """What could not be used: how many of each kind, as packets that are damaged."""
    messages: Mapping[str, int]
    """Messages that are no samples, by topic."""

    @classmethod
    def of(
        cls,
        path: Path,
        written: WrittenSamples,
        texts: ImportedTexts,
        skipped: Mapping[str, int],
    ) -> ImportedRecording:
        """Return what an import brought.

        Args:
            path: the recording.
            written: of it, without texts.
            texts: what lay beside the source.
            skipped: how many of each kind could not be used.
        """
        return cls(
            path=path,
            duration_s=written.duration_s,
            frames=written.frames,
            audio_s=written.audio_s,
            utterances=len(texts.cues),
            labels=len(texts.spans or ()),
            skipped=dict(skipped),
            messages=dict(written.messages),
        )


def write_tracks(
    writer: RecordingWriter,
    tracks: Sequence[Iterator[Sample | TimedMessage]],
    start_ns: int,
    progress: Callable[[float], None] | None = None,
) -> WrittenSamples:
    """Write the samples of all tracks in the order of their arrival.

    Args:
        writer: an open recording.
        tracks: samples or messages, of each track in the order of their arrival.
        start_ns: stamp of the source's start.
        progress: called with the seconds done so far.
    """
    written = WrittenSamples(start_ns)
    for sample in merge(*tracks, key=attrgetter('arrival_ns')):
        if isinstance(sample, TimedMessage):
            writer.write_message(sample.topic, sample.message, sample.arrival_ns)
        else:
            writer.write(sample)
        written.add(sample)
        if progress is not None:
            progress(written.duration_s)
    return written


def describe_skipped(skipped: Mapping[str, int]) -> str:
    """Return how many of each kind could not be used, in words; empty where nothing was."""
    return ', '.join(f'{kind}: {count}' for kind, count in sorted(skipped.items()))
