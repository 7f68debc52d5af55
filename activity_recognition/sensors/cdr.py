"""CDR buffers in, message objects out, through rosbags and without ROS.

A type is read with the definition its topic carries: the one embedded in a recording, else the one
installed on the machine (``share/<package>/msg`` under ``AMENT_PREFIX_PATH``), else one of the
standard Jazzy definitions or of :mod:`activity_recognition.sensors.definitions`. Every root type
has a type store of its own, so packages that share a name and disagree never meet.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

from activity_recognition.errors import DecodeError, UnsupportedEncodingError, quoted
from activity_recognition.sensors.definition_limits import (
    MAX_OBJECTS_BYTES,
    check_types,
    parse_idl,
    parse_msg,
)
from activity_recognition.sensors.definitions import FIXED_TYPES, KNOWN_DEFINITIONS, OTHER_RELEASES
from activity_recognition.types import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rosbags.interfaces.typing import FieldDesc, Typesdict
    from rosbags.typesys.store import Typestore

Message: TypeAlias = Any
"""A message object with the fields of its definition; arrays are NumPy views of the buffer."""

_TYPE_NAME = re.compile(r'([A-Za-z]\w*)/(?:(msg|srv|action)/)?([A-Za-z]\w*)')
_IDL_SEPARATOR = '=' * 80 + '\n'
_QUOTED = 200
"""Characters of a parser's complaint that an error repeats: it quotes the whole definition."""
_ROS1_REPLACED = ('std_msgs/msg/Header', 'builtin_interfaces/msg/Time')
"""ROS 1's header has a counter more than ROS 2's; rosbags drops it when it converts a record."""


STAND_IN = '# Stand-in'
"""How definitions begin that are built here because their package is missing (interfaces/)."""
MAX_FRAME_ID = 1024
"""Longest name of a coordinate frame: what is recognised carries it on with every decision."""


def full_type_name(name: str) -> str:
    """Return ``pkg/msg/Type`` for ``pkg/Type``; names with ``msg``, ``srv`` or ``action`` stay.

    Raises:
        DecodeError: when it is none of these.
    """
    match = _TYPE_NAME.fullmatch(name)
    if match is None:
        raise DecodeError(f"message type: expected 'package/msg/Type', got {quoted(name)}")
    return f'{match[1]}/{match[2] or "msg"}/{match[3]}'


def listed_type_name(name: str) -> str:
    """Return the full name of a type, or the name as it is where it is none of ROS."""
    return full_type_name(name) if _TYPE_NAME.fullmatch(name) else name


def header_stamp_ns(message: Message) -> int | None:
    """Return the stamp in a message's header; None without a header or with a zero stamp.

    Raises:
        DecodeError: when the stamp is not a time.
    """
    header = getattr(message, 'header', None)
    stamp = getattr(header, 'stamp', None)
    if stamp is None:
        return None
    seconds, nanoseconds = int(stamp.sec), int(stamp.nanosec)
    if seconds < 0 or not 0 <= nanoseconds < NANOSECONDS:
        raise DecodeError(f'header stamp: not a time: sec={seconds}, nanosec={nanoseconds}')
    return seconds * NANOSECONDS + nanoseconds or None


def frame_id_of(message: Message) -> str:
    """Return the coordinate frame named in a message's header, empty where there is none.

    Raises:
        DecodeError: when the name is too long.
    """
    name = str(getattr(getattr(message, 'header', None), 'frame_id', ''))
    if len(name) > MAX_FRAME_ID:
        raise DecodeError(
            f'header frame_id: expected at most {MAX_FRAME_ID} characters, got {len(name)}; name '
            "the sensor's coordinate frame in the driver"
        )
    return name


