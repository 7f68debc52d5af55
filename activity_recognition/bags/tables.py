"""Sensors that an import takes as a table or as arrays: a module per modality, found by its name.

``<modality>_arrays.py`` beside this file has a class ``ARRAYS``, a :class:`SensorArrays`, where the
modality's row says what a table of it holds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from activity_recognition.errors import RecordingError
from activity_recognition.modalities import SPECS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from activity_recognition.bags.imported import TimedMessage

NAMES = tuple(spec.name for spec in SPECS if spec.table)
"""Names of the modalities that have such a format."""


class SensorArrays(Protocol):
    """What a sensor measured."""

    KEYS: ClassVar[tuple[str, ...]]
    """Names of its arrays in a file with those of others."""

    @classmethod
    def of(cls, path: Path, arrays: Mapping[str, NDArray[Any]]) -> SensorArrays | None:
        """Return what a file has of it; None where it has none.

        Args:
            path: of the file, to be named.
            arrays: of the file.

        Raises:
            RecordingError: naming the array that cannot be used.
        """

    @classmethod
    def read(cls, path: str | Path) -> SensorArrays:
        """Read a table.

        Raises:
            RecordingError: naming file and line.
        """

    def messages(self, start_ns: int) -> Iterator[TimedMessage]:
        """Yield what a recording holds, in order of arrival.

        Args:
            start_ns: stamp of the recording's start.
        """


def arrays_type(name: str) -> type[SensorArrays]:
    """Return the class of a modality of :data:`NAMES`."""
    found: type[SensorArrays] = import_module(f'{__package__}.{name}_arrays').ARRAYS
    return found


def array_keys() -> tuple[str, ...]:
    """Return the names of the arrays of all sensors."""
    return tuple(key for name in NAMES for key in arrays_type(name).KEYS)


def in_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, SensorArrays]:
    """Return what a file with arrays has of each sensor, by modality.

    Args:
        path: of the file, to be named.
        arrays: of the file.

    Raises:
        RecordingError: naming the array that cannot be used.
    """
    found = {name: arrays_type(name).of(path, arrays) for name in NAMES}
    return {name: measured for name, measured in found.items() if measured is not None}


def read_tables(tables: Mapping[str, str | Path] | None) -> dict[str, SensorArrays]:
    """Read tables, by modality.

    Raises:
        RecordingError: naming file and line, or a modality that has no such format.
    """
    for name in tables or {}:
        if name not in NAMES:
            raise RecordingError(f'expected tables of {", ".join(NAMES)}, got one of {name!r}')
    return {name: arrays_type(name).read(path) for name, path in (tables or {}).items()}
