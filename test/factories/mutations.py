"""Seeded mutations of text files: cut, flipped, repeated, and with what parsers stumble over."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator

import yaml

BOMB = (
    b'a: &a [x,x,x,x,x,x,x,x,x]\n'
    + b''.join(
        f'{name}: &{name} [{",".join([f"*{before}"] * 9)}]\n'.encode()
        for before, name in zip('abcdefgh', 'bcdefghi', strict=True)
    )
    + b'preset: *i\n'
)
"""Half a kilobyte of YAML that stands for 9^9 values."""

TOKENS = (
    *(
        b'2026-99-99',
        b'0x_',
        b'0b_',
        b'9' * 5000,
        b'-' + b'9' * 5000,
        b'1e999',
        b'-1e999',
        b'1e-999',
    ),
    *(b'.inf', b'.nan', b'NaN', b'Infinity', b'null', b'true', b'~', b'[]', b'{}', b'""', b"''"),
    *(b'[' * 3000, b'{"a":' * 3000, b'- ' * 2000, b'&a [*a]', b'*a', b'<<: 3', b'!!bool x'),
    *(b'!!timestamp x', b'!!int x', b'!!float x', b'!!binary x', b'!!set {x}', b'1:' * 500 + b'1'),
    *(b'!!python/object/apply:os.system ["true"]', b'a: 1\na: 2\n', b'? [x]\n: y\n', b'---\n'),
    *(b'&#' + b'9' * 5000 + b';', b'&#x110000;', b'&lt', b'<3', b'-->', b'-> 1:0', b'00:99:99,999'),
    *(b'[/x]', b'[bold]', b':wave:', b'\x1b[2J', b'\x00', b'\x07', b'\xff\xfe', b'\xef\xbb\xbf'),
    *(b'\xed\xa0\x80', b'\\ud800', b'"\\ud800"', b'\xe2\x80\xae', b'\xe2\x80\xa8', b'\r', b'\n\n'),
    *(b'"', b"'", b',', b':', b'/', b'../' * 60, b'a' * 5000, b'\t', b' ' * 300, b'%s', b'1_0'),
    *(b'[12, 13]', b'{"a": [1]}', b'"25"', b'"30000/1001"', b'18446744073709551616', b'-1', b'0'),
)
VALUES: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        3,
        2.5,
        1e300,
        10**19,
        '',
        'x',
        '25',
        '[/x]',
        '\x1b[2J',
        'a' * 5000,
    ),
    *([], {}, [None], [12, 13], ['x'], [[]], [{}], {'a': 1}, {'': None}, {'a': {'b': []}}),
)
"""What may stand where something else is wanted."""
_WORD = re.compile(rb'"[^"\n]*"|-?\d[\d.]*|[A-Za-z_]\w*|\[[^\[\]]*\]|\{[^{}]*\}')


def mutations(seed: bytes, count: int, number: int) -> Iterator[bytes]:
    """Yield ``count`` mutations of ``seed``; the same for the same ``number``."""
    for index in range(count):
        chance = random.Random(f'{number}/{index}')
        mutated = seed
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            mutated = chance.choice(_KINDS)(mutated, chance)
        yield mutated


def _place(text: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(text) + 1)
    return start, min(len(text), start + chance.randrange(1, 40))


def _cut(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text) + 1)]


def _remove(text: bytes, chance: random.Random) -> bytes:
    start, end = _place(text, chance)
    return text[:start] + text[end:]


def _repeat(text: bytes, chance: random.Random) -> bytes:
    start, end = _place(text, chance)
    return text[:end] + text[start:end] * chance.choice((1, 2, 50)) + text[end:]


def _flip(text: bytes, chance: random.Random) -> bytes:
    if not text:
        return text
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << chance.randrange(8)]) + text[at + 1 :]


def _insert(text: bytes, chance: random.Random) -> bytes:
    at, _ = _place(text, chance)
    return text[:at] + chance.choice(TOKENS) + text[at:]


def _replace(text: bytes, chance: random.Random) -> bytes:
    """Put something else in the place of a word, a number or a bracketed part."""
    found = list(_WORD.finditer(text))
    if not found:
        return chance.choice(TOKENS)
    word = chance.choice(found)
    return text[: word.start()] + chance.choice(TOKENS) + text[word.end() :]


def _swap(text: bytes, chance: random.Random) -> bytes:
    lines = text.split(b'\n')
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b'\n'.join(lines)


def _reshape(text: bytes, chance: random.Random) -> bytes:
    """Put a value of another kind somewhere into JSON, a line of JSON, or YAML."""
    lines = text.split(b'\n')
    at = chance.randrange(len(lines))
    for before, part, after in (
        ([], text, []),
        (lines[:at], lines[at], lines[at + 1 :]),
    ):
        try:
            value = yaml.safe_load(part)
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, LookupError, AttributeError):
            continue
        except RecursionError:
            continue
        if isinstance(value, (dict, list)):
            changed = json.dumps(_changed(value, chance), default=str).encode()
            return b'\n'.join([*before, changed, *after])
    return text


def _changed(value: object, chance: random.Random) -> object:
    """Return a value of which one part, or it itself, is something else."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.15:
        return chance.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    chosen = chance.choice(keys)
    if isinstance(value, dict):
        return {k: _changed(v, chance) if k == chosen else v for k, v in value.items()}
    return [_changed(v, chance) if k == chosen else v for k, v in enumerate(value)]


_KINDS = (
    _reshape,
    _reshape,
    _reshape,
    _reshape,
    _cut,
    _remove,
    _repeat,
    _flip,
    _insert,
    _insert,
    _replace,
    _replace,
    _replace,
    _swap,
)
