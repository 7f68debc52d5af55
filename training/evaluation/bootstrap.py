"""Confidence intervals by the bootstrap over recordings (Efron 1979, percentile method).

Decisions of one recording are anything but independent, so whole recordings are drawn, and where
they belong to groups, as clips cut from one video, whole groups. Everything
that gets an interval is a function of sums over recordings, which makes a resample a weighted sum.

N resamples, R recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.evaluation.classification import known

LEVEL = 0.95
"""Of every interval."""

Statistic = Callable[[NDArray[Any]], Mapping[str, NDArray[np.float64]]]
"""Sums (..., S) to named values (...); NaN where undefined."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bootstrap:
    """Draws of recordings with replacement, the same for every statistic."""

    weights: NDArray[np.float64]
    """(N, R), how often each recording was drawn."""
    drawn: int
    """How many there are of what is drawn: groups, and recordings in none."""

    @classmethod
    def draw(
        cls, recordings: int, *, resamples: int, seed: int, groups: Sequence[str] = ()
    ) -> Bootstrap:
        """Draw ``resamples`` times as many recordings, or groups of them, as there are.

        Args:
            recordings: how many there are.
            resamples: how often to draw.
            seed: of the draws.
            groups: R names; recordings of one name are drawn together, those without one alone.
        """
        names = [name or f'\0{place}' for place, name in enumerate(groups or [''] * recordings)]
        place_of = {name: place for place, name in enumerate(dict.fromkeys(names))}
        places = [place_of[name] for name in names]
        rng = np.random.default_rng(seed)
        chances = np.full(len(place_of), 1 / max(len(place_of), 1))
        drawn = rng.multinomial(len(place_of), chances, size=resamples)
        return cls(weights=drawn.astype(np.float64)[:, places], drawn=len(place_of))

    def intervals(
        self, statistic: Statistic, sums: NDArray[Any]
    ) -> dict[str, tuple[float, float] | None]:
        """Return the interval of each of a statistic's values.

        None with fewer than two recordings or groups, and where no resample defines the value.

        Args:
            statistic: of sums over recordings.
            sums: (R, ...), what each recording adds.
        """
        totals = np.tensordot(self.weights, np.asarray(sums, np.float64), axes=1)
        return {name: self._interval(values) for name, values in statistic(totals).items()}

    def _interval(self, values: NDArray[np.float64]) -> tuple[float, float] | None:
        values = values[np.isfinite(values)]
        if self.drawn < 2 or not len(values):
            return None
        low, high = known(np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
        return low, high
