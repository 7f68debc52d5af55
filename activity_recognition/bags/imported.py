"""What all imports have in common: files beside the source, writing in order, and the outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import merge
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from activity_recognition.bags.labels import LATEST_S, read_labels
from activity_recognition.bags.subtitles import Cue, as_utterances, read_subtitles
from activity_recognition.bags.tables import read_tables
from activity_recognition.bags.writer import RecordingWriter
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.modalities import DEFAULT_MODALITIES, SPEC, SPECS, QueueUnit
from activity_recognition.text_files import label_fault
from activity_recognition.types import (
    NANOSECONDS,
    Chunk,
    LabelSpan,
    Sample,
    seconds_between,
    to_ns,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from activity_recognition.bags.messages import OutgoingMessage
    from activity_recognition.bags.tables import SensorArrays
    from activity_recognition.modalities import ModalitySpec

START_NS = 1_577_836_800 * NANOSECONDS
"""Stamp of an import's start, 2020-01-01 UTC: the same source gives the same recording."""
TRANSCRIPT_TYPE = 'hri_msgs/msg/LiveSpeech'
"""What transcripts are written as."""
HEARD_S = 2.0
"""How long a recording with one label lasts after its last words have arrived, seconds: what is
decided with them comes after that."""
LAST_FRAME_S = 0.05
"""By so much the one label of a recording reaches beyond its last frame, so that it counts."""
Transcript = str | Path | Sequence[Cue]
"""A file of subtitles, or what it would hold."""
new_recording = partial(RecordingWriter, transcript_type=TRANSCRIPT_TYPE)
"""Prepares the recording of an import."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedMessage:
    """A message to be written as it is."""

    arrival_ns: int
    topic: str
    message: OutgoingMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class FilesBeside:
    """What lies in files beside the source, at times from its start."""

    transcript: str | Path | None
    cues: tuple[Cue, ...]
    labels: str | Path | None
    spans: tuple[LabelSpan, ...] | None
    """None without a label file."""
    sensors: Mapping[str, SensorArrays]
    """What other sensors measured, by modality."""
    speech_delay_s: float
    label: str = ''
    """Of the whole recording; empty without."""

    @classmethod
    def read(
        cls,
        transcript: Transcript | None,
        labels: str | Path | None,
        tables: Mapping[str, str | Path] | None,
        speech_delay_s: float,
        label: str = '',
    ) -> FilesBeside:
        """Read the files.

        Args:
            transcript: ``.srt`` or ``.vtt`` file, or what such a file would hold; None without.
            labels: label file; None without.
            tables: of other sensors, by modality; None without.
            speech_delay_s: how long after its end an utterance arrives, seconds.
            label: of the whole recording, in place of a file; empty without.

        Raises:
            RecordingError: a file cannot be used, the delay is negative, or there are a label and
                a label file.
        """
        if label and labels is not None:
            raise RecordingError(
                f'{labels}: expected a label file or one label, got also {quoted(label)}'
            )
        if label and (fault := label_fault(label)):
            raise RecordingError(fault)
        spans = read_labels(labels) if labels is not None else None
        if not 0 <= speech_delay_s < LATEST_S:
            raise RecordingError(
                f'speech_delay_s must not be negative, nor above {LATEST_S:g}, got '
                f'{speech_delay_s:g}'
            )
        cues: tuple[Cue, ...] = ()
        if isinstance(transcript, (str, Path)):
            cues = read_subtitles(transcript)
        elif transcript is not None:
            cues, transcript = tuple(sorted(transcript, key=lambda cue: cue.end_s)), None
        return cls(
            transcript=transcript,
            cues=cues,
            labels=labels,
            spans=spans,
            sensors=read_tables(tables),
            speech_delay_s=speech_delay_s,
            label=label,
        )

    def with_arrays(self, path: Path, sensors: Mapping[str, SensorArrays]) -> FilesBeside:
        """Return it with what the source itself has of other sensors.

        Args:
            path: of the source, to be named.
            sensors: by modality.

        Raises:
            RecordingError: there is a table of one of them as well.
        """
        for name in sorted(self.sensors.keys() & sensors.keys()):
            raise RecordingError(f'{path}: has arrays of {name}; leave the table of {name} out')
        return replace(self, sensors={**self.sensors, **sensors})

    def tracks(self, start_ns: int) -> tuple[Iterator[Sample | TimedMessage], ...]:
        """Return what belongs into the recording, each in order of arrival.

        Args:
            start_ns: stamp of the source's start.
        """
        measured = (sensor.messages(start_ns) for sensor in self.sensors.values())
        return as_utterances(self.cues, start_ns, self.speech_delay_s), *measured

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
                where = f'{self.transcript}:{cue.line}' if self.transcript else 'transcript'
                raise RecordingError(
                    f'{where}: starts at {cue.start_s} s, after the end of '
                    f'{source} at {duration_s:.3f} s'
                )
        for span in self.spans or ():
            if span.start_s > duration_s:
                raise RecordingError(
                    f'{self.labels}: {span.label!r} starts at {span.start_s} s, after the end of '
                    f'{source} at {duration_s:.3f} s'
                )

    def finish(self, writer: RecordingWriter, start_ns: int, duration_s: float) -> None:
        """Give a recording its labels once everything else is written.

        One label holds from the start to the end, which is late enough for words to be heard.

        Args:
            writer: of the recording.
            start_ns: stamp of its start.
            duration_s: of what it holds, without texts.
        """
        if self.spans is not None:
            writer.set_labels(self.spans)
        elif self.label:
            heard_s = [cue.end_s + self.speech_delay_s + HEARD_S for cue in self.cues]
            end_s = max([duration_s + LAST_FRAME_S, *heard_s])
            if self.cues:
                writer.write_end(start_ns + to_ns(end_s))
            writer.set_labels([LabelSpan(start_s=0.0, end_s=end_s, label=self.label)])


class WrittenSamples:
    """What has been written so far."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._end_ns = start_ns
        self.samples: Counter[str] = Counter()
        """Number of samples by modality."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """Their length by modality, of those at a fixed rate."""
        self.messages: Counter[str] = Counter()
        """Those that are no samples, by topic."""

    @property
    def duration_s(self) -> float:
        """End of the last sample that cannot be late, as frames and audio, from the start."""
        return seconds_between(self._end_ns, self._start_ns)

    def add(self, sample: Sample | TimedMessage) -> None:
        """Count one sample or message."""
        if isinstance(sample, TimedMessage):
            self.messages[sample.topic] += 1
            return
        spec = SPEC[sample.modality]
        self.samples[spec.name] += 1
        if isinstance(sample, Chunk):
            self.seconds[spec.name] += len(sample.samples) / sample.sample_rate_hz
        if not spec.may_be_late:
            self._end_ns = max(self._end_ns, sample.end_ns)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedRecording:
    """What an import brought."""

    path: Path
    """The recording."""
    duration_s: float
    """End of the last frame or audio chunk."""
    samples: Mapping[str, int]
    """Number of samples by modality; 0 where there are none."""
    seconds: Mapping[str, float]
    """Their length by modality, of those at a fixed rate."""
    labels: int
    skipped: Mapping[str, int]
    """What could not be used: how many of each kind, as packets that are damaged."""
    messages: Mapping[str, int]
    """Messages that are no samples, by topic."""

    def describe(self) -> str:
        """Return what is in it, in words."""
        used = [m for m in SPEC if m in DEFAULT_MODALITIES or self.samples[m.value]]
        parts = [self._amount(SPEC[modality]) for modality in used]
        parts.append(_counted(self.labels, 'label'))
        counts = self.messages.items()
        parts += [f'{_counted(count, "message")} of {topic}' for topic, count in counts]
        return ', '.join(parts)

    def _amount(self, spec: ModalitySpec) -> str:
        if spec.queue.unit is QueueUnit.SECONDS:
            return f'{self.seconds[spec.name]:.2f} s of {spec.name}'
        return _counted(self.samples[spec.name], spec.sample_noun)


def _counted(count: int, noun: str) -> str:
    return f'{count} {noun}{"" if count == 1 else "s"}'


def write_import(
    writer: RecordingWriter,
    tracks: Sequence[Iterator[Sample | TimedMessage]],
    beside: FilesBeside,
    start_ns: int,
    *,
    check: Callable[[WrittenSamples], None],
    skipped: Mapping[str, int] = MappingProxyType({}),
    progress: Callable[[float], None] | None = None,
) -> ImportedRecording:
    """Write a recording: the source's tracks and what lies beside it, in order of arrival.

    Args:
        writer: makes the recording.
        tracks: samples of the source, of each track in the order of their arrival.
        beside: transcripts, labels and other sensors.
        start_ns: stamp of the source's start.
        check: raises where what was written is not what it should be; nothing is kept then.
        skipped: counts by kind what could not be used, while the tracks are read.
        progress: called with the seconds done so far.
    """
    written = WrittenSamples(start_ns)
    with writer:
        for sample in merge(*tracks, *beside.tracks(start_ns), key=attrgetter('arrival_ns')):
            if isinstance(sample, TimedMessage):
                writer.write_message(sample.topic, sample.message, sample.arrival_ns)
            else:
                writer.write(sample)
            written.add(sample)
            if progress is not None:
                progress(written.duration_s)
        check(written)
        beside.finish(writer, start_ns, written.duration_s)
    return ImportedRecording(
        path=writer.path,
        duration_s=written.duration_s,
        samples={spec.name: written.samples[spec.name] for spec in SPECS},
        seconds={spec.name: written.seconds[spec.name] for spec in SPECS},
        labels=len(beside.spans or ()) + bool(beside.label),
        skipped=dict(skipped),
        messages=dict(written.messages),
    )


def describe_skipped(skipped: Mapping[str, int]) -> str:
    """Return how many of each kind could not be used, in words; empty where nothing was."""
    return ', '.join(f'{kind}: {count}' for kind, count in sorted(skipped.items()))
