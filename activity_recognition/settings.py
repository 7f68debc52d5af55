"""How a setting is declared: its default, its range, and whether a node may change it live."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
import typing
from dataclasses import field
from typing import Any

from activity_recognition.errors import ConfigError, quoted


def _between(
    owner: object,
    name: str,
    low: float,
    high: float,
    *,
    low_open: bool = False,
) -> None:
    """Raise ConfigError unless the field ``name`` lies between ``low`` and ``high``."""
    value = getattr(owner, name)
    inside = (low < value if low_open else low <= value) and value <= high
    if not inside:
        bracket = '(' if low_open else '['
        raise ConfigError(
            f'{type(owner).__name__}.{name} must lie in {bracket}{low:g}, {high:g}], '
            f'got {quoted(value)}'
        )


def setting(
    default: Any,
    *,
    live: bool = False,
    low: float | None = None,
    high: float | None = None,
    optional_in_checkpoint: bool = False,
    unnamed_in_checkpoint: Any = None,
    advice: str = '',
    description: str = '',
) -> Any:
    """Declare a field with what a ROS parameter descriptor needs to know of it.

    Args:
        default: the value when nothing overrides it.
        live: whether it may change while the node is active.
        low: smallest accepted value, if it has one.
        high: largest accepted value, if it has one.
        optional_in_checkpoint: whether older checkpoints lack it; the default is what they do. A
            checkpoint that has the default does not name it.
        unnamed_in_checkpoint: where that is not the default, what checkpoints do that do not name
            it; implies ``optional_in_checkpoint``.
        advice: what to say where a value of another type is set.
        description: for users, where the field is not written in a class with a text below it.
    """
    metadata = {
        'live': live,
        'low': low,
        'high': high,
        'optional_in_checkpoint': optional_in_checkpoint or unnamed_in_checkpoint is not None,
        'unnamed_in_checkpoint': default
        if unnamed_in_checkpoint is None
        else unnamed_in_checkpoint,
        'advice': advice,
    }
    if description:
        metadata['description'] = description
    if isinstance(default, (list, dict, set)):
        raise TypeError('a default must be immutable')
    return field(default=default, metadata=metadata)


MAX_ENTRIES, MAX_ENTRY = 64, 65_536
"""How many numbers a tuple of sizes may hold, and how large each may be."""


class Ranged:
    """Checks every field that declares a range; mixed into the dataclasses below."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Raise ConfigError for the first field outside its declared range."""
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            low, high = item.metadata.get('low'), item.metadata.get('high')
            if low is not None and high is not None:
                _between(self, item.name, low, high)

    def _check_positive(self, *names: str) -> None:
        """Raise ConfigError unless these tuples are short and hold sizes from 1 up."""
        for name in names:
            value = getattr(self, name)
            if any(entry < 1 for entry in value):
                raise ConfigError(
                    f'{type(self).__name__}.{name} must hold numbers from 1 up, got {value[:8]}'
                )
            if len(value) > MAX_ENTRIES or any(entry > MAX_ENTRY for entry in value):
                raise ConfigError(
                    f'{type(self).__name__}.{name} must hold at most {MAX_ENTRIES} numbers of at '
                    f'most {MAX_ENTRY}, got {len(value)} up to {max(value):.4g}'
                )


def field_docstrings(cls: type) -> dict[str, str]:
    """Return the string literal below each field of a class, unwrapped, or its description."""
    texts = {
        item.name: str(item.metadata['description'])
        for item in dataclasses.fields(cls)
        if 'description' in item.metadata
    }
    for owner in reversed(cls.__mro__):
        if dataclasses.is_dataclass(owner):
            texts.update(_own_docstrings(owner))
    return texts


def _own_docstrings(cls: type) -> dict[str, str]:
    """Return the string literal below each field that the class itself declares."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except OSError:  # made from a table, or installed without sources
        return {}
    body = typing.cast(ast.ClassDef, tree.body[0]).body
    return {
        item.target.id: ' '.join(str(text.value.value).replace('``', '').split())
        for item, text in itertools.pairwise(body)
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
