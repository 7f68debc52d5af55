"""When the samples of an audio stream were taken, from noisy stamps and an even sample count."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from activity_recognition.types import NANOSECONDS, seconds_between, to_ns

DRIFT_TIME_S = 10.0
"""Time constant with which the sample clock follows the stamps."""
BACKLOG_S = 1.0
"""Audio that may wait in queues: arrivals late by less may still catch up."""

MEASURED_SPAN_S = 0.5
"""Least length of the spans over which the rate is measured."""
MEASURED_SPANS = 20
"""Spans kept; their median is the rate."""
LEAST_SPANS = 4
"""Spans before which nothing is said."""


class RateMeter:
    """The rate at which samples come by their stamps, whatever rate is declared.

    It is the median over spans of at least half a second, so that a hole here and there, a
    jump, or jitter does not count. Where most spans have holes, the rate is lower than true.
    """

    def __init__(self) -> None:
        self._rates_hz: deque[float] = deque(maxlen=MEASURED_SPANS)
        self._begin_ns: int | None = None
        self._samples = 0

    @property
    def rate_hz(self) -> float | None:
        """Samples a second in about the last 10 s; None in the first 2 s."""
        return median(self._rates_hz) if len(self._rates_hz) >= LEAST_SPANS else None

    def add(self, stamp_ns: int, num_samples: int) -> None:
        """Take the stamp of the first of some samples, and how many they are.

        Args:
            stamp_ns: of the first sample.
            num_samples: how many follow it, itself included.
        """
        span_s = 0.0 if self._begin_ns is None else seconds_between(stamp_ns, self._begin_ns)
        if span_s >= MEASURED_SPAN_S:
            self._rates_hz.append(self._samples / span_s)
        if self._begin_ns is None or not 0 <= span_s < MEASURED_SPAN_S:
            self._begin_ns, self._samples = stamp_ns, 0
        self._samples += num_samples


class SampleClock:
    """Counts samples and follows the stamps slowly (a first-order loop).

    A stamp further than ``max_gap_s`` from the count means that samples are missing or that time
    jumped: the clock starts again at that stamp. For stamps that are arrivals, being late proves
    nothing, because a stalled publisher sends the held-back audio at once: the clock starts again
    only when the audio that follows does not catch up, or is later than any queue explains.
    """

    def __init__(
        self, sample_rate_hz: int, *, max_gap_s: float, drift_time_s: float = DRIFT_TIME_S
    ) -> None:
        """Make a clock that has counted nothing.

        Args:
            sample_rate_hz: declared rate, Hz.
            max_gap_s: residual above which samples count as missing, seconds.
            drift_time_s: time constant of the drift correction, seconds.
        """
        self._rate_hz = sample_rate_hz
        self._max_gap_s = max_gap_s
        self._drift_time_s = drift_time_s
        self._origin_ns: int | None = None
        self._counted = 0
        self._correction_ns = 0.0
        self._late_from_s: float | None = None
        self._late_audio_s = 0.0
        self._meter = RateMeter()

    @property
    def measured_rate_hz(self) -> float | None:
        """Rate by the stamps, see :class:`RateMeter`; None while too little has come."""
        return self._meter.rate_hz

    @property
    def next_ns(self) -> int | None:
        """When the next sample is due; None before the first."""
        if self._origin_ns is None:
            return None
        return (
            self._origin_ns
            + self._counted * NANOSECONDS // self._rate_hz
            + round(self._correction_ns)
        )

    def advance(self, stamp_ns: int, num_samples: int, *, from_arrival: bool) -> tuple[int, bool]:
        """Place the next ``num_samples`` samples.

        Args:
            stamp_ns: stamp of the first of them.
            num_samples: how many.
            from_arrival: whether the stamp was computed from the message's arrival.

        Returns:
            The time of the first sample, and whether the clock started again there.
        """
        self._meter.add(stamp_ns, num_samples)
        expected_ns = self.next_ns
        duration_s = num_samples / self._rate_hz
        if expected_ns is None or self._lost(
            seconds_between(stamp_ns, expected_ns), duration_s, from_arrival=from_arrival
        ):
            self._origin_ns, self._counted, self._correction_ns = stamp_ns, num_samples, 0.0
            self._late_from_s = None
            return stamp_ns, True
        start_ns = expected_ns
        residual_s = seconds_between(stamp_ns, expected_ns)
        if abs(residual_s) <= self._max_gap_s:
            step_ns = to_ns(residual_s * -math.expm1(-duration_s / self._drift_time_s))
            self._correction_ns += step_ns
            start_ns += step_ns
        self._counted += num_samples
        return start_ns, False

    def _lost(self, residual_s: float, duration_s: float, *, from_arrival: bool) -> bool:
        """Tell whether a residual means that the count no longer holds."""
        if abs(residual_s) <= self._max_gap_s:
            self._late_from_s = None
            return False
        if not from_arrival or residual_s < 0 or residual_s > BACKLOG_S:
            return True
        if self._late_from_s is None:
            self._late_from_s, self._late_audio_s = residual_s, 0.0
        caught_up_s = self._late_from_s - residual_s
        lost = self._late_audio_s > max(self._max_gap_s, 2 * caught_up_s)
        self._late_audio_s += duration_s
        return lost