class MessageType:
    """One message type with the definitions it is closed over: reads and writes its buffers."""

    __slots__ = ('max_bytes', 'name', 'other_release', 'store')

    def __init__(self, name: str, store: Typestore, max_bytes: float = math.inf) -> None:
        """Make a type.

        Args:
            name: ``pkg/msg/Type``.
            store: the definitions it is closed over.
            max_bytes: longest buffer that is read.
        """
        self.name = name
        self.store = store
        self.max_bytes = max_bytes
        """Messages that are larger are refused."""
        self.other_release: MessageType | None = None
        """The type by another release, for messages without a definition that do not fit."""

    def deserialise(self, cdr: bytes | memoryview) -> Message:
        """Return the message in ``cdr``; its arrays are read-only views of that buffer.

        A sequence longer than the buffer is refused before anything is allocated for it.

        Raises:
            DecodeError: when the buffer is not one whole message of this type.
            UnsupportedEncodingError: when it is larger than :attr:`max_bytes`.
        """
        self._check_size(cdr)
        try:
            return self.store.deserialize_cdr(memoryview(cdr), self.name)
        except (
            Exception
        ) as error:  # rosbags runs generated code: a broken buffer can raise anything
            if self.other_release is not None:
                with suppress(DecodeError):
                    return self.other_release.deserialise(cdr)
            raise DecodeError(
                f'broken buffer: {len(cdr)} bytes are no {self.name}: '
                f'{error or type(error).__name__}; '
                'the message is cut short, damaged, or of another definition of that type'
            ) from error

    def serialise(self, message: Message) -> memoryview:
        """Return ``message`` as little-endian CDR."""
        return self.store.serialize_cdr(message, self.name, little_endian=True)

    def from_ros1(self, raw: bytes | memoryview) -> memoryview:
        """Return a ROS 1 record of this type as little-endian CDR.

        Raises:
            DecodeError: when the record is not one whole message of this type.
            UnsupportedEncodingError: when it is larger than :attr:`max_bytes`.
        """
        self._check_size(raw)
        try:
            return self.store.ros1_to_cdr(raw, self.name)
        except Exception as error:  # as above
            raise DecodeError(
                f'broken buffer: {len(raw)} bytes of ROS 1 are no {self.name}: '
                f'{error or type(error).__name__}; the message is cut short or damaged'
            ) from error

    def _check_size(self, data: bytes | memoryview) -> None:
        if len(data) > self.max_bytes:
            raise UnsupportedEncodingError(
                f'message too large: {len(data)} bytes of {self.name}; at most {self.max_bytes} '
                'are taken of a type with sequences of strings or messages'
            )

    def new(self, type_name: str, **fields: object) -> Message:
        """Return a message object of ``type_name``, this type or one that it contains.

        Args:
            type_name: of the message, ``pkg/msg/Type``.
            fields: their values.
        """
        return self.store.types[type_name](**fields)  # type: ignore[arg-type]


class TypeRegistry:
    """Finds the definitions of message types; what one registry found, all of a process share."""

    def __init__(self, prefixes: Iterable[str | Path] | None = None) -> None:
        """Search ``prefixes``, by default those of ``AMENT_PREFIX_PATH``, for installed types."""
        if prefixes is None:
            prefixes = filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep))
        self._shares = tuple(Path(prefix) / 'share' for prefix in prefixes)
        self._found: dict[str, MessageType] = {}
        """Types looked up, by the name asked for: a topic asks with every message."""

    def resolve(self, type_name: str, definition: str = '', *, ros1: bool = False) -> MessageType:
        """Return the reader of a type.

        Args:
            type_name: ``pkg/msg/Type`` or ``pkg/Type``.
            definition: text of the definition that goes with the topic, with its dependencies, as
                recordings embed it (``.msg`` or IDL); empty to look the type up.
            ros1: whether ``definition`` is one of ROS 1.

        Raises:
            DecodeError: when the type is unknown or its definition cannot be parsed.
            UnsupportedEncodingError: when the definition is beyond the bounds of
                :mod:`activity_recognition.sensors.definition_limits`.
        """
        name = full_type_name(type_name)
        if not definition:
            return _build(name, '', ros1, self._shares)
        found = _build_or_refuse(name, definition, ros1, self._shares)
        if isinstance(found, DecodeError):
            raise type(found)(*found.args)
        return found

    def deserialise(self, cdr: bytes | memoryview, type_name: str) -> Message:
        """Return the message in ``cdr``, looking the type up.

        Args:
            cdr: the message with its encapsulation header.
            type_name: its type, ``pkg/msg/Type``.

        Raises:
            DecodeError: when the type is unknown or the buffer is broken.
        """
        found = self._found.get(type_name)
        if found is None:
            found = self._found[type_name] = self.resolve(type_name)
        return found.deserialise(cdr)


@lru_cache(maxsize=256)
def _build_or_refuse(
    name: str, definition: str, ros1: bool, shares: tuple[Path, ...]
) -> MessageType | DecodeError:
    """Remember what is wrong with a definition: every message of its topic asks for it again."""
    try:
        return _build(name, definition, ros1, shares)
    except DecodeError as error:
        return type(error)(*error.args)


