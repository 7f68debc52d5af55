"""Parses message definitions within bounds: what a definition may cost before it is compiled.

A definition comes with a recording or a topic, and decides how much code is generated for it and
how many objects a message of it becomes. Reading one takes at most :data:`MAX_PARSE_STEPS` steps of
the parser; one that is beyond the other bounds here is refused before anything is compiled.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rosbags.interfaces import Nodetype
from rosbags.typesys.base import make_typesdict
from rosbags.typesys.idl import IDLParser
from rosbags.typesys.msg import MSGParser
from rosbags.typesys.peg import Parser

from activity_recognition.errors import UnsupportedEncodingError

if TYPE_CHECKING:
    from rosbags.interfaces.typing import FieldDesc, Typesdict
    from rosbags.typesys.peg import Result

MAX_TEXT = 256 * 1024
"""Characters of a definition with all that it refers to; the largest in use have 60 000."""
MAX_PARSE_STEPS = 100_000
"""Matches that a parser may try, half a second; the largest definitions in use take 20 000."""
MAX_FIELDS = 4096
"""Fields and constants of a type and all that it refers to."""
MAX_DEPTH = 32
"""Types inside each other."""
MAX_UNROLLED = 2048
"""Elements of all arrays of fixed length that hold strings or messages: each becomes code."""
MAX_ELEMENTS = 65_536
"""Values that a message has at least; an array of numbers counts as one, however long."""
MAX_ARRAY = 2**31
"""Elements of an array of numbers of fixed length; the message has to hold them anyway."""
MAX_OBJECTS_BYTES = 8 * 1024 * 1024
"""Size of a message with sequences of strings or messages: each byte may become an object."""

_IDL_SKIPPED = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_IDL_GROWING = re.compile(r'<<|\*')
"""Operators by which a few constants become numbers of any length."""


class _Bounded(Parser):
    """Counts what it tries: nested expressions would take time exponential in their depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._steps_left = MAX_PARSE_STEPS

    def literal(self, pos: int, text: str) -> Result[str]:
        self._count()
        return super().literal(pos, text)

    def regex(self, pos: int, pattern: str, flags: int = 0) -> Result[str]:
        self._count()
        return super().regex(pos, pattern, flags)

    def _count(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise UnsupportedEncodingError(
                f'it takes more than {MAX_PARSE_STEPS} steps to read: expressions in brackets, or '
                'too many lines'
            )


class _BoundedMsgParser(_Bounded, MSGParser):
    pass


class _BoundedIdlParser(_Bounded, IDLParser):
    pass


def parse_msg(text: str, name: str) -> Typesdict:
    """Return the types in ``.msg`` text, with those that follow it.

    Args:
        text: the definition.
        name: of the type, ``pkg/msg/Type``.

    Raises:
        UnsupportedEncodingError: when it is too long or takes too many steps.
        TypesysError: when it is no definition.
    """
    _check_length(text)
    return make_typesdict(_BoundedMsgParser(f'MSG: {name}\n{text}').specification())


def parse_idl(text: str) -> Typesdict:
    """Return the types in IDL.

    Raises:
        UnsupportedEncodingError: when it is too long, takes too many steps, or computes.
        TypesysError: when it is no definition.
    """
    _check_length(text)
    if found := _IDL_GROWING.search(_IDL_SKIPPED.sub(' ', text)):
        raise UnsupportedEncodingError(f'it computes a constant with {found[0]!r}; write its value')
    return make_typesdict(_BoundedIdlParser(text).specification())


def check_types(types: Typesdict, name: str, *, ros1: bool) -> bool:
    """Refuse a type that costs more than the bounds of this module.

    Args:
        types: all that ``name`` refers to, and perhaps more.
        name: of the type.
        ros1: whether messages are in ROS 1's encoding, where an empty one takes no bytes.

    Returns:
        Whether the type has sequences of strings or messages.

    Raises:
        UnsupportedEncodingError: naming the type that is at fault, and the bound.
    """
    fields = sum(len(constants) + len(members) for constants, members in types.values())
    if fields > MAX_FIELDS:
        raise UnsupportedEncodingError(f'{fields} fields; at most {MAX_FIELDS} are taken')
    unrolled = sum(
        description[1][1]
        for _, members in types.values()
        for _, description in members
        if description[0] == Nodetype.ARRAY and _is_object(description[1][0])
    )
    if unrolled > MAX_UNROLLED:
        raise UnsupportedEncodingError(
            f'{unrolled:.4g} strings or messages in arrays of fixed length; '
            f'at most {MAX_UNROLLED} are taken'
        )
    measure = _Measure(types, ros1=ros1)
    measure.size(name, ())
    return measure.has_objects


def _check_length(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise UnsupportedEncodingError(
            f'{len(text)} characters; at most {MAX_TEXT} are taken for a type with all it refers to'
        )


def _is_object(description: FieldDesc) -> bool:
    """Tell whether elements of this kind become Python objects, one by one."""
    if description[0] == Nodetype.NAME:
        return True
    return description[0] == Nodetype.BASE and description[1][0] in ('string', 'wstring')


class _Measure:
    """Counts the values that messages of some types have at least, and the bytes they take."""

    def __init__(self, types: Typesdict, *, ros1: bool) -> None:
        self._types = types
        self._ros1 = ros1
        self._known: dict[str, tuple[int, int]] = {}
        self.has_objects = False

    def size(self, name: str, outer: tuple[str, ...]) -> tuple[int, int]:
        """Return the fewest values and bytes of a type that lies in ``outer``."""
        if name in outer:
            raise UnsupportedEncodingError(f'{name} contains itself')
        if len(outer) >= MAX_DEPTH:
            raise UnsupportedEncodingError(f'more than {MAX_DEPTH} types inside each other')
        if name not in self._known:
            values, size = 0, 0
            for _, description in self._types[name][1]:
                part = self._field(description, (*outer, name))
                values, size = values + part[0], size + part[1]
                if values > MAX_ELEMENTS:
                    raise UnsupportedEncodingError(
                        f'a message of {name} has more than {MAX_ELEMENTS} values'
                    )
            self._known[name] = values, size or int(not self._ros1)
        return self._known[name]

    def _field(self, description: FieldDesc, outer: tuple[str, ...]) -> tuple[int, int]:
        if description[0] == Nodetype.NAME:
            return self.size(str(description[1]), outer)
        if description[0] not in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            return 1, 1
        element, length = description[1]
        values, size = self._field(element, outer)
        if not size:
            raise UnsupportedEncodingError(f'{outer[-1]} has an array of messages without bytes')
        if description[0] == Nodetype.SEQUENCE:
            self.has_objects = self.has_objects or _is_object(element)
            return 1, 4
        if not 0 < length <= MAX_ARRAY:
            raise UnsupportedEncodingError(
                f'{outer[-1]} has an array of {length:.4g} elements; '
                f'expected 1 to {MAX_ARRAY} of them'
            )
        return (values * length if _is_object(element) else 1), size * length
