"""Means over the steps between two lines of a run's log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from torch import Tensor


class Throughput:
    """Adds up measures and work, and gives means and rates since it was last asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Measure with ``clock``, seconds of any origin."""
        self._clock = clock
        self._restart()

    @property
    def steps(self) -> int:
        """Steps since the last reading."""
        return self._steps

    def add(
        self,
        measures: Mapping[str, Tensor],
        *,
        frames: int,
        crops: int,
        recorded_s: float,
        loading_s: float,
    ) -> None:
        """Count one step; a measure of exactly 0, a loss that nothing was asked of, is left out.

        Args:
            measures: scalars.
            frames: images that the step has seen.
            crops: crops that it has seen.
            recorded_s: recorded time that they span, seconds.
            loading_s: seconds in which it waited for them.
        """
        self._steps += 1
        values = {name: float(value.detach()) for name, value in measures.items()}
        for name, value in values.items():
            self._sums[name] += value
        self._counts.update(name for name, value in values.items() if value)
        self._frames += frames
        self._crops += crops
        self._recorded_s += recorded_s
        self._loading_s += loading_s

    def read(self) -> dict[str, float]:
        """Return the mean of each measure and the work per second since the last reading.

        ``recorded_hours_per_hour`` is how much recorded time is worked through; ``loading_share``
        the part of the time that was spent on waiting for it.
        """
        seconds = max(self._clock() - self._since, 1e-9)
        values = {name: value / max(self._counts[name], 1) for name, value in self._sums.items()}
        values |= {
            'frames_per_s': self._frames / seconds,
            'crops_per_s': self._crops / seconds,
            'steps_per_s': self._steps / seconds,
            'recorded_hours_per_hour': self._recorded_s / seconds,
            'loading_share': self._loading_s / seconds,
        }
        self._restart()
        return values

    def _restart(self) -> None:
        self._steps = self._frames = self._crops = 0
        self._recorded_s = self._loading_s = 0.0
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._counts: Counter[str] = Counter()
        self._since = self._clock()
