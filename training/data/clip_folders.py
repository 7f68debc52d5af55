"""Which clips a folder holds: those of its table, or those in a folder for each label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from activity_recognition.bags import is_recording
from activity_recognition.bags.subtitles import SUFFIXES as SUBTITLES
from activity_recognition.errors import QUOTE_LIMIT, RecordingError, printable
from activity_recognition.text_files import exists, label_fault
from activity_recognition.training.data.clip_list import ClipList, ClipRow, RecordingNames
from activity_recognition.training.data.clip_table import (
    TABLE,
    is_clip_table,
    read_clip_table,
    speaks_of_clips,
)
from activity_recognition.training.data.splits import SPLITS, SPLITS_FILE

VIDEO = '.3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv'
AUDIO = '.aac .aif .aiff .flac .m4a .mp3 .oga .ogg .opus .wav .wma'
MEDIA = frozenset(f'{VIDEO} {AUDIO} .npz'.split())
"""Suffixes of the files that count as clips where no table names them."""
SPLIT_FOLDERS = {**{name: name for name in SPLITS}, 'val': 'validation', 'valid': 'validation'}
"""Folders that may stand above those of the labels."""


def find_clips(source: Path) -> ClipList:
    """Read a table, that of a folder, or a folder that holds one for each label.

    Args:
        source: a ``.csv`` or ``.tsv`` file, or a folder with ``clips.csv`` (or ``.tsv``) or a
            single other table in it, or with folders named like labels. Beside two such folders
            and more, a table counts that has one of the columns ``clip`` and ``label``.

    Raises:
        RecordingError: there is no table and no clip, or the table cannot be used at all.
    """
    if not source.is_dir():
        if source.suffix.lower() in MEDIA:
            raise RecordingError(
                f'{source}: expected a folder, or a table of clips ({TABLE}), got a clip; put it '
                'into a folder that is named like its label, and name the folder above'
            )
        return read_clip_table(source)
    tables = [
        path
        for path in sorted(source.iterdir())
        if is_clip_table(path) and path.name != SPLITS_FILE and not path.name.startswith('.')
    ]
    named = [path for path in tables if path.stem == PurePath(TABLE).stem]
    if len(named) == 1:
        return read_clip_table(named[0])
    folders = _label_folders(source)
    if len(folders) > 1:
        # A table of something else may lie beside them. A single folder may hold a table's clips.
        tables = [path for path in tables if speaks_of_clips(path)]
    if len(tables) > 1:
        names = printable(', '.join(path.name for path in tables), QUOTE_LIMIT)
        raise RecordingError(
            f'{source}: expected one table, found {names}; name the table itself, or call it '
            f'{TABLE}'
        )
    return read_clip_table(tables[0]) if tables else _by_folders(source, folders)


@dataclass(slots=True)
class _Found:
    """What is in the folders of the labels."""

    rows: list[ClipRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def _label_folders(source: Path) -> list[Path]:
    """Return the folders with clips."""
    return [
        path
        for path in _visible(source)
        if path.is_dir() and not is_recording(path) and any(True for _ in _media(path))
    ]


def _by_folders(source: Path, folders: Sequence[Path]) -> ClipList:
    """Find clips in folders named like their labels, or like splits with those below."""
    found, names = _Found(), RecordingNames()
    splits = _are_splits(source, folders)
    for folder in folders:
        labelled = [path for path in _visible(folder) if path.is_dir()] if splits else [folder]
        for each in labelled:
            split = SPLIT_FOLDERS[folder.name.casefold()] if splits else ''
            _take_folder(each, source, split, names, found)
    beside = [p for p in _visible(source) if p.is_file() and p.suffix.lower() in MEDIA]
    found.problems += [f'{path}: lies in no folder that names its label' for path in beside]
    if not found.rows:
        reason = f'; the first problem: {found.problems[0]}' if found.problems else ''
        raise RecordingError(
            f'{source}: expected a table ({TABLE} with the columns clip and label), or clips in '
            f'folders named like their labels, found neither{reason}'
        )
    return ClipList(
        source=source, rows=tuple(found.rows), problems=tuple(found.problems), has_splits=splits
    )


def _are_splits(source: Path, folders: Sequence[Path]) -> bool:
    """Tell whether folders with clips are named like splits, and not like labels.

    Raises:
        RecordingError: some are, and others are not.
    """
    splits = [path.name for path in folders if path.name.casefold() in SPLIT_FOLDERS]
    others = [path.name for path in folders if path.name.casefold() not in SPLIT_FOLDERS]
    if splits and others:
        raise RecordingError(
            f'{source}: expected folders of splits, or of labels, found splits '
            f'({printable(", ".join(splits), QUOTE_LIMIT)}) beside others '
            f'({printable(", ".join(others), QUOTE_LIMIT)}); put each label below a split'
        )
    return bool(splits)


def _take_folder(
    folder: Path, source: Path, split: str, names: RecordingNames, found: _Found
) -> None:
    """Take the clips at and below the folder of one label."""
    for path in _media(folder):
        name = path.relative_to(source).with_suffix('').as_posix()
        beside = (path.with_suffix(suffix) for suffix in SUBTITLES)
        row = ClipRow(
            where=str(path),
            name=name,
            clip=path,
            label=folder.name,
            subtitles=next(filter(exists, beside), None),
            split=split,
        )
        try:
            if fault := label_fault(row.label):
                raise RecordingError(fault)
            names.take(row)
        except RecordingError as error:
            found.problems.append(f'{path}: {error}')
        else:
            found.rows.append(row)


def _media(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir() and not path.is_symlink() and not is_recording(path):
            yield from _media(path)
        elif path.is_file() and path.suffix.lower() in MEDIA:
            yield path


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith('.'))
