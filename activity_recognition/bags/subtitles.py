"""Subtitle files (SubRip ``.srt``, WebVTT ``.vtt``) -> cues of plain text.

A parser of our own, after trying pysubs2 1.8, webvtt-py 0.6 and srt 3.5: all three find cues by
their times, as done here, but pysubs2 and webvtt-py delete words in angle brackets (an address, a
``<3``) and skip a cue whose times are malformed without notice, srt reads no WebVTT, and none
says the line of a cue, removes what rolling captions repeat, or refuses times that run backwards.

Writers keep few rules: empty lines are missing between cues, and stand inside of them. So only a
line of times begins a cue; what follows up to the next one is its text, less the next one's
identifier. Nothing is skipped silently: what is no cue is an error with its line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from activity_recognition.errors import RecordingError, quoted
from activity_recognition.text_files import read_text
from activity_recognition.types import Utterance, to_ns

SPEECH_DELAY_S = 0.5
"""How long a speech recogniser is taken to need after an utterance's end, seconds."""
SUFFIXES = ('.srt', '.vtt')
_LIMIT = 16 << 20
"""Bytes of a file."""

_TIME = r'(?:(\d{1,4}):)?([0-5]?\d):([0-5]?\d)[.,](\d{3})'
_TIMES = re.compile(rf'\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?')
_LIKE_TIMES = re.compile(r'\s*-?\d+:\d.*->|.*-->\s*-?\d+:\d')
"""What is meant as times, whether or not it can be read."""
_COMMENT = re.compile(r'NOTE([ \t].*)?|(STYLE|REGION)\s*')
"""First line of a WebVTT block that holds no cue."""
# Only what is a tag is removed: in speech, `<` may stand before a number, a name or an address.
_ATTRIBUTES = r"""(?:\s+[\w-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s<>"']+))*"""
_MARKUP = re.compile(
    rf"""</?(?:i|b|u|s|em|strong|ruby|rt|span|font|c|p|div){_ATTRIBUTES}\s*/?>
    |</?(?:i|b|u|c|ruby|rt)(?:\.[^\s<>.]+)+>    # WebVTT: classes
    |<(?:v|lang)(?:\.[^\s<>.]+)*(?:\s[^<>]*)?>|</(?:v|lang)>
    |<(?:\d+:)?\d\d:\d\d[.,]\d{{3}}>            # when the next word is said
    |\{{\\[^{{}}\n]*\}}                         # SubStation's commands
    |\{{/?[biu]\}}""",
    re.IGNORECASE | re.VERBOSE,
)
_BREAK = re.compile(r'<br\s*/?>', re.IGNORECASE)
_ENTITY = re.compile(r'&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});')
"""A character's name or number, of bounded length: Python refuses to read thousands of digits."""
_CONTROL = re.compile(r'[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2060\ufeff]')
"""Nothing that is said: control characters, marks of direction, spaces without width."""

_ROLL_GAP_S = 1.0
"""Longest pause after which a caption still repeats what the last one showed."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Caption:
    """A cue as it is shown."""

    cue: Cue
    lines: tuple[str, ...]
    """Without markup; those without text are left out."""


def read_subtitles(path: str | Path) -> tuple[Cue, ...]:
    """Read a subtitle file; cues without text are left out.

    Captions that roll, so that each shows the last one's lines again, give every line once, with
    the times of the cue that shows it first.

    Returns:
        The cues by end: the order in which a recogniser would deliver them.

    Raises:
        RecordingError: naming file and line, for anything malformed.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise RecordingError(f'{path}: expected a transcript ending in .srt or .vtt')
    text = read_text(path, RecordingError, what='the transcript', limit_bytes=_LIMIT, utf16=True)
    lines = text.replace('\r\n', '\n').replace('\r', '\n').split('\n')
    first = 0
    if path.suffix.lower() == '.vtt':
        first = _after_header(lines, path)
        lines = _without_comments(lines, first)
    captions = list(_captions(lines, first, path))
    cues = (replace(c.cue, text=' '.join(c.lines)) for c in _without_repetitions(captions))
    return tuple(sorted((cue for cue in cues if cue.text), key=lambda cue: (cue.end_s, cue.line)))


