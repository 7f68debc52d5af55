"""Arrays of an inertial sensor, beside others in one file -> sensor_msgs/Imu messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from activity_recognition.bags.array_checks import demand_array, stamps_of
from activity_recognition.bags.imported import TimedMessage
from activity_recognition.bags.messages import OutgoingMessage, message_header
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.sensors.cdr import TypeRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from activity_recognition.sensors.cdr import Message, MessageType

TOPIC = '/imu/data'
KEYS = ('imu', 'imu_t_s', 'imu_units')
"""Names of the arrays: (N, 6) acceleration and angular velocity, (N,) seconds, and their units."""
UNITS: tuple[Mapping[str, float], ...] = (
    {'m/s^2': 1.0, 'g': 9.80665},
    {'rad/s': 1.0, 'deg/s': np.pi / 180},
)
"""Units of acceleration and of angular velocity, and what they are in m/s^2 and rad/s."""

_TYPE = 'sensor_msgs/msg/Imu'
_UNKNOWN = np.zeros(9)
_NO_ORIENTATION = np.array([-1.0, *[0.0] * 8])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class InertialArrays:
    """What an inertial sensor measured."""

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
        if not set(KEYS) & set(arrays):
            return None
        if missing := sorted(set(KEYS) - set(arrays)):
            raise RecordingError(
                f'{path}: expected {", ".join(KEYS)} together, {", ".join(missing)} is missing'
            )
        values = demand_array(path, 'imu', arrays['imu'], (None, 6)).astype(np.float64)
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values).all(axis=1))[0, 0])
            raise RecordingError(f'{path}: imu: row {row} is not finite: leave it out')
        return cls(
            values=values * np.repeat(_factors(path, arrays['imu_units']), 3),
            stamps_ns=stamps_of(path, 'imu_t_s', arrays['imu_t_s'], len(values)),
        )

    def messages(self, start_ns: int) -> Iterator[TimedMessage]:
        """Yield a message per row, arriving at its stamp.

        Args:
            start_ns: stamp of the recording's start.
        """
        kind = TypeRegistry(prefixes=()).resolve(_TYPE)
        for values, since_ns in zip(self.values, self.stamps_ns, strict=True):
            stamp_ns = start_ns + int(since_ns)
            cdr = kind.serialise(_message(kind, values, stamp_ns))
            yield TimedMessage(arrival_ns=stamp_ns, topic=TOPIC, message=OutgoingMessage(kind, cdr))


def _factors(path: Path, units: NDArray[Any]) -> list[float]:
    said = demand_array(path, 'imu_units', units, (2,), kinds='U').tolist()
    if any(unit not in known for unit, known in zip(said, UNITS, strict=True)):
        expected = ' and '.join(' or '.join(known) for known in UNITS)
        raise RecordingError(f'{path}: imu_units: expected {expected}, got {quoted(said)}')
    return [known[unit] for unit, known in zip(said, UNITS, strict=True)]


def _message(kind: MessageType, values: NDArray[np.float64], stamp_ns: int) -> Message:
    acceleration, rate = (
        kind.new('geometry_msgs/msg/Vector3', x=float(x), y=float(y), z=float(z))
        for x, y, z in (values[:3], values[3:])
    )
    return kind.new(
        kind.name,
        header=message_header(kind, stamp_ns, 'imu'),
        orientation=kind.new('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=_NO_ORIENTATION,
        angular_velocity=rate,
        angular_velocity_covariance=_UNKNOWN,
        linear_acceleration=acceleration,
        linear_acceleration_covariance=_UNKNOWN,
    )
