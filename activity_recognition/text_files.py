"""Text files of others: read whole, bounded, and refused in a sentence with file and line.

Whoever wrote such a file, its size, its depth and its numbers are not taken on trust. All readers
of JSON, YAML and tables in this package come through here. Each takes the class of error that its
caller documents; nothing else leaves it for anything that a file may hold.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import stat
from pathlib import Path
from typing import Any

import yaml

from activity_recognition.errors import ActivityRecognitionError, printable, quoted

MIB = 1 << 20
TEXT_LIMIT = 64 * MIB
"""Bytes of a text file, unless its reader says otherwise."""
YAML_LIMIT = MIB // 4
"""Bytes of a YAML file. PyYAML takes a second for some 100 kB."""
YAML_NODES = 50_000
"""Values of a YAML file with all aliases written out."""
YAML_DEPTH = 40
"""Levels of a YAML file."""
LABEL_LIMIT = 200
"""Characters of the name of an activity."""

_INTEGER_DIGITS = 20
"""What 64 bits hold, with or without a sign."""
_HALF_PAIR = re.compile(r'\\u[dD][89a-fA-F]')
_KINDS = {stat.S_IFDIR: 'a folder', stat.S_IFIFO: 'a pipe', stat.S_IFSOCK: 'a socket'}

Error = type[ActivityRecognitionError]


def exists(path: Path) -> bool:
    """Return whether there is something at ``path``; a name that cannot be is nowhere."""
    try:
        path.stat()
    except (OSError, ValueError):  # too long; with a NUL
        return False
    return True


def home_expanded(text: str, error: Error, *, where: str) -> Path:
    """Return a path in which ``~`` or ``~name`` at its beginning is that user's home.

    Args:
        text: as somebody wrote it.
        error: to raise.
        where: it was written, for the message.

    Raises:
        ActivityRecognitionError: of the class asked for; there is no such home.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise error(
            f'{where}: expected a path, got {quoted(text)}, whose ~ stands for no home on this '
            'machine; write the path out'
        ) from None


def label_fault(label: str) -> str | None:
    """Return what is wrong with the name of an activity, if anything is.

    It goes on into checkpoints, messages, tables and terminals.
    """
    if not label.strip():
        return "the label is empty; nothing happening is 'none'"
    if len(label) > LABEL_LIMIT:
        return f'expected a label of at most {LABEL_LIMIT} characters, got {len(label)}'
    if printable(label) != label or '\n' in label or '\t' in label:
        return f'expected a label on one line without control characters, got {quoted(label)}'
    return None


def read_text(
    path: Path | str,
    error: Error,
    *,
    what: str,
    limit_bytes: int = TEXT_LIMIT,
    form: str = 'UTF-8',
    utf16: bool = False,
    advice: str = '',
) -> str:
    """Read a file of UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        error: raised for whatever is wrong.
        what: to call it in messages, for example ``the labels``.
        limit_bytes: refuse larger files.
        form: what a file of other bytes is not.
        utf16: whether UTF-16 with a byte order mark is taken as well, as spreadsheets write it.
        advice: what to do about a file that cannot be read.
    """
    path = Path(path)
    try:
        content = _read_bytes(path, limit_bytes)
        if utf16 and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode('utf-16')
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as found:
        reason = f'it is not {form}: {found.reason} at byte {found.start}; convert it to UTF-8'
    except OSError as found:
        reason = found.strerror or str(found)
    except ValueError as found:
        reason = str(found)
    raise error(f'{path}: cannot read {what} ({reason}){_advice(advice)}')


def _read_bytes(path: Path, limit_bytes: int) -> bytes:
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        raise ValueError(f'expected a file, found {_KINDS.get(kind, "a device")}')
    with path.open('rb') as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise ValueError(f'expected at most {limit_bytes} bytes')
    return content


def _advice(text: str) -> str:
    return f'; {text}' if text else ''


# --- JSON ---------------------------------------------------------------------------------------


class _JsonError(ValueError):
    """Something that json takes and we do not."""


