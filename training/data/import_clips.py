"""Clips of a table, or of folders named like labels -> labelled recordings, in one process."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from activity_recognition.bags import import_clip, import_key_points
from activity_recognition.bags.imported import ImportedRecording, Transcript, describe_skipped
from activity_recognition.bags.keypoint_arrays import SUFFIX as KEY_POINTS
from activity_recognition.bags.subtitles import SPEECH_DELAY_S, Cue
from activity_recognition.bags.words import import_words
from activity_recognition.errors import (
    ActivityRecognitionError,
    ConfigError,
    MissingExtraError,
    OutputError,
    RecordingError,
)
from activity_recognition.scratch import replace_text, writing
from activity_recognition.text_files import exists, parse_json, read_json_object, read_text
from activity_recognition.training.data.clip_list import ClipList, ClipRow
from activity_recognition.training.data.splits import SPLITS_FILE, update_splits

MEMORY = '.imported.json'
"""File beside the recordings that says what each was made of."""
NOTES = '.imported.jsonl'
"""File with what a run that goes on, or was killed, has to add to it: one change in each line."""
_WHAT = 'what was imported'
_UNFINISHED = ''
"""In place of a digest: whatever lies there is made again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportSettings:
    """How clips become recordings, where the table does not say."""

    image: str = 'jpeg'
    """``jpeg``, ``png`` or ``raw``."""
    max_height: int | None = None
    """Shrink higher frames to this, pixels."""
    audio_channels: str = 'mean'
    speech_delay_s: float = SPEECH_DELAY_S
    storage: str = 'mcap'


@dataclass(slots=True)
class ImportedClips:
    """What the import of many clips brought."""

    imported: dict[str, ImportedRecording] = field(default_factory=dict)
    """By name."""
    kept: list[str] = field(default_factory=list)
    """Recordings that were there already, of the same clips."""
    problems: list[str] = field(default_factory=list)
    """Why each clip that could not be used could not: a sentence, with file and line."""
    labels: Counter[str] = field(default_factory=Counter)
    """Recordings there now with each label of a whole clip."""

    def describe(self) -> str:
        """Return what is in those that were made now, in words."""
        each = list(self.imported.values())
        total = ImportedRecording(
            path=Path(),
            duration_s=sum(one.duration_s for one in each),
            samples=_sum(one.samples for one in each),
            seconds=_sum(one.seconds for one in each),
            labels=sum(one.labels for one in each),
            skipped=_sum(one.skipped for one in each),
            messages=_sum(one.messages for one in each),
        )
        skipped = f'; skipped: {describe_skipped(total.skipped)}' if total.skipped else ''
        return f'{total.duration_s:.1f} s, {total.describe()}{skipped}'


