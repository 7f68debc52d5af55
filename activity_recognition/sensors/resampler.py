"""A streaming resampler whose samples do not depend on how the input is cut.

A polyphase windowed-sinc filter (Crochiere and Rabiner, Multirate Digital Signal Processing, 1983;
Kaiser window). Each output is a fixed tree of element-wise products and sums, so the same input
gives the same bits sample by sample and at once, and an output appears as soon as the
few milliseconds of input after its own time are there. docs/adr/0010-resampler.md says what else
was tried.

Where the two rates share no large divisor, the filter would need thousands of phases. It is then
interpolated linearly between a bounded number of them (J. O. Smith, Digital Audio Resampling,
2002): what a resampler costs to make, and holds, does not depend on the rates it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ATTENUATION_DB = 80.0
"""Of what would alias into the band or image out of it."""
_TRANSITION = 0.1
"""Half of the transition band as a share of the lower Nyquist frequency, centred on 0.95 of it."""
MAX_BANK_VALUES = 1 << 16
"""Most coefficients of a filter with a phase for every output; beyond, phases are interpolated."""
_PHASES = 512
"""Phases per sample of the slower rate where they are interpolated: an error of -100 dB."""
_BLOCK = 4096
"""Outputs computed at once, at most."""
_BLOCK_VALUES = 1 << 18
"""Products computed at once, at most; both bound the memory of one call, not its result."""


class StreamingResampler:
    """Converts a stream of mono samples from one integer rate to another.

    Output ``n`` speaks of the time ``n / target_hz`` after the first input sample: the filter is
    centred, so its delay shows as lateness (:attr:`latency_s`) and never in the time of a sample.
    """

    def __init__(self, source_hz: int, target_hz: int) -> None:
        """Make a resampler that has taken nothing.

        Args:
            source_hz: rate of what comes, Hz.
            target_hz: rate of what is given, Hz.
        """
        divisor = math.gcd(source_hz, target_hz)
        self._up, self._down = target_hz // divisor, source_hz // divisor
        self._source_hz = source_hz
        self._bank = None if source_hz == target_hz else filter_bank(source_hz, target_hz)
        self.produced = 0
        """Outputs given since the start or the last :meth:`reset`."""
        self.consumed = 0
        """Inputs taken since then."""
        self._history = np.zeros(0, np.float32)
        self._history_start = 0
        self.reset()

    @property
    def latency_s(self) -> float:
        """How much input after its own time an output waits for, seconds."""
        return 0.0 if self._bank is None else self._bank.taps // 2 / self._source_hz

    def reset(self) -> None:
        """Forget the past: the next sample is the first, with silence before it."""
        self.produced = self.consumed = 0
        if self._bank is not None:
            before = self._bank.taps // 2 - 1
            self._history = np.zeros(before, np.float32)
            self._history_start = -before

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take input samples, (N,), and return the outputs that they complete, (M,), float32."""
        self.consumed += len(samples)
        if self._bank is None:
            self.produced += len(samples)
            return samples
        self._history = np.concatenate((self._history, samples))
        # Output n is complete once input floor(n * down / up) + half is there.
        half = self._bank.taps // 2
        due = max(0, -(-(self.consumed - half) * self._up // self._down))
        step = min(_BLOCK, max(1, _BLOCK_VALUES // self._bank.taps))
        blocks = [
            self._outputs(self._bank, first, min(first + step, due))
            for first in range(self.produced, due, step)
        ]
        self.produced = max(self.produced, due)
        self._forget(half)
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def _outputs(self, bank: FilterBank, first: int, end: int) -> NDArray[np.float32]:
        taps = bank.taps
        position = np.arange(first, end, dtype=np.int64) * self._down
        begin = position // self._up - (taps // 2 - 1) - self._history_start
        terms: NDArray[np.float32]
        if self._up == 1:
            windows = sliding_window_view(self._history, taps)
            every = windows[begin[0] : begin[-1] + 1 : self._down]
            terms = np.multiply(every.T, bank.coefficients, order='C')
        else:
            terms = self._history[begin + np.arange(taps)[:, None]]
            terms *= bank.at(position % self._up, self._up)
        # Halving adds element-wise only: no reduction whose order depends on the array's shape.
        while taps > 1:
            kept = taps - taps // 2
            terms[: taps // 2] += terms[kept:taps]
            taps = kept
        result: NDArray[np.float32] = terms[0].copy()
        return result

    def _forget(self, half: int) -> None:
        needed = self.produced * self._down // self._up - (half - 1)
        self._history = self._history[needed - self._history_start :].copy()
        self._history_start = needed


@dataclass(frozen=True, slots=True)
class FilterBank:
    """The low-pass filter of a pair of rates, at some of the places between two inputs."""

    coefficients: NDArray[np.float32]
    """(taps, phases): column p serves outputs p / phases after an input; (taps, phases + 1), the
    last for the next input, where they are interpolated."""
    interpolated: bool

    @property
    def taps(self) -> int:
        """Inputs under the filter."""
        return len(self.coefficients)

    def at(self, phase: NDArray[np.int64], phases: int) -> NDArray[np.float32]:
        """Return the filter for outputs ``phase / phases`` after an input, (taps, N).

        Args:
            phase: of the output sample.
            phases: number of phases.
        """
        if not self.interpolated:
            return self.coefficients[:, phase]
        place = phase * (self.coefficients.shape[1] - 1)
        column, rest = place // phases, (place % phases) / phases
        result = self.coefficients[:, column]
        result *= (1 - rest).astype(np.float32)
        result += self.coefficients[:, column + 1] * rest.astype(np.float32)
        return result


# Small enough for every rate of a topic whose format changes with each message.
@lru_cache(maxsize=64)
def filter_bank(source_hz: int, target_hz: int) -> FilterBank:
    """Return the filter for two different rates; it holds at most ``MAX_BANK_VALUES`` values.

    Args:
        source_hz: rate of what comes, Hz.
        target_hz: rate of what is given, Hz.
    """
    nyquist = min(source_hz, target_hz) / 2
    width = 2 * math.pi * 2 * _TRANSITION * nyquist / source_hz
    half = math.ceil((_ATTENUATION_DB - 7.95) / (2.285 * width) / 2) + 1
    phases = target_hz // math.gcd(source_hz, target_hz)
    interpolated = 2 * half * phases > MAX_BANK_VALUES
    if interpolated:
        phases = math.ceil(_PHASES * min(1.0, target_hz / source_hz))
    columns = np.arange(phases + 1 if interpolated else phases)
    coefficients = _coefficients(source_hz, nyquist, half, columns / phases)
    return FilterBank(coefficients, interpolated)


def _coefficients(
    source_hz: int, nyquist: float, half: int, places: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the filter at some places after an input, (2 half, places), its gain 1 at each."""
    cutoff = 0.95 * nyquist / source_hz
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    offset = np.arange(-half + 1, half + 1)[:, None] - places[None, :]
    window = np.i0(beta * np.sqrt(np.clip(1 - (offset / half) ** 2, 0, None))) / np.i0(beta)
    bank = 2 * cutoff * np.sinc(2 * cutoff * offset) * window
    unit_gain: NDArray[np.float32] = (bank / bank.sum(axis=0)).astype(np.float32)
    unit_gain.flags.writeable = False
    return unit_gain