def as_utterances(
    cues: Iterable[Cue], start_ns: int, speech_delay_s: float = SPEECH_DELAY_S
) -> Iterator[Utterance]:
    """Yield subtitles as what a speech recogniser would deliver.

    Args:
        cues: as :func:`read_subtitles` returns them.
        start_ns: stamp of the clip's start.
        speech_delay_s: from an utterance's end to its arrival, seconds.
    """
    for cue in cues:
        end_ns = start_ns + to_ns(cue.end_s)
        yield Utterance(
            stamp_ns=end_ns,
            arrival_ns=end_ns + to_ns(speech_delay_s),
            text=cue.text,
            start_ns=start_ns + to_ns(cue.start_s),
        )


def _after_header(lines: Sequence[str], path: Path) -> int:
    """Return the index after a WebVTT file's header, which ends before the first cue at latest."""
    if lines[0].split()[:1] != ['WEBVTT']:
        raise RecordingError(f"{path}:1: a .vtt file begins with 'WEBVTT'")
    for index in range(1, len(lines)):
        if not lines[index].strip():
            return index
        if '-->' in lines[index]:
            # The line before it may be the cue's identifier, which is not needed.
            return index
    return len(lines)


def _without_comments(lines: Sequence[str], first: int) -> list[str]:
    """Empty the lines of WebVTT's notes, styles and regions; they end at an empty line or a cue."""
    kept = list(lines)
    inside = False
    for index in range(first, len(lines)):
        line = lines[index]
        starts_block = index == first or not lines[index - 1].strip()
        if not line.strip() or _TIMES.fullmatch(line):
            inside = False
        elif starts_block and _COMMENT.fullmatch(line):
            inside = True
        if inside:
            kept[index] = ''
    return kept


def _captions(lines: Sequence[str], first: int, path: Path) -> Iterator[_Caption]:
    """Yield the captions in the order of the file."""
    times = [index for index in range(first, len(lines)) if _TIMES.fullmatch(lines[index])]
    _demand_readable_times(lines, first, times, path)
    identifiers = _Identifiers(lines, first, times, named=path.suffix.lower() == '.vtt')
    for index, following in pairwise([*times, len(lines)]):
        shown = (_plain(line) for line in lines[index + 1 : identifiers.begin(following)])
        cue = _cue(lines[index], index + 1, path)
        yield _Caption(cue=cue, lines=tuple(line for line in shown if line))


class _Identifiers:
    """Tells the identifiers of cues from the last lines of the text before them."""

    def __init__(
        self, lines: Sequence[str], first: int, times: Sequence[int], *, named: bool
    ) -> None:
        """Look at how a file marks its first cue: so it marks all.

        Args:
            lines: of the file.
            first: index of the first line that may belong to a cue.
            times: indices of the lines with times.
            named: whether identifiers may be other than numbers.
        """
        self._lines = lines
        self._first = first
        head = [index for index in range(first, times[0] if times else 0) if lines[index].strip()]
        self._numbered = bool(head) and lines[head[-1]].strip().isdecimal()
        self._named = named or (bool(head) and not self._numbered)
        self._distance = times[0] - head[-1] if self._numbered else 1
        """Lines from a number to the times; more than 1 where every second line is empty."""

    def begin(self, index: int) -> int:
        """Return where the cue with times at ``index`` begins: there or at its identifier."""
        for distance in {1, self._distance}:
            at = index - distance
            between = self._lines[at + 1 : index]
            if at >= self._first and not any(map(str.strip, between)) and self._is_one(at, index):
                return at
        return index

    def _is_one(self, at: int, index: int) -> bool:
        if index >= len(self._lines):
            return False
        line = self._lines[at].strip()
        alone = at - 1 < self._first or not self._lines[at - 1].strip()
        if line.isdecimal():
            return self._numbered or alone
        return bool(line) and alone and self._named and at == index - 1