def read_json(
    path: Path | str,
    error: Error,
    *,
    what: str,
    limit_bytes: int = TEXT_LIMIT,
    advice: str = '',
) -> Any:
    """Read a JSON file; see :func:`read_text` and :func:`parse_json`.

    Args:
        path: the file.
        error: raised where the file cannot be used.
        what: the file in words, for messages.
        limit_bytes: largest size that is read.
        advice: what to do where it cannot be used; empty for nothing.
    """
    text = read_text(path, error, what=what, limit_bytes=limit_bytes, advice=advice)
    return parse_json(text, error, where=str(path), what=what, advice=advice)


def read_json_object(path: Path | str, error: Error, *, what: str, advice: str = '') -> Any:
    """Read a JSON file that holds one object; see :func:`read_json`.

    Args:
        path: the file.
        error: raised where the file cannot be used.
        what: the file in words, for messages.
        advice: what to do where it cannot be used; empty for nothing.
    """
    return demand_mapping(
        read_json(path, error, what=what, advice=advice), error, where=str(path), advice=advice
    )


def demand_mapping(value: Any, error: Error, *, where: str, advice: str = '') -> dict[str, Any]:
    """Return ``value`` if it is a mapping, or raise ``error`` that says so.

    Args:
        value: anything that a file held.
        error: raised where it is no mapping.
        where: place of the value, for messages.
        advice: what to do where it is none; empty for nothing.
    """
    if not isinstance(value, dict):
        raise error(f'{where}: expected an object with keys, got {quoted(value)}{_advice(advice)}')
    return value


def parse_json(
    text: str | bytes,
    error: Error,
    *,
    where: str,
    what: str = 'it',
    allow_nan: bool = False,
    advice: str = '',
) -> Any:
    """Parse JSON: strictly, and with numbers of 64 bits at most.

    Args:
        text: UTF-8 where it is bytes.
        error: raised for whatever is wrong.
        where: it comes from, for example its file.
        what: to call it in messages.
        allow_nan: whether NaN and infinity are taken.
        advice: what to do about it.
    """
    try:
        text = text if isinstance(text, str) else text.decode('utf-8')
        value = (_JSON_NAN if allow_nan else _JSON).decode(text)
        if _HALF_PAIR.search(text):
            json.dumps(value, ensure_ascii=False).encode('utf-8')
        return value
    except json.JSONDecodeError as found:
        reason = f'line {found.lineno}: {found.msg}'
    except UnicodeEncodeError:
        reason = 'it holds half of a pair of UTF-16'
    except UnicodeDecodeError as found:
        reason = f'it is not UTF-8 ({found.reason} at byte {found.start})'
    except _JsonError as found:
        reason = str(found)
    except RecursionError:
        reason = 'it is nested too deep'
    raise error(f'{where}: cannot read {what} (not JSON: {reason}){_advice(advice)}')


def _integer(text: str) -> int:
    if len(text.lstrip('-')) > _INTEGER_DIGITS:
        raise _JsonError(f'expected integers of 64 bits, got {len(text)} digits')
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float('inf'), float('-inf')):
        raise _JsonError(f'{quoted(text)} is too large a number')
    return value


def _refuse_constant(name: str) -> float:
    raise _JsonError(f'expected finite numbers, got {name}')


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _JsonError(f'the key {quoted(twice)} stands twice in one object')
    return found


_JSON = json.JSONDecoder(
    parse_int=_integer,
    parse_float=_finite,
    parse_constant=_refuse_constant,
    object_pairs_hook=_distinct,
)
_JSON_NAN = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_distinct)


# --- YAML ---------------------------------------------------------------------------------------


def read_yaml(
    path: Path | str, error: Error, *, what: str, limit_bytes: int = YAML_LIMIT
) -> dict[Any, Any]:
    """Read a YAML file that holds a mapping, or nothing; see :func:`parse_yaml`.

    Args:
        path: the file.
        error: raised where the file cannot be used.
        what: the file in words, for messages.
        limit_bytes: largest size that is read.
    """
    text = read_text(path, error, what=what, limit_bytes=limit_bytes, form='YAML')
    value = parse_yaml(text, error, where=str(path))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise error(f'{path}: expected a mapping of keys, got {type(value).__name__}')
    return value