# Compiling a type's code takes tens of milliseconds and a recording has a dozen types.
@lru_cache(maxsize=256)
def _build(name: str, definition: str, ros1: bool, shares: tuple[Path, ...]) -> MessageType:
    """Compile a type from its definition, or from where :func:`_look_up` finds it."""
    try:
        types = _parse(definition, name) if definition else _look_up(name, shares)
        if ros1:
            types = {key: value for key, value in types.items() if key not in _ROS1_REPLACED}
        while missing := _references(types):
            for part in missing:
                types[part] = _look_up(part, shares)[part]
        if name in FIXED_TYPES and definition:
            _compare(types, _build(name, '', False, ()).store.fielddefs, name)
        has_objects = check_types(types, name, ros1=ros1)
        store = get_typestore(Stores.EMPTY)
        store.register(types)
        store.get_msgdef(name)
    except UnsupportedEncodingError as error:
        raise UnsupportedEncodingError(
            f'message definition: that of {name} cannot be used: {error}'
        ) from None
    except DecodeError:
        raise
    except Exception as error:  # the parsers recurse, and the code they generate may not compile
        reason = str(error) or type(error).__name__
        if len(reason) > _QUOTED:
            reason = f'{reason[:_QUOTED]}…'
        raise DecodeError(f'message definition: that of {name} is no use: {reason}') from error
    found = MessageType(name, store, MAX_OBJECTS_BYTES if has_objects else math.inf)
    if name in OTHER_RELEASES and not definition and not _installed(name, shares):
        found.other_release = _build(name, OTHER_RELEASES[name], False, shares)
    return found


def _look_up(name: str, shares: tuple[Path, ...]) -> Typesdict:
    """Return the definition of a type without one of its own, and perhaps some it refers to."""
    package = name.partition('/')[0]
    if path := _installed(name, shares):
        return parse_msg(path.read_text(encoding='utf-8'), name)
    if name in KNOWN_DEFINITIONS:
        return {
            key: value
            for part, text in KNOWN_DEFINITIONS[name].items()
            for key, value in parse_msg(text, part).items()
        }
    standard = _standard()
    if name in standard:
        return {name: standard[name]}
    raise DecodeError(
        f'unknown message type: {name}; source the workspace that has the package {package}, so '
        'that its definition is found under AMENT_PREFIX_PATH, or record with mcap, which embeds '
        'definitions'
    )


def _installed(name: str, shares: tuple[Path, ...]) -> Path | None:
    """Return the installed definition of a type that may have one of its own.

    A stand-in of ours says nothing about the release that messages come from.
    """
    package, kind, base = name.split('/')
    candidates = (share / package / 'msg' / f'{base}.msg' for share in shares)
    if kind != 'msg' or name in FIXED_TYPES:
        return None
    found = next((path for path in candidates if path.is_file()), None)
    if found is not None and found.read_text(encoding='utf-8').startswith(STAND_IN):
        return None
    return found


def _compare(types: Typesdict, known: Typesdict, name: str) -> None:
    """Raise ValueError where a definition's fields differ from those the decoders rely on."""
    for part in types.keys() & known.keys():
        fields = [field for field, _ in types[part][1]]
        expected = [field for field, _ in known[part][1]]
        if types[part][1] != known[part][1]:
            raise ValueError(f'{part} has the fields {fields}, but {name} needs {expected}')


@lru_cache(maxsize=1)
def _standard() -> Typesdict:
    """Return the definitions of a ROS 2 Jazzy installation."""
    return get_typestore(Stores.ROS2_JAZZY).fielddefs


def _parse(definition: str, name: str) -> Typesdict:
    """Parse an embedded definition: ``.msg`` texts, IDL, or several IDL files in one text."""
    if definition.startswith(f'{_IDL_SEPARATOR}IDL: '):
        types: Typesdict = {}
        for part in definition.split(_IDL_SEPARATOR)[1:]:
            types.update(parse_idl(part.partition('\n')[2]))
        return types
    if 'module ' in definition and 'struct ' in definition:
        return parse_idl(definition)
    types = parse_msg(definition, name)
    # rosbags calls what is neither a message nor part of an action one: pkg/srv/msg/Type.
    package, kind, base = name.split('/')
    parsed = f'{package}/{kind}/msg/{base}'
    return {name if key == parsed else key: value for key, value in types.items()}


def _references(types: Typesdict) -> set[str]:
    """Return the types that ``types`` use and do not hold."""
    used = {
        name
        for _, fields in types.values()
        for _, description in fields
        for name in _named(description)
    }
    return used - types.keys()


def _named(description: FieldDesc) -> Iterator[str]:
    if description[0] == Nodetype.NAME:
        yield str(description[1])
    elif description[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        yield from _named(description[1][0])
