"""ActivitySmoothing: from a stream of probabilities to an answer that does not flicker.

It lives beside the network, which names it as its ``postprocess``, and keeps no memory: a stream's
memory is a :class:`SmoothingState` that the caller holds and passes in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import SmoothingConfig
from activity_recognition.types import Status, seconds_between


@dataclass(slots=True, eq=False)
class SmoothingState:
    """What the smoothing of one stream remembers."""

    probabilities: deque[NDArray[np.float32]] = field(default_factory=deque)
    """The last decisions' probabilities, oldest first."""
    class_id: int = -1
    """The held class; -1 before the first decision and while UNKNOWN or NO_DATA."""
    status: Status = Status.NO_DATA
    since_ns: int | None = None
    """When ``class_id`` and ``status`` became what they are; None before the first decision."""

    def clear(self) -> None:
        """Forget everything."""
        self.probabilities.clear()
        self.class_id, self.status, self.since_ns = -1, Status.NO_DATA, None


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """One smoothed decision."""

    probabilities: NDArray[np.float32]
    """(num_activities,), mean over the window."""
    class_id: int
    """-1 unless ``status`` is OK."""
    status: Status
    confidence: float
    """Probability of ``class_id`` when OK, of the best class when UNKNOWN."""
    stable_since_ns: int


class ActivitySmoothing:
    """Moving average, then hysteresis, minimum hold and unknown threshold.

    The held class gives way to the best one when that leads by ``hysteresis`` and the held one has
    been held ``min_hold_s``. One that falls under ``unknown_threshold`` gives way at once; if the
    best one is under it, too, the answer is UNKNOWN.
    """

    def __init__(self, window_size: int = 5, *, config: SmoothingConfig | None = None) -> None:
        """Create the smoothing; ``config`` overrides ``window_size`` and brings the rest.

        Args:
            window_size: decisions averaged.
            config: all settings; goes before ``window_size``.
        """
        self.config = config or SmoothingConfig(window_size=window_size)

    def change(self, config: SmoothingConfig) -> None:
        """Take other settings; what streams remember is kept."""
        self.config = config

    def new_state(self) -> SmoothingState:
        """Return the state of a stream that has not begun."""
        return SmoothingState()

    def no_data(self, t_ns: int, num_activities: int, state: SmoothingState) -> Smoothed:
        """Answer for a moment at which nothing was there to decide from.

        Args:
            t_ns: stamp of the moment.
            num_activities: number of classes.
            state: memory of the stream, changed in place.
        """
        state.probabilities.clear()
        since_ns = self._hold(state, -1, Status.NO_DATA, t_ns)
        nothing = np.zeros(num_activities, np.float32)
        return Smoothed(nothing, -1, Status.NO_DATA, 0.0, since_ns)

    def step(
        self, probabilities: NDArray[np.float32], t_ns: int, state: SmoothingState
    ) -> Smoothed:
        """Take the next decision's probabilities (num_activities,) at ``t_ns`` and answer.

        Args:
            probabilities: of the decision alone, (num_activities,).
            t_ns: stamp of the decision.
            state: memory of the stream, changed in place.
        """
        state.probabilities.append(probabilities)
        while len(state.probabilities) > self.config.window_size:
            state.probabilities.popleft()
        mean: NDArray[np.float32] = np.add.reduce(np.array(state.probabilities))
        mean /= len(state.probabilities)
        class_id = self._choose(mean, t_ns, state)
        confidence = float(mean[class_id])
        if confidence >= self.config.unknown_threshold:
            since_ns = self._hold(state, class_id, Status.OK, t_ns)
        else:
            since_ns = self._hold(state, -1, Status.UNKNOWN, t_ns)
        return Smoothed(mean, state.class_id, state.status, confidence, since_ns)

    def _choose(self, mean: NDArray[np.float32], t_ns: int, state: SmoothingState) -> int:
        best, held = int(mean.argmax()), state.class_id
        if held < 0 or state.since_ns is None or mean[held] < self.config.unknown_threshold:
            return best
        leads = float(mean[best] - mean[held]) >= self.config.hysteresis
        held_enough = seconds_between(t_ns, state.since_ns) >= self.config.min_hold_s
        return best if leads and held_enough else held

    @staticmethod
    def _hold(state: SmoothingState, class_id: int, status: Status, t_ns: int) -> int:
        """Hold a class and status, and return since when they have been held."""
        changed = (class_id, status) != (state.class_id, state.status)
        if changed or state.since_ns is None:
            state.class_id, state.status, state.since_ns = class_id, status, t_ns
        return state.since_ns