def _demand_readable_times(
    lines: Sequence[str], first: int, times: Sequence[int], path: Path
) -> None:
    """Refuse lines that are meant as times and cannot be read, and text before all times."""
    is_vtt = path.suffix.lower() == '.vtt'
    known = set(times)
    for index in range(first, len(lines)):
        line = lines[index]
        if index not in known and (_LIKE_TIMES.match(line) or (is_vtt and '-->' in line)):
            raise _malformed(lines, index, path)
    begin = times[0] if times else len(lines)
    head = [index for index in range(first, begin) if lines[index].strip()]
    # An identifier may stand before the first times.
    if len(head) > 1 or (head and not times):
        raise _malformed(lines, head[min(1, len(head) - 1)], path)


def _malformed(lines: Sequence[str], index: int, path: Path) -> RecordingError:
    return RecordingError(
        f"{path}:{index + 1}: expected times like '00:00:01,500 --> 00:00:03,000', "
        f'got {quoted(lines[index].strip())}'
    )


def _cue(line: str, number: int, path: Path) -> Cue:
    match = _TIMES.fullmatch(line)
    assert match is not None
    start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    if end_s < start_s:
        raise RecordingError(
            f'{path}:{number}: a cue ends at {end_s} s, before its start at {start_s} s'
        )
    return Cue(start_s=start_s, end_s=end_s, text='', line=number)


def _seconds(groups: Sequence[str | None]) -> float:
    hours, minutes, seconds, milliseconds = (int(group or 0) for group in groups)
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _plain(line: str) -> str:
    """Return what is said in a line: tags go, the characters that entities stand for come."""
    text = _MARKUP.sub('', _BREAK.sub(' ', line))
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    return ' '.join(_CONTROL.sub('', text).split())


def _without_repetitions(captions: Sequence[_Caption]) -> list[_Caption]:
    """Return captions without what the one before has shown, where that is a file's habit.

    Two kinds roll: each caption has the last one's lines above its own, or each has the last one's
    line with more words. People repeat themselves, too: so in other files nothing is taken away.
    """
    pairs = [pair for pair in pairwise(captions) if _adjacent(*pair)]
    rolled = sum(0 < _repeated(*pair) < len(pair[1].lines) for pair in pairs)
    grown = sum(_grown(*pair) > 0 for pair in pairs)
    several = sum(len(caption.lines) > 1 for caption in captions)
    rolls = rolled > 0 and 2 * rolled >= several
    grows = grown > 1 and 2 * grown >= len(captions) - 1
    return list(_news(captions, rolls=rolls, grows=grows))


def _news(captions: Sequence[_Caption], *, rolls: bool, grows: bool) -> Iterator[_Caption]:
    before: _Caption | None = None
    for caption in captions:
        lines = caption.lines
        if before is not None and _adjacent(before, caption):
            known = _repeated(before, caption) if rolls or grows else 0
            letters = _grown(before, caption) if grows and not known else 0
            lines = lines[known:]
            if letters:
                lines = (lines[0][letters:].strip(), *lines[1:])
        yield replace(caption, lines=lines)
        if caption.lines:
            before = caption


def _adjacent(before: _Caption, after: _Caption) -> bool:
    pause_s = after.cue.start_s - before.cue.end_s
    return after.cue.start_s >= before.cue.start_s and pause_s <= _ROLL_GAP_S


def _repeated(before: _Caption, after: _Caption) -> int:
    """Return how many lines at the top of a caption are those at the bottom of the last one."""
    for count in range(min(len(before.lines), len(after.lines)), 0, -1):
        if before.lines[-count:] == after.lines[:count]:
            return count
    return 0


def _grown(before: _Caption, after: _Caption) -> int:
    """Return how many characters of a caption's first line are the last one's only line."""
    if len(before.lines) == 1 and after.lines and after.lines[0].startswith(f'{before.lines[0]} '):
        return len(before.lines[0])
    return 0
