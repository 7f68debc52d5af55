"""Turns an ordinary video file, with its transcript and labels, into a recording."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from activity_recognition.bags.imported import (
    START_NS,
    FilesBeside,
    ImportedRecording,
    Transcript,
    WrittenSamples,
    describe_skipped,
    new_recording,
    write_import,
)
from activity_recognition.bags.subtitles import SPEECH_DELAY_S
from activity_recognition.errors import RecordingError
from activity_recognition.media.clip import Clip
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_TRACKS = (Modality.VIDEO, Modality.AUDIO)
"""What a clip holds."""


def import_clip(
    clip: str | Path,
    out: str | Path,
    *,
    transcript: Transcript | None = None,
    labels: str | Path | None = None,
    label: str = '',
    tables: Mapping[str, str | Path] | None = None,
    speech_delay_s: float = SPEECH_DELAY_S,
    image: str = 'jpeg',
    jpeg_quality: int = 95,
    max_height: int | None = None,
    audio_channels: str = 'mean',
    storage: str = 'mcap',
    start_ns: int = START_NS,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> ImportedRecording:
    """Write a recording of a video or audio file; a track it lacks is left absent.

    Frames arrive at their presentation times, audio at each chunk's end, an utterance
    ``speech_delay_s`` after its end. Everything is streamed: memory does not grow with the clip.

    Args:
        clip: any file FFmpeg reads.
        out: the recording to make, a folder.
        transcript: ``.srt`` or ``.vtt`` file, or what such a file would hold.
        labels: label file (:mod:`activity_recognition.bags.labels`), copied into the recording.
        label: of the whole recording, in place of a label file.
        tables: of other sensors, by modality (docs/data.md); they count from the same start.
        speech_delay_s: how long a speech recogniser is taken to need after an utterance's end.
        image: ``jpeg``, ``png`` or ``raw``; JPEG at quality 95 takes a fifth of raw or less.
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
    beside = FilesBeside.read(transcript, labels, tables, speech_delay_s, label)
    writer = new_recording(
        out,
        start_ns=start_ns,
        storage=storage,
        image=image,
        jpeg_quality=jpeg_quality,
        overwrite=overwrite,
    )
    tracks = (source.frames(start_ns, max_height=max_height), source.audio(start_ns))
    check = partial(_demand_contents, source, beside)
    return write_import(
        writer, tracks, beside, start_ns, check=check, skipped=source.skipped, progress=progress
    )


def _demand_contents(source: Clip, beside: FilesBeside, written: WrittenSamples) -> None:
    """Refuse a clip without contents, and texts that belong to a longer clip."""
    clip = source.path
    if not any(written.samples[modality.value] for modality in _TRACKS):
        skipped = f' ({describe_skipped(source.skipped)})' if source.skipped else ''
        reason = (
            f'; the first: {source.skipped.first_error[:200]}' if source.skipped.first_error else ''
        )
        raise RecordingError(f'{clip}: nothing in it could be decoded{skipped}{reason}')
    beside.demand_within(clip, written.duration_s)