def _sum(parts: Iterable[Mapping[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        for name, value in part.items():
            total[name] += value
    return total


def import_clips(
    clips: ClipList,
    out: Path,
    *,
    settings: ImportSettings | None = None,
    overwrite: bool = False,
    progress: Callable[[int, str], None] | None = None,
) -> ImportedClips:
    """Make a recording of every clip, and ``splits.csv`` where splits or groups are given.

    A clip that cannot be used is left out and named; the others are imported. A recording that is
    there already is kept as long as its clip, its row and the settings are the same, and made
    again where they are not.

    Args:
        clips: what to import.
        out: folder of the recordings.
        settings: how.
        overwrite: make all of them again, also those that something else made.
        progress: called with how many clips are done, and the name of the next.

    Raises:
        RecordingError: ``out`` holds a table of splits that cannot be read.
        OutputError: the recordings cannot be written.
        ConfigError: a setting is wrong.
        MissingExtraError: without PyAV.
    """
    settings = settings or ImportSettings()
    found = ImportedClips(problems=list(clips.problems))
    memory = _Memory(out)
    try:
        for done, row in enumerate(clips.rows):
            if progress is not None:
                progress(done, row.name)
            _take(row, out, settings, memory, found, overwrite=overwrite)
    finally:
        memory.keep()
        # What is there has its split, also where an import is interrupted.
        _note_splits(clips, out, {*found.imported, *found.kept})
    return found


def _note_splits(clips: ClipList, out: Path, there: AbstractSet[str]) -> None:
    """Put the splits and groups of recordings into the table of splits.

    Args:
        clips: that they are of.
        out: folder of the recordings.
        there: names of those that are there.
    """
    rows = {row.name: (row.split, row.group) for row in clips.rows if row.name in there}
    some = any(split or group for split, group in rows.values())
    if clips.has_splits and rows and (some or exists(out / SPLITS_FILE)):
        update_splits(out, rows)


def _take(
    row: ClipRow,
    out: Path,
    settings: ImportSettings,
    memory: _Memory,
    found: ImportedClips,
    *,
    overwrite: bool,
) -> None:
    """Import one clip unless it is there, or say what is wrong with it."""
    try:
        digest = _digest(row, settings)
        known = memory.digests.get(row.name)
        there = exists(out / row.name)
        if there and known == digest and not overwrite:
            found.kept.append(row.name)
        elif there and known is None and not overwrite:
            raise RecordingError(
                f'{out / row.name} exists and was not made from a table or folder of clips; '
                'remove it, or replace it with --overwrite'
            )
        else:
            memory.note(row.name, _UNFINISHED)
            found.imported[row.name] = _import(row, out / row.name, settings, replace=there)
            memory.note(row.name, digest)
        found.labels[row.label] += bool(row.label)
    except (ConfigError, MissingExtraError, OutputError):
        raise
    except (ActivityRecognitionError, OSError) as error:
        text = str(error)
        if row.name in memory.digests and exists(out / row.name):
            text += f'; what was imported before is still at {out / row.name}'
        found.problems.append(text if text.startswith(row.where) else f'{row.where}: {text}')


def _import(
    row: ClipRow, out: Path, settings: ImportSettings, *, replace: bool
) -> ImportedRecording:
    words: Transcript | None = row.subtitles
    if row.words:
        words = [Cue(start_s=row.start_s, end_s=row.end_s, text=row.words, line=0)]
    delay_s = settings.speech_delay_s if row.speech_delay_s is None else row.speech_delay_s
    if row.clip is None:
        if words is None or row.audio or row.tables or row.labels:
            raise RecordingError('expected words and a label, and no other file, without a clip')
        return import_words(
            words,
            out,
            label=row.label,
            speech_delay_s=delay_s,
            storage=settings.storage,
            overwrite=replace,
        )
    common = {
        'transcript': words,
        'labels': row.labels,
        'label': row.label,
        'tables': row.tables,
        'speech_delay_s': delay_s,
        'audio_channels': settings.audio_channels,
        'storage': settings.storage,
        'overwrite': replace,
    }
    if row.clip.suffix.lower() == KEY_POINTS:
        return import_key_points(row.clip, out, audio=row.audio, **common)  # type: ignore[arg-type]
    if row.audio is not None:
        raise RecordingError(f'audio goes with key points ({KEY_POINTS}); a clip has its own')
    return import_clip(
        row.clip,
        out,
        image=settings.image,
        max_height=settings.max_height,
        **common,  # type: ignore[arg-type]
    )


def _digest(row: ClipRow, settings: ImportSettings) -> str:
    """Return what changes with the files, what the row says of them, and the settings.

    Neither where the row stands, nor split and group: these go to the table of splits alone.
    """
    files = [row.clip, row.labels, row.subtitles, row.audio, *row.tables.values()]
    # Files by their names: a folder that was moved, or named in another way, is the same one.
    names = [f.name if f is not None else '' for f in files]
    kept = {'name': row.name, 'words': row.words, 'times': (row.start_s, row.end_s)}
    said = {**kept, 'label': row.label, 'delay': row.speech_delay_s, 'files': names}
    states = [(s.st_size, s.st_mtime_ns) for f in files if f is not None for s in [f.stat()]]
    content = json.dumps([said, states, asdict(settings)], sort_keys=True, default=str)
    return hashlib.blake2b(content.encode(errors='surrogatepass'), digest_size=16).hexdigest()


class _Memory:
    """Remembers what recordings were made of, so that none is made twice.

    Each change is a line that is appended at once; at its end a run puts all of them into the one
    file. A kill at any time leaves nothing unknown: a line that was cut short says nothing, and
    then what it is about has not begun, or is made again.
    """

    def __init__(self, out: Path) -> None:
        self._path, self._notes = out / MEMORY, out / NOTES
        self.digests: dict[str, str] = {}
        advice = f'remove it, and replace the recordings in {out} with --overwrite'
        if exists(self._path):
            stored = read_json_object(self._path, RecordingError, what=_WHAT, advice=advice)
            self.digests = {name: str(digest) for name, digest in stored.items()}
        self._start = ''
        self._is_kept = not exists(self._notes)
        if not self._is_kept:
            # The first line of this run ends what a killed one may have cut short.
            self._start = '\n'
            text = read_text(self._notes, RecordingError, what=_WHAT, advice=advice)
            for line in text.splitlines():
                self.digests.update(_noted(line))

    def note(self, name: str, digest: str) -> None:
        """Write down what a recording is made of.

        Args:
            name: of the recording.
            digest: of what it is made of.
        """
        self.digests[name] = digest
        self._is_kept = False
        with writing(self._notes, _WHAT):
            self._notes.parent.mkdir(parents=True, exist_ok=True)
            with self._notes.open('a', encoding='utf-8') as file:
                file.write(f'{self._start}{json.dumps([name, digest])}\n')
        self._start = ''

    def keep(self) -> None:
        """Put all changes into the one file."""
        if self._is_kept:
            return
        replace_text(self._path, json.dumps(self.digests, indent=0), _WHAT)
        with writing(self._notes, _WHAT):
            self._notes.unlink(missing_ok=True)
        self._is_kept = True


def _noted(line: str) -> dict[str, str]:
    """Return the change that a line notes; nothing where it was cut short."""
    try:
        name, digest = parse_json(line, RecordingError, where=NOTES)
    except (RecordingError, ValueError, TypeError):
        return {}
    return {name: digest} if isinstance(name, str) and isinstance(digest, str) else {}
