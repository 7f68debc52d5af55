"""Says of a recording's sensors whether they run on the clock that it was recorded by.

A sample's stamp and its record time differ by how long it took to arrive. A difference that no
transport has, one that grows, or two sensors that differ, speak of clocks that are not the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import median

from activity_recognition.modalities import SPEC
from activity_recognition.types import (
    ALL_MODALITIES,
    Modality,
    Sample,
    modality_of,
    seconds_between,
)

APART_S = 0.5
"""Difference of the delays of two sensors from which they are on different clocks."""
DRIFT_S = 0.1
"""Change of a delay over a recording from which it is a drift, if it is above the jitter."""
_JITTERS = 4.0
"""Typical deviations that a drift is above at least."""
_ENOUGH = 8
"""Samples from which a drift can be measured."""
_SIMULATED_S = 1e8
"""Clocks of simulators begin at 0; stamps up to this, three years, are taken for such."""


class ClockWatch:
    """Collects the delays of a recording's samples."""

    def __init__(self) -> None:
        self._seen: dict[Modality, list[tuple[int, float]]] = {}
        """Record time and delay in seconds."""
        self._first_ns: dict[Modality, int] = {}

    def add(self, sample: Sample) -> None:
        """Take one sample."""
        modality = modality_of(sample)
        delay_s = seconds_between(sample.arrival_ns, sample.stamp_ns)
        self._seen.setdefault(modality, []).append((sample.arrival_ns, delay_s))
        self._first_ns.setdefault(modality, sample.stamp_ns)

    def problems(self, path: Path, *, jumps: bool) -> Iterator[str]:
        """Yield a sentence for each clock that differs.

        Args:
            path: of the recording.
            jumps: whether its time was set back or forth, so that nothing is said of drift.
        """
        typical = {m: median(delay for _, delay in seen) for m, seen in self._seen.items()}
        strange = [m for m, delay_s in typical.items() if not _is_plausible(m, delay_s)]
        for modality in strange:
            yield f'{path}: {self._other_clock(modality, typical[modality])}'
        if not jumps:
            for modality in self._seen:
                if drift := self._drift(modality):
                    yield f'{path}: {modality} {drift}'
        sensors = [m for m in ALL_MODALITIES if m in typical and m not in strange and _is_steady(m)]
        for pair in combinations(sensors, 2):
            apart_s = typical[pair[0]] - typical[pair[1]]
            if abs(apart_s) > APART_S:
                late, early = pair if apart_s > 0 else pair[::-1]
                yield (
                    f'{path}: {late} and {early} seem to be stamped by different clocks: that of '
                    f'{late} is {abs(apart_s):.2f} s behind, by the record times; synchronise the '
                    'machines (chrony, PTP), or stamp where it is recorded'
                )

    def _other_clock(self, modality: Modality, delay_s: float) -> str:
        side = 'before' if delay_s > 0 else 'after'
        first_s = self._first_ns[modality] / 1e9
        record_s = self._seen[modality][0][0] / 1e9
        if abs(first_s) < _SIMULATED_S < record_s:
            why = (
                f'they begin at {first_s:.1f} s, as simulated time does: record with '
                '`ros2 bag record --use-sim-time`, or start the driver without use_sim_time'
            )
        else:
            why = 'synchronise the machines (chrony, PTP), or stamp where it is recorded'
        return (
            f'{modality} is stamped by another clock than the recording: its stamps lie '
            f'{abs(delay_s):.2f} s {side} the record times, so that it meets neither the labels '
            f'nor the other sensors; {why}'
        )

    def _drift(self, modality: Modality) -> str:
        """Say by how much a delay changes; empty where it does not."""
        seen = self._seen[modality]
        if not _is_steady(modality) or len(seen) < _ENOUGH:
            return ''
        quarter = len(seen) // 4
        parts = seen[:quarter], seen[-quarter:]
        first_s, last_s = (median(delay for _, delay in part) for part in parts)
        jitter_s = max(
            median(abs(delay - middle) for _, delay in part)
            for part, middle in zip(parts, (first_s, last_s), strict=True)
        )
        changed_s = last_s - first_s
        between = (median(at_ns for at_ns, _ in part) for part in parts)
        begun_ns, ended_ns = between
        # Within a quarter the drift itself looks like jitter: an eighth of it on each side.
        if abs(changed_s) < max(DRIFT_S, _JITTERS * jitter_s) or ended_ns <= begun_ns:
            return ''
        per_minute = 60e9 * changed_s / (ended_ns - begun_ns)
        return (
            f'drifts: its stamps fall behind the record times by {changed_s:.2f} s, '
            f'{per_minute:.2f} s a minute; its clock runs at another rate, or its messages are '
            'recorded later and later'
            if changed_s > 0
            else f'drifts: its stamps run ahead of the record times by {-changed_s:.2f} s, '
            f'{-per_minute:.2f} s a minute; its clock runs at another rate'
        )


def _is_plausible(modality: Modality, delay_s: float) -> bool:
    least, greatest = SPEC[modality].usual_delay_s
    return least <= delay_s <= greatest


def _is_steady(modality: Modality) -> bool:
    """Tell whether a sensor delivers all the time, so that its delay stays about the same."""
    return SPEC[modality].longest_gap_s is not None
