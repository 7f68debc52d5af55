"""How many people are recognised, and how many images each of them gets, on a machine's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ADVANTAGE = 1.3
"""Somebody who is left out has to be so many times as large as who is not, to take the place."""
STEP_S = 0.05
"""What encoding may take of a step, seconds. Then nobody waits longer for an answer than a step
and the one in progress take."""
_WEIGHT = 0.1
"""Of the newest measurement in the mean cost."""
_BEGINNING = 2
"""Measurements that stand for themselves; the first one is slow, and gone with the second."""
_OUTLIER = 2.0
"""No step counts for more than so many times the mean."""


class Budget:
    """Chooses who is recognised where there are more people than places: who looks largest.

    A box is as large as its person is near. Who has a place keeps it until somebody else is
    clearly larger, so that two of one size do not take turns.
    """

    def __init__(self, most: int) -> None:
        """Choose at most ``most`` people."""
        self.most = most

    def choose(self, sizes: Mapping[str, float], holders: Sequence[str]) -> list[str]:
        """Return who is recognised, the largest first.

        Args:
            sizes: of everybody who is there, in any unit, by name.
            holders: who was recognised until now.
        """

        def by_size(names: list[str]) -> list[str]:
            return sorted(names, key=lambda name: (-sizes[name], name))

        chosen = by_size([name for name in holders if name in sizes])[: self.most]
        others = by_size([name for name in sizes if name not in chosen])
        free = self.most - len(chosen)
        chosen += others[:free]
        for challenger in others[free:]:
            smallest = by_size(chosen)[-1]
            if sizes[challenger] <= ADVANTAGE * sizes[smallest]:
                break
            chosen[chosen.index(smallest)] = challenger
        return by_size(chosen)


class FrameTurns:
    """Shares the images out in turn, where there is no time to show each to everybody."""

    def __init__(self, step_s: float = STEP_S) -> None:
        """Share out so much time.

        Args:
            step_s: what encoding may take of a step, seconds.
        """
        self._step_s = step_s
        self._cost_s: float | None = None
        self._num_notes = 0
        self._turn = 0
        self._served: dict[str, int] = {}

    @property
    def places(self) -> int | None:
        """How many frames a step has time for, at least one; None before any was measured."""
        if self._cost_s is None:
            return None
        return max(1, int(self._step_s / self._cost_s))

    def note(self, frames: int, seconds: float) -> None:
        """Take what a step took.

        Args:
            frames: that it encoded, at least 1.
            seconds: in all, with a decision where there was one.
        """
        cost_s, before_s = max(seconds / frames, 1e-6), self._cost_s
        self._num_notes += 1
        if before_s is None or self._num_notes <= _BEGINNING:
            # What is slow for once, the first step above all, is not to count for long.
            self._cost_s = cost_s
            return
        self._cost_s = before_s + _WEIGHT * (min(cost_s, _OUTLIER * before_s) - before_s)

    def choose(self, waiting: Sequence[str]) -> list[str]:
        """Return who gets a frame in this step, of those that have one waiting.

        Who was served longest ago comes first, and who never was before them.

        Args:
            waiting: names.
        """
        in_turn = sorted(waiting, key=lambda name: self._served.get(name, 0))
        chosen = in_turn[: self.places]
        for name in chosen:
            self._turn += 1
            self._served[name] = self._turn
        return chosen

    def forget(self, name: str) -> None:
        """Take it that somebody has left."""
        self._served.pop(name, None)
