"""Subtitle files (SubRip ``.srt``, WebVTT ``.vtt``) -> cues of plain text."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIME = r'(?:(\d{1,4}):)?([0-5]?\d):([0-5]?\d)[.,](\d{3})'
_TIMES = re.compile(rf'\s*{_TIME}\s+-->\s+{_TIME}(?:\s.*)?')
_MARKUP = re.compile(r'<[^<>\n]*>|\{\\[^{}\n]*\}')
_VTT_BLOCKS = ('NOTE', 'STYLE', 'REGION')
"""First words of WebVTT blocks that hold no cue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    """One subtitle."""

    start_s: float
    """Seconds from the clip's start."""
    end_s: float
    text: str
    """Without markup, on one line."""
    line: int
    """Line of the file with its times."""


def read_subtitles(path: str | Path) -> tuple[Cue, ...]:
    """Read a subtitle file; cues without text are left out.

    Returns:
        The cues by end: the order in which a recogniser would deliver them.

    Raises:
        RecordingError: naming file and line, for anything malformed.
    """
    path = Path(path)
    if path.suffix.lower() not in ('.srt', '.vtt'):
        raise RecordingError(f'{path}: expected a transcript ending in .srt or .vtt')
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise RecordingError(f'{path}: the transcript is not UTF-8: {error}; convert it') from error
    except OSError as error:
        raise RecordingError(f'{path}: cannot read the transcript: {error}') from error
    blocks = list(_blocks(text.replace('\r\n', '\n').replace('\r', '\n').split('\n')))
    if path.suffix.lower() == '.vtt':
        blocks = _cue_blocks(blocks, path)
    cues = [_cue(first, lines, path) for first, lines in blocks]
    return tuple(sorted((cue for cue in cues if cue.text), key=lambda cue: (cue.end_s, cue.line)))


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield runs of lines between empty ones, each with the number of its first line."""
    block: list[str] = []
    for number, line in enumerate([*lines, ''], 1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _cue_blocks(blocks: list[tuple[int, list[str]]], path: Path) -> list[tuple[int, list[str]]]:
    """Check a WebVTT file's signature and leave out what is no cue."""
    if not blocks or blocks[0][0] != 1 or blocks[0][1][0].split()[0] != 'WEBVTT':
        raise RecordingError(f"{path}:1: a .vtt file begins with 'WEBVTT'")
    return [
        block
        for block in blocks[1:]
        if block[1][0].split()[0] not in _VTT_BLOCKS or '-->' in block[1][0]
    ]


def _cue(first: int, lines: list[str], path: Path) -> Cue:
    """Read one block: an optional identifier, the times, the text."""
    at = 0 if '-->' in lines[0] else 1
    match = _TIMES.fullmatch(lines[at]) if at < len(lines) else None
    if match is None:
        got = lines[min(at, len(lines) - 1)]
        raise RecordingError(
            f'{path}:{first + min(at, len(lines) - 1)}: expected times like '
            f"'00:00:01,500 --> 00:00:03,000', got {got.strip()!r}"
        )
    start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    if end_s < start_s:
        raise RecordingError(
            f'{path}:{first + at}: a cue ends at {end_s} s, before its start at {start_s} s'
        )
    text = html.unescape(_MARKUP.sub('', '\n'.join(lines[at + 1 :])))
    return Cue(start_s=start_s, end_s=end_s, text=' '.join(text.split()), line=first + at)


def _seconds(groups: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, milliseconds = (int(group or 0) for group in groups)
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
