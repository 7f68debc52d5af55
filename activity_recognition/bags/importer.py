"""Turns an ordinary video file, with its transcript and labels, into a recording."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.bags.clip import Clip
from activity_recognition.bags.labels import read_labels
from activity_recognition.bags.subtitles import read_subtitles
from activity_recognition.bags.writer import RecordingWriter
from activity_recognition.errors import RecordingError
from activity_recognition.types import (
    NANOSECONDS,
    AudioChunk,
    Frame,
    Sample,
    Utterance,
    seconds_between,
    to_ns,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    """End of the last picture or sound."""
    frames: int
    audio_s: float
    """Seconds of sound; 0 without an audio track."""
    utterances: int
    labels: int
    skipped: int
    """Packets that could not be decoded, and pictures and sound whose time goes backwards."""


def import_clip(
    clip: str | Path,
    out: str | Path,
    *,
    transcript: str | Path | None = None,
    labels: str | Path | None = None,
    speech_delay_s: float = 0.5,
    image: str = 'jpeg',
    jpeg_quality: int = 95,
    max_height: int | None = None,
    storage: str = 'mcap',
    start_ns: int = START_NS,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> ImportedClip:
    """Write a recording of a video or sound file; a track it lacks is left absent.

    Pictures arrive at their presentation times, sound at each chunk's end, an utterance
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
        max_height: shrink higher pictures to this many pixels.
        storage: ``mcap`` or ``sqlite3``.
        start_ns: stamp of the clip's start.
        overwrite: replace an existing recording.
        progress: called with the seconds of the clip done so far.

    Raises:
        RecordingError: for a file that cannot be used, naming it, and where it is text its line.
    """
    source = Clip(clip)
    spans = read_labels(labels) if labels is not None else None
    cues = read_subtitles(transcript) if transcript is not None else ()
    if speech_delay_s < 0:
        raise RecordingError(f'speech_delay_s must not be negative, got {speech_delay_s}')
    counter = _Counter(start_ns)
    with RecordingWriter(
        out,
        start_ns=start_ns,
        storage=storage,
        image=image,
        jpeg_quality=jpeg_quality,
        transcript_type='hri_msgs/msg/LiveSpeech',
        overwrite=overwrite,
    ) as writer:
        tracks: tuple[Iterator[Sample], ...] = (
            source.frames(start_ns, max_height=max_height),
            source.sound(start_ns),
            _utterances(cues, start_ns, speech_delay_s),
        )
        for sample in merge(*tracks, key=attrgetter('arrival_ns')):
            writer.write(sample)
            counter.add(sample)
            if progress is not None:
                progress(counter.duration_s)
        counter.check(source.path, cues, transcript, spans, labels)
        if spans is not None:
            writer.set_labels(spans)
    return ImportedClip(
        path=writer.path,
        duration_s=counter.duration_s,
        frames=counter.frames,
        audio_s=counter.audio_s,
        utterances=len(cues),
        labels=len(spans or ()),
        skipped=source.skipped,
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

    def check(
        self,
        clip: Path,
        cues: tuple[Cue, ...],
        transcript: str | Path | None,
        spans: tuple[LabelSpan, ...] | None,
        labels: str | Path | None,
    ) -> None:
        """Refuse a clip without contents, and texts that belong to a longer clip."""
        if not self.frames and not self.audio_s:
            raise RecordingError(f'{clip}: nothing in it could be decoded')
        for cue in cues:
            if cue.start_s > self.duration_s:
                raise RecordingError(
                    f'{transcript}:{cue.line}: starts at {cue.start_s} s, after the end of {clip} '
                    f'at {self.duration_s:.3f} s'
                )
        for span in spans or ():
            if span.start_s > self.duration_s:
                raise RecordingError(
                    f'{labels}: {span.label!r} starts at {span.start_s} s, after the end of {clip} '
                    f'at {self.duration_s:.3f} s'
                )


def _utterances(cues: tuple[Cue, ...], start_ns: int, speech_delay_s: float) -> Iterator[Utterance]:
    for cue in cues:
        end_ns = start_ns + to_ns(cue.end_s)
        yield Utterance(
            stamp_ns=end_ns,
            arrival_ns=end_ns + to_ns(speech_delay_s),
            text=cue.text,
            start_ns=start_ns + to_ns(cue.start_s),
        )
