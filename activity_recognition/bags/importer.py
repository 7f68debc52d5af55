"""Turns an ordinary video file, with its transcript and labels, into a recording."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.bags.clip import Clip
from activity_recognition.bags.labels import read_labels
from activity_recognition.bags.subtitles import SPEECH_DELAY_S, as_utterances, read_subtitles
from activity_recognition.bags.writer import RecordingWriter
from activity_recognition.errors import RecordingError
from activity_recognition.types import (
    NANOSECONDS,
    AudioChunk,
    Frame,
    Sample,
    seconds_between,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from activity_recognition.bags.subtitles import Cue
    from activity_recognition.types import LabelSpan

START_NS = 1_577_836_800 * NANOSECONDS
"""Stamp of an imported clip's start, 2020-01-01 UTC: the same clip gives the same recording."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedClip:
    """What an import brought."""

    path: Path
    """The recording."""
    duration_s: float
    """End of the last frame or audio chunk."""
    frames: int
    audio_s: float
    """Seconds of audio; 0 without an audio track."""
    utterances: int
    labels: int
    skipped: Mapping[str, int]
    """What could not be used: how many of each kind, as packets that are damaged."""


def import_clip(
    clip: str | Path,
    out: str | Path,
    *,
    transcript: str | Path | None = None,
    labels: str | Path | None = None,
    speech_delay_s: float = SPEECH_DELAY_S,
    image: str = 'jpeg',
    jpeg_quality: int = 95,
    max_height: int | None = None,
    audio_channels: str = 'mean',
    storage: str = 'mcap',
    start_ns: int = START_NS,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> ImportedClip:
    """Write a recording of a video or audio file; a track it lacks is left absent.

    Frames arrive at their presentation times, audio at each chunk's end, an utterance
    ``speech_delay_s`` after its end. Everything is streamed: memory does not grow with the clip.

    Args:
        clip: any file FFmpeg reads.
        out: the recording to make, a folder.
        transcript: ``.srt`` or ``.vtt`` file.
        labels: label file (:mod:`activity_recognition.bags.labels`), copied into the recording.
        speech_delay_s: how long a speech recogniser is taken to need after an utterance's end.
        image: ``jpeg``, ``png`` or ``raw``. JPEG at quality 95 takes a fifth of raw or less, and a
            clip has been through lossy coding before.
        jpeg_quality: 1 to 100.
        max_height: shrink higher frames to this many pixels.
        audio_channels: which of several audio channels is kept: ``mean``, an index, ``auto``.
        storage: ``mcap`` or ``sqlite3``.
        start_ns: stamp of the clip's start.
        overwrite: replace an existing recording.
        progress: called with the seconds of the clip done so far.

    Raises:
        RecordingError: for a file that cannot be used, naming it, and where it is text its line.
        ConfigError: for another ``audio_channels`` than these.
        MissingExtraError: without PyAV.
    """
    source = Clip(clip, audio_channels=audio_channels)
    texts = _Texts.read(transcript, labels, speech_delay_s)
    writer = RecordingWriter(
        out,
        start_ns=start_ns,
        storage=storage,
        image=image,
        jpeg_quality=jpeg_quality,
        transcript_type='hri_msgs/msg/LiveSpeech',
        overwrite=overwrite,
    )
    tracks = (
        source.frames(start_ns, max_height=max_height),
        source.audio(start_ns),
        as_utterances(texts.cues, start_ns, speech_delay_s),
    )
    with writer:
        written = _write(writer, tracks, start_ns, progress)
        _demand_contents(source, written, texts)
        if texts.spans is not None:
            writer.set_labels(texts.spans)
    return _outcome(writer.path, source, written, texts)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Texts:
    """What lies in files beside the clip."""

    transcript: str | Path | None
    cues: tuple[Cue, ...]
    labels: str | Path | None
    spans: tuple[LabelSpan, ...] | None
    """None without a label file."""

    @classmethod
    def read(
        cls, transcript: str | Path | None, labels: str | Path | None, speech_delay_s: float
    ) -> _Texts:
        spans = read_labels(labels) if labels is not None else None
        cues = read_subtitles(transcript) if transcript is not None else ()
        if speech_delay_s < 0:
            raise RecordingError(f'speech_delay_s must not be negative, got {speech_delay_s}')
        return cls(
            transcript=transcript,
            cues=cues,
            labels=labels,
            spans=spans,
        )


class _Counter:
    """What has been written so far."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._end_ns = start_ns
        self.frames = 0
        self.audio_s = 0.0

    @property
    def duration_s(self) -> float:
        return seconds_between(self._end_ns, self._start_ns)

    def add(self, sample: Sample) -> None:
        if isinstance(sample, Frame):
            self.frames += 1
            self._end_ns = max(self._end_ns, sample.stamp_ns)
        elif isinstance(sample, AudioChunk):
            self.audio_s += len(sample.samples) / sample.sample_rate_hz
            self._end_ns = max(self._end_ns, sample.end_ns)


def _write(
    writer: RecordingWriter,
    tracks: Sequence[Iterator[Sample]],
    start_ns: int,
    progress: Callable[[float], None] | None,
) -> _Counter:
    """Write the samples of all tracks in the order of their arrival."""
    counter = _Counter(start_ns)
    for sample in merge(*tracks, key=attrgetter('arrival_ns')):
        writer.write(sample)
        counter.add(sample)
        if progress is not None:
            progress(counter.duration_s)
    return counter


def _demand_contents(source: Clip, written: _Counter, texts: _Texts) -> None:
    """Refuse a clip without contents, and texts that belong to a longer clip."""
    clip = source.path
    if not written.frames and not written.audio_s:
        skipped = f' ({describe_skipped(source.skipped)})' if source.skipped else ''
        reason = f'; the first: {source.first_error[:200]}' if source.first_error else ''
        raise RecordingError(f'{clip}: nothing in it could be decoded{skipped}{reason}')
    for cue in texts.cues:
        if cue.start_s > written.duration_s:
            raise RecordingError(
                f'{texts.transcript}:{cue.line}: starts at {cue.start_s} s, after the end of '
                f'{clip} at {written.duration_s:.3f} s'
            )
    for span in texts.spans or ():
        if span.start_s > written.duration_s:
            raise RecordingError(
                f'{texts.labels}: {span.label!r} starts at {span.start_s} s, after the end of '
                f'{clip} at {written.duration_s:.3f} s'
            )


def describe_skipped(skipped: Mapping[str, int]) -> str:
    """Return how many of each kind could not be used, in words; empty where nothing was."""
    return ', '.join(f'{kind}: {count}' for kind, count in sorted(skipped.items()))


def _outcome(path: Path, clip: Clip, written: _Counter, texts: _Texts) -> ImportedClip:
    return ImportedClip(
        path=path,
        duration_s=written.duration_s,
        frames=written.frames,
        audio_s=written.audio_s,
        utterances=len(texts.cues),
        labels=len(texts.spans or ()),
        skipped=dict(clip.skipped),
    )
