"""What is wrong with a recording that cannot be read, and the tool of its own kind that helps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from activity_recognition.bags.unpacking import BeyondLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_QUOTED = 200
"""Characters of a reason that a sentence repeats."""
_PACKED = ('.zst', '.zstd', '.gz', '.bz2', '.xz', '.lz4', '.zip')
_SUFFIXES = ('.mcap', '.db3', '.bag')
_UNPACK = {
    '.zst': 'zstd -d',
    '.zstd': 'zstd -d',
    '.gz': 'gunzip',
    '.bz2': 'bunzip2',
    '.xz': 'unxz',
    '.lz4': 'unlz4',
    '.zip': 'unzip',
}
_NUMBERED = re.compile(r'(.*)_(\d+)')
_DAMAGED = {
    '.bag': '`rosbag reindex {file}` (ROS 1) keeps what is whole',
    '.mcap': '`mcap recover {file} -o recovered.mcap` keeps what is whole',
    '.db3': '`sqlite3 {file} .recover` keeps what is whole',
}
_UNSUPPORTED = {
    '.bag': '`rosbag fix` and `rosbag decompress` (ROS 1) convert old and compressed bags',
    '.mcap': '`mcap compress --compression zstd` and `mcap sort` write it as it is read',
    '.db3': '`ros2 bag convert` writes it as it is read',
}


def explain(error: Exception, path: Path) -> str:
    """Return why a recording cannot be read, and what to do.

    Args:
        error: what reading raised, of any kind.
        path: of the recording, a folder or a file.
    """
    reason = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
    reason = f'{reason[:_QUOTED]}…' if len(reason) > _QUOTED else reason
    kind, file = _kind(path)
    damaged = _DAMAGED[kind].format(file=file)
    if isinstance(error, MemoryError):
        return 'cannot read this recording: it does not fit into memory'
    if isinstance(error, BeyondLimitError):
        return f'cannot read this recording: {reason}; if it is damaged, {damaged}'
    if 'not indexed' in reason:
        return (
            'cannot read this recording: a ROS 1 bag without an index, which was not closed or was '
            f'cut short; `rosbag reindex {file}` (ROS 1) makes one'
        )
    if 'end magic' in reason or 'footer' in reason:
        return (
            'cannot read this recording: an mcap file without its end: it was not closed, is '
            f'damaged or was cut short; {damaged}'
        )
    if 'timestamp order' in reason:
        return f'cannot read this recording: {reason}; `mcap sort {file}` makes an index'
    if 'metadata' in reason or 'yaml' in type(error).__module__:
        return (
            f'cannot read this recording: {reason}; metadata.yaml is damaged: '
            f'`ros2 bag reindex {path}` makes it again'
        )
    if 'files are missing' in reason:
        return (
            f'cannot read this recording: {reason}; copy the whole folder again, or leave out what '
            f'is missing by `ros2 bag reindex {path}`'
        )
    if 'upported' in reason and 'Nested' not in reason:
        return f'cannot read this recording, which is not damaged: {reason}; {_UNSUPPORTED[kind]}'
    return (
        f'cannot read this recording: {reason}; it is damaged or was cut short: {damaged}, else '
        'record it again'
    )


def unread_files(folder: Path) -> list[str]:
    """Say of what lies at and below a folder which recordings are not read, and why.

    These are compressed and unfinished files, and split recordings without their metadata.
    """
    return sorted(_unread_files(folder, frozenset()))


def unread_file(path: Path) -> str | None:
    """Say why a file is not read that by its name is a recording, compressed or unfinished."""
    name = path.name
    if path.suffix in _PACKED and name.removesuffix(path.suffix).endswith(_SUFFIXES):
        return f'{path}: not read: a compressed file; `{_UNPACK[path.suffix]} {name}` unpacks it'
    if path.suffix == '.active' and name.removesuffix(path.suffix).endswith('.bag'):
        return (
            f'{path}: not read: a ROS 1 bag that is not finished; where nothing records it any '
            f'more, `rosbag reindex {name}` (ROS 1) makes its index; rename it to end in .bag'
        )
    if name.endswith('.db3-wal') and path.stat().st_size:
        return (
            f'{path}: not read: messages of {name.removesuffix("-wal")}, which was not closed; '
            f"`sqlite3 {name.removesuffix('-wal')} 'PRAGMA wal_checkpoint'` puts them in"
        )
    return None


def without_metadata(folder: Path) -> str | None:
    """Say of a folder with the files of a split recording that its metadata is missing."""
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES[:2])
    if len(files) < 2 or (folder / 'metadata.yaml').exists():
        return None
    named = [_NUMBERED.fullmatch(file.stem) for file in files]
    numbers = sorted(int(match[2]) for match in named if match)
    is_split = (
        len({match[1] for match in named if match}) == 1
        and numbers == list(range(len(files)))
        and not any(file.with_suffix('.labels.csv').exists() for file in files)
    )
    if not is_split and not (folder / 'labels.csv').exists():
        return None
    return (
        f'{folder}: {len(files)} files, {files[0].name} to {files[-1].name}, seem to be one split '
        f'recording without metadata.yaml; `ros2 bag reindex {folder}` makes it; without it, each '
        'file is a recording of its own, with labels beside it'
    )


def _unread_files(path: Path, above: frozenset[Path]) -> Iterator[str]:
    if path.is_file():
        if reason := unread_file(path):
            yield reason
    elif path.is_dir() and (real := path.resolve()) not in above:  # no link to a folder above
        if (path / 'metadata.yaml').is_file():
            yield from (r for f in path.glob('*.db3-wal') if (r := unread_file(f)))
            return
        if reason := without_metadata(path):
            yield reason
        for entry in path.iterdir():
            if not entry.name.startswith('.'):
                yield from _unread_files(entry, above | {real})


def _kind(path: Path) -> tuple[str, str]:
    """Return the ending and the name of the file, or of the first in a folder, of a recording."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        for suffix in _SUFFIXES:
            if suffix in file.suffixes:
                return suffix, file.name
    return _SUFFIXES[0], path.name
