"""Words alone, without any media file -> recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.bags.imported import (
    START_NS,
    FilesBeside,
    ImportedRecording,
    Transcript,
    new_recording,
    write_import,
)
from activity_recognition.bags.subtitles import SPEECH_DELAY_S
from activity_recognition.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path


def import_words(
    transcript: Transcript,
    out: str | Path,
    *,
    label: str,
    speech_delay_s: float = SPEECH_DELAY_S,
    storage: str = 'mcap',
    start_ns: int = START_NS,
    overwrite: bool = False,
) -> ImportedRecording:
    """Write a recording of words alone, with one label.

    It lasts until some time after the last words have arrived, so that something is decided with
    them (:data:`~activity_recognition.bags.imported.HEARD_S`).

    Args:
        transcript: ``.srt`` or ``.vtt`` file, or what such a file would hold.
        out: the recording to make, a folder.
        label: of the whole recording.
        speech_delay_s: how long a speech recogniser is taken to need after an utterance's end.
        storage: ``mcap`` or ``sqlite3``.
        start_ns: stamp of the start.
        overwrite: replace an existing recording.

    Raises:
        RecordingError: there are no words, or a file cannot be used.
    """
    beside = FilesBeside.read(transcript, None, None, speech_delay_s, label)
    if not beside.cues:
        raise RecordingError(f'{beside.transcript or out}: expected words, found none')
    writer = new_recording(out, start_ns=start_ns, storage=storage, overwrite=overwrite)
    return write_import(writer, (), beside, start_ns, check=lambda _: None)
