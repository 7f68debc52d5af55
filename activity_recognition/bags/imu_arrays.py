"""Arrays of an inertial sensor, beside others in one file -> sensor_msgs/Imu messages."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from activity_recognition.bags.array_checks import MAX_S, demand_array, stamps_of
from activity_recognition.bags.imported import TimedMessage
from activity_recognition.bags.messages import IMU_TYPE, inertial_message
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.text_files import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray


TOPIC = '/imu/data'
UNITS: tuple[Mapping[str, float], ...] = (
    {'m/s^2': 1.0, 'g': 9.80665},
    {'rad/s': 1.0, 'deg/s': np.pi / 180},
)
"""Units of acceleration and of angular velocity, and what they are in m/s^2 and rad/s."""

COLUMNS = ('t_s', 'ax', 'ay', 'az', 'gx', 'gy', 'gz')
"""Header of a table; a unit may follow in brackets, as in ``ax [g]``."""
_COLUMN = re.compile(r'\s*(\w+)\s*(?:[\[(]\s*(\S+?)\s*[\])])?\s*')
_SPELLINGS = {'m/s²': 'm/s^2', 'm/s2': 'm/s^2', '°/s': 'deg/s', 's': ''}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class InertialArrays:
    """What an inertial sensor measured."""

    KEYS: ClassVar = ('imu', 'imu_t_s', 'imu_units')
    """Names of the arrays: (N, 6) acceleration and angular velocity, (N,) seconds, their units."""

    values: NDArray[np.float64]
    """(N, 6): acceleration, m/s^2, and angular velocity, rad/s, about x, y and z of the sensor."""
    stamps_ns: NDArray[np.int64]
    """(N,), from the start of the recording, growing."""

    @classmethod
    def of(cls, path: Path, arrays: Mapping[str, NDArray[Any]]) -> InertialArrays | None:
        """Return what a file has of it; None where it has none.

        Args:
            path: of the file, to be named.
            arrays: of the file.

        Raises:
            RecordingError: naming the array that cannot be used.
        """
        if not set(cls.KEYS) & set(arrays):
            return None
        if missing := sorted(set(cls.KEYS) - set(arrays)):
            raise RecordingError(
                f'{path}: expected {", ".join(cls.KEYS)} together, {", ".join(missing)} is missing'
            )
        values = demand_array(path, 'imu', arrays['imu'], (None, 6)).astype(np.float64)
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values).all(axis=1))[0, 0])
            raise RecordingError(f'{path}: imu: row {row} is not finite: leave it out')
        return cls(
            values=values * np.repeat(_factors(path, arrays['imu_units']), 3),
            stamps_ns=stamps_of(path, 'imu_t_s', arrays['imu_t_s'], len(values)),
        )

    @classmethod
    def read(cls, path: str | Path) -> InertialArrays:
        """Read a table with the header t_s,ax,ay,az,gx,gy,gz in any order.

        Args:
            path: CSV file; without units in its header it holds m/s² and rad/s.

        Raises:
            RecordingError: naming file and line.
        """
        path = Path(path)
        rows, fault = read_rows(path, RecordingError, what='the table of an inertial sensor')
        if fault is not None:
            raise RecordingError(fault)
        rows = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
        if not rows:
            raise RecordingError(f'{path}:1: expected the header {",".join(COLUMNS)}, got nothing')
        (line, header), *rows = rows
        places, factors = _header(f'{path}:{line}', header)
        numbers = [_numbers(f'{path}:{line}', row, header, places) for line, row in rows]
        if not numbers:
            raise RecordingError(f'{path}:{line}: expected measurements below the header, got none')
        lines = [line for line, _ in rows]
        _check_growing(path, lines, [row[0] for row in numbers])
        table = np.array(numbers)
        return cls(
            values=table[:, 1:] * factors,
            stamps_ns=stamps_of(path, 't_s', table[:, 0], len(table)),
        )

    def messages(self, start_ns: int) -> Iterator[TimedMessage]:
        """Yield a message per row, arriving at its stamp.

        Args:
            start_ns: stamp of the recording's start.
        """
        kind = TypeRegistry(prefixes=()).resolve(IMU_TYPE)
        for values, since_ns in zip(self.values, self.stamps_ns, strict=True):
            stamp_ns = start_ns + int(since_ns)
            message = inertial_message(kind, values, stamp_ns, 'imu')
            yield TimedMessage(arrival_ns=stamp_ns, topic=TOPIC, message=message)


ARRAYS = InertialArrays


def _factors(path: Path, units: NDArray[Any]) -> list[float]:
    said = demand_array(path, 'imu_units', units, (2,), kinds='U').tolist()
    if any(unit not in known for unit, known in zip(said, UNITS, strict=True)):
        expected = ' and '.join(' or '.join(known) for known in UNITS)
        raise RecordingError(f'{path}: imu_units: expected {expected}, got {quoted(said)}')
    return [known[unit] for unit, known in zip(said, UNITS, strict=True)]


def _header(place: str, header: Sequence[str]) -> tuple[list[int], NDArray[np.float64]]:
    """Return where the columns are, and what the six quantities are to be multiplied by."""
    found = [_COLUMN.fullmatch(cell) for cell in header]
    names = [match[1] if match else cell for match, cell in zip(found, header, strict=True)]
    if sorted(names) != sorted(COLUMNS):
        raise RecordingError(
            f'{place}: expected the header {",".join(COLUMNS)}, got {quoted(",".join(header))}'
        )
    places = [names.index(name) for name in COLUMNS]
    factors = []
    for name, index in zip(COLUMNS[1:], places[1:], strict=True):
        match, known = found[index], UNITS[name[0] == 'g']
        unit = (match and match[2]) or next(iter(known))
        unit = _SPELLINGS.get(unit, unit)
        if unit not in known:
            raise RecordingError(
                f'{place}: {name}: expected {" or ".join(known)}, got {quoted(unit)}'
            )
        factors.append(known[unit])
    return places, np.array(factors)


def _numbers(
    place: str, row: Sequence[str], header: Sequence[str], places: Sequence[int]
) -> list[float]:
    """Return a row's seven numbers in the order of :data:`COLUMNS`."""
    if len(row) != len(header):
        raise RecordingError(f'{place}: expected {len(header)} values, got {len(row)}')
    numbers = []
    for name, index in zip(COLUMNS, places, strict=True):
        try:
            number = float(row[index])
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise RecordingError(
                f'{place}: {name}: expected a finite number, got {quoted(row[index])}'
            )
        numbers.append(number)
    return numbers


def _check_growing(path: Path, lines: Sequence[int], times_s: Sequence[float]) -> None:
    for index, time_s in enumerate(times_s):
        before_s = times_s[index - 1] if index else -math.inf
        if not max(0.0, math.nextafter(before_s, math.inf)) <= time_s <= MAX_S:
            raise RecordingError(
                f'{path}:{lines[index]}: t_s: expected seconds from the start in [0, {MAX_S}], '
                f'each later than the one before, got {time_s}'
                + (f' after {before_s}' if index else '')
            )
