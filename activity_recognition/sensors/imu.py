"""Inertial measurements: ``sensor_msgs/Imu`` at any rate -> chunks at the network's rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.errors import DecodeError, OutOfOrderError
from activity_recognition.sensors.cdr import frame_id_of, header_stamp_ns
from activity_recognition.sensors.decoder_settings import (
    DecoderSettings,
    SignalHealth,
    TopicMessage,
)
from activity_recognition.types import NANOSECONDS, InertialChunk, seconds_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from activity_recognition.sensors.cdr import Message

CHUNK_S = 0.08
"""Length of a chunk: what fewer samples complete waits for the next message."""
MAX_MAGNITUDE = 1e4
"""Largest number taken, m/s² or rad/s: a thousand g, beyond every sensor."""
_QUANTITIES = ('linear_acceleration', 'angular_velocity')


class ImuDecoder:
    """Resamples acceleration and angular velocity to a fixed rate.

    Each sample is the mean of the linearly interpolated signal over one period, which limits the
    band of a faster sensor and interpolates a slower one; the cost does not depend on the ratio.
    The grid is anchored at the first message, and again after a gap. Not thread-safe.
    """

    def __init__(self, *, sample_rate_hz: int, max_gap_s: float, reset_after_s: float) -> None:
        """Make a decoder that has seen nothing.

        Args:
            sample_rate_hz: rate of the chunks, Hz.
            max_gap_s: messages further apart have a hole between them, seconds.
            reset_after_s: a stamp set back by so much is a time jump, seconds.
        """
        self._rate_hz = sample_rate_hz
        self._chunk_samples = max(1, round(CHUNK_S * sample_rate_hz))
        self._max_gap_s = max_gap_s
        self._reset_after_s = reset_after_s
        self._anchor_ns = 0
        self._last_ns: int | None = None
        self._last = np.zeros(6)
        self._cells = 0
        """Complete since the anchor."""
        self._partial = np.zeros(6)
        """Integral over the part of the current cell that has passed, units times seconds."""
        self._waiting: list[NDArray[np.float64]] = []

    @classmethod
    def of(cls, settings: DecoderSettings) -> ImuDecoder:
        """Return a decoder of measurements as a network takes them."""
        return cls(
            sample_rate_hz=settings.model.imu.sample_rate_hz,
            max_gap_s=settings.model.imu.max_gap_s,
            reset_after_s=settings.reset_after_s,
        )

    @property
    def health(self) -> SignalHealth:
        """Nothing beside the samples."""
        return SignalHealth()

    def decode_topic(self, message: TopicMessage) -> InertialChunk | None:
        """Return the samples that a message completes; see :meth:`decode`."""
        return self.decode(message.content, message.arrival_ns)

    def reset(self) -> None:
        """Forget what was measured."""
        self._last_ns = None
        self._waiting = []

    def decode(self, message: Message, arrival_ns: int) -> InertialChunk | None:
        """Return the samples that a message completes; None when they are too few for a chunk.

        A stamp of zero or none counts as no stamp: the arrival is then the time of measurement.

        Args:
            message: ``sensor_msgs/Imu``; acceleration in m/s² with gravity, angular velocity in
                rad/s, axes of the sensor (REP 145).
            arrival_ns: when it could be known.

        Raises:
            DecodeError: a quantity is marked as not measured, is not finite or is absurdly large;
                the state stays as it was.
            OutOfOrderError: the stamp is not later than the one before it; likewise.
        """
        values = _values_of(message)
        stamp_ns, frame_id = header_stamp_ns(message), frame_id_of(message)
        stamp_ns = arrival_ns if stamp_ns is None else stamp_ns
        if self._last_ns is not None and self._continues(stamp_ns, self._last_ns):
            self._integrate(self._last_ns, stamp_ns, values)
        else:
            self._anchor_ns, self._cells = stamp_ns, 0
            self._partial = np.zeros(6)
            self._waiting = []
        self._last_ns, self._last = stamp_ns, values
        return self._chunk(arrival_ns, frame_id)

    def _continues(self, stamp_ns: int, last_ns: int) -> bool:
        """Return whether a stamp goes on from the last; refuse one that lies before it."""
        step_s = seconds_between(stamp_ns, last_ns)
        if step_s > 0:
            return step_s <= self._max_gap_s
        if -step_s >= self._reset_after_s:
            return False
        raise OutOfOrderError(
            f'imu order: a message stamped {-step_s:.3f} s before the newest is a duplicate or '
            'came out of order; if there are many, look for a second publisher on the topic',
            duplicate=step_s == 0,
        )

    def _integrate(self, last_ns: int, stamp_ns: int, values: NDArray[np.float64]) -> None:
        """Add what lies between two messages to the cells of the grid."""
        begin_ns, slope = last_ns, (values - self._last) / (stamp_ns - last_ns)
        while begin_ns < stamp_ns:
            edge_ns = self._edge_ns(self._cells + 1)
            end_ns = min(edge_ns, stamp_ns)
            # Whole numbers of the epoch first: a float of them would be off by 256 ns.
            middle = self._last + slope * ((begin_ns - last_ns + end_ns - last_ns) / 2)
            self._partial += middle * seconds_between(end_ns, begin_ns)
            if end_ns == edge_ns:
                self._waiting.append(self._partial * self._rate_hz)
                self._partial = np.zeros(6)
                self._cells += 1
            begin_ns = end_ns

    def _edge_ns(self, cell: int) -> int:
        """Return when a cell of the grid begins."""
        return self._anchor_ns + cell * NANOSECONDS // self._rate_hz

    def _chunk(self, arrival_ns: int, frame_id: str) -> InertialChunk | None:
        if len(self._waiting) < self._chunk_samples:
            return None
        samples = np.array(self._waiting, np.float32)
        self._waiting = []
        return InertialChunk(
            stamp_ns=self._edge_ns(self._cells - len(samples)),
            arrival_ns=arrival_ns,
            samples=samples,
            sample_rate_hz=self._rate_hz,
            frame_id=frame_id,
        )


def _values_of(message: Message) -> NDArray[np.float64]:
    """Return acceleration and angular velocity, (6,)."""
    values = []
    for quantity in _QUANTITIES:
        covariance = list(getattr(message, f'{quantity}_covariance', ()))
        if covariance[:1] == [-1]:
            raise DecodeError(
                f'imu {quantity}: expected a measurement, but its covariance begins with -1, which '
                'says that there is none; take a topic with acceleration and angular velocity'
            )
        vector = getattr(message, quantity)
        values += [float(vector.x), float(vector.y), float(vector.z)]
    found = np.array(values)
    if not (np.abs(found) <= MAX_MAGNITUDE).all():
        raise DecodeError(
            f'imu values: expected finite numbers up to {MAX_MAGNITUDE:g}, got {values}; check the '
            'driver'
        )
    return found