def parse_yaml(text: str, error: Error, *, where: str, max_values: int = YAML_NODES) -> Any:
    """Parse YAML with the safe loader: keys once, depth and aliases bounded, integers of 64 bits.

    Args:
        text: one document.
        error: raised for whatever is wrong.
        where: it comes from, for example its file.
        max_values: in it, all aliases written out.
    """
    try:
        loader = _BoundedLoader(text, max_values)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as found:
        mark = found.problem_mark or found.context_mark
        where = f'{where}:{mark.line + 1}' if mark else where
        reason = found.problem or found.context or 'malformed'
    except yaml.YAMLError as found:
        reason = str(found)
    raise error(f'{where} is not YAML: {" ".join(reason.split())[:300]}')


class _BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which bounds nothing and lets errors of conversion through."""

    def __init__(self, text: str, max_values: int) -> None:
        super().__init__(text)
        self._max_values = max_values
        self._depth = 0
        self._nodes = 0
        self._sizes: dict[int, int] = {}
        """Values in a node with its aliases written out, by the node's identity."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node, counting depth and values as if every alias were written out."""
        is_alias = self.check_event(yaml.AliasEvent)
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._nodes
        self._depth += 1
        if self._depth > YAML_DEPTH:
            raise _problem(f'nested more than {YAML_DEPTH} levels deep', event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            if id(node) not in self._sizes:
                raise _problem('an alias inside of what it stands for', event.start_mark)
            self._nodes += self._sizes[id(node)]
        else:
            self._nodes += 1
            self._sizes[id(node)] = self._nodes - before
        if self._nodes > self._max_values:
            raise _problem(
                f'more than {self._max_values} values, aliases written out', event.start_mark
            )
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build a value; what its text cannot be converted to is an error with a line."""
        kind = node.tag.rpartition(':')[2]
        if kind != 'str' and isinstance(node, yaml.ScalarNode) and len(node.value) > 100:
            raise _problem(f'{quoted(node.value)} cannot be read as {kind}', node.start_mark)
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as found:
            # `2026-99-99`, `0x_`, `!!bool maybe`, `!!timestamp soon`, sexagesimals without end.
            what = quoted(node.value) if isinstance(node, yaml.ScalarNode) else 'what is here'
            raise _problem(f'{what} cannot be read as {kind}', node.start_mark) from found
        if isinstance(value, int) and value.bit_length() > 64:
            raise _problem(f'expected integers of 64 bits, got {quoted(value)}', node.start_mark)
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode('utf-8')
            except UnicodeEncodeError:
                raise _problem('half of a pair of UTF-16', node.start_mark) from None
        return value

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping whose keys stand in it once; what ``<<`` merges in does not count."""
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _problem(f'the key {quoted(key.value)} stands twice', key.start_mark)
                seen.add((key.tag, key.value))
        return node


def _problem(text: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=mark)


# --- Tables -------------------------------------------------------------------------------------


def read_rows(
    path: Path | str, error: Error, *, what: str, delimiters: str = ','
) -> tuple[list[tuple[int, list[str]]], str | None]:
    """Read a CSV file as far as it is one; UTF-16 with a byte order mark is taken, too.

    Args:
        path: the file.
        error: raised where it cannot be read at all.
        what: to call it in messages.
        delimiters: that may part its columns; the one that occurs most often in the first line
            does.

    Returns:
        The rows, each with its last line, counted from 1, and what ended them early: a sentence
        with the line, or None.
    """
    text = read_text(path, error, what=what, utf16=True)
    first = text.partition('\n')[0]
    delimiter = max(delimiters, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=''), strict=True, delimiter=delimiter)
    found: list[tuple[int, list[str]]] = []
    try:
        for row in rows:
            found.append((rows.line_num, row))  # noqa: PERF401 - what came before an error is kept
    except csv.Error as problem:
        return found, f'{path}:{max(rows.line_num, 1)}: not CSV: {problem}'
    return found, None
