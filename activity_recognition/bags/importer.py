"""Turns an ordinary video file, with its transcript and labels, into a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.bags.clip import Clip
from activity_recognition.bags.imported import (
    START_NS,
    TRANSCRIPT_TYPE,
    ImportedRecording,
    ImportedTexts,
    WrittenSamples,
    describe_skipped,
    write_tracks,
)
from activity_recognition.bags.imu_arrays import InertialArrays
from activity_recognition.bags.subtitles import SPEECH_DELAY_S
from activity_recognition.bags.writer import RecordingWriter
from activity_recognition.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def import_clip(
    clip: str | Path,
    out: str | Path,
    *,
    transcript: str | Path | None = None,
    labels: str | Path | None = None,
    inertial: str | Path | None = None,
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
        transcript: ``.srt`` or ``.vtt`` file.
        labels: label file (:mod:`activity_recognition.bags.labels`), copied into the recording.
        inertial: table of an inertial sensor that counts from the same start (docs/data.md).
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
    texts = ImportedTexts.read(transcript, labels, speech_delay_s)
    measured = None if inertial is None else InertialArrays.read(inertial)
    writer = RecordingWriter(
        out,
        start_ns=start_ns,
        storage=storage,
        image=image,
        jpeg_quality=jpeg_quality,
        transcript_type=TRANSCRIPT_TYPE,
        overwrite=overwrite,
    )
    tracks = (
        source.frames(start_ns, max_height=max_height),
        source.audio(start_ns),
        texts.utterances(start_ns),
        measured.messages(start_ns) if measured else iter(()),
    )
    with writer:
        written = write_tracks(writer, tracks, start_ns, progress)
        _demand_contents(source, written, texts)
        if texts.spans is not None:
            writer.set_labels(texts.spans)
    return ImportedRecording.of(writer.path, written, texts, source.skipped)


def _demand_contents(source: Clip, written: WrittenSamples, texts: ImportedTexts) -> None:
    """Refuse a clip without contents, and texts that belong to a longer clip."""
    clip = source.path
    if not written.frames and not written.audio_s:
        skipped = f' ({describe_skipped(source.skipped)})' if source.skipped else ''
        reason = f'; the first: {source.first_error[:200]}' if source.first_error else ''
        raise RecordingError(f'{clip}: nothing in it could be decoded{skipped}{reason}')
    texts.demand_within(clip, written.duration_s)
