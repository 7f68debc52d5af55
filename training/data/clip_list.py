"""The recordings that are to be made of clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from activity_recognition.errors import RecordingError, quoted


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipRow:
    """One recording that is to be made."""

    where: str
    """What to call the row in messages: table and line, or the file."""
    name: str
    """Of the recording, a path below the folder of all; ``/`` between folders."""
    clip: Path | None
    """Media file, or key points; None for words alone."""
    label: str = ''
    """Of the whole clip; empty where ``labels`` is given."""
    labels: Path | None = None
    words: str = ''
    subtitles: Path | None = None
    """In place of ``words``."""
    start_s: float = 0.0
    """When the words begin, seconds from the clip's start."""
    end_s: float = 0.0
    speech_delay_s: float | None = None
    """None leaves it to the command."""
    audio: Path | None = None
    tables: Mapping[str, Path] = field(default_factory=dict)
    """What other sensors measured, by modality."""
    split: str = ''
    group: str = ''
    is_named: bool = False
    """Whether the table names the recording."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipList:
    """All recordings that are to be made."""

    source: Path
    """The table or folder."""
    rows: tuple[ClipRow, ...]
    problems: tuple[str, ...]
    """What else was found and cannot be used: a sentence each, with file and line."""
    unused: tuple[str, ...] = ()
    """Columns that say nothing to us."""
    has_splits: bool = False
    """Whether it says anything about splits or groups, were it that there are none."""


class RecordingNames:
    """Refuses two recordings at one place, and a clip that comes twice by mistake."""

    def __init__(self) -> None:
        self._rows: dict[str, ClipRow] = {}
        self._clips: dict[Path, ClipRow] = {}
        self._folders: dict[str, ClipRow] = {}
        """Those above recordings."""

    def take(self, row: ClipRow) -> None:
        """Note a row; raises RecordingError where another one has its clip or its name."""
        try:
            row.name.encode()
        except UnicodeEncodeError:
            raise RecordingError('the name of the file is not UTF-8; rename it') from None
        before = self._clips.get(row.clip.resolve()) if row.clip is not None else None
        if before is not None:
            _refuse_repeated(row, before)
        above = [path.as_posix() for path in PurePath(row.name).parents if path.name]
        taken = (self._rows.get(name) for name in (row.name, *above))
        other = next(filter(None, (*taken, self._folders.get(row.name))), None)
        if other is not None:
            raise RecordingError(
                f'the recording {quoted(row.name)} would lie where that of {other.where} lies, '
                f'{quoted(other.name)}; give one of them another name in the column recording'
            )
        self._rows[row.name] = row
        self._folders.update(dict.fromkeys(above, row))
        if row.clip is not None:
            self._clips[row.clip.resolve()] = row


def _refuse_repeated(row: ClipRow, before: ClipRow) -> None:
    """Refuse a clip that another row has, unless its recording is named and of the same split."""
    clip = quoted(row.clip.name if row.clip else '')
    if not row.is_named:
        raise RecordingError(
            f'{clip} stands in {before.where} already; where two recordings of it are wanted, name '
            'them in the column recording'
        )
    if row.split != before.split:
        raise RecordingError(
            f'{clip} is in the split {quoted(row.split)} here and in {quoted(before.split)} in '
            f'{before.where}: what is trained on would be tested'
        )
