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
    unsure_since_ns: int | None = None
    """Since when the held class has been under the threshold; None where it is not, or none is."""

    def clear(self) -> None:
        """Forget everything."""
        self.probabilities.clear()
        self.class_id, self.status = -1, Status.NO_DATA
        self.since_ns = self.unsure_since_ns = None


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """One smoothed decision."""

    probabilities: NDArray[np.float32]
    """(num_activities,), mean over the window."""
    class_id: int
    """-1 unless ``status`` is OK."""
    status: Status
    confidence: float
    """Probability of ``class_id`` when OK, also while it is about to give way because it is under
    the threshold; of the best class when UNKNOWN."""
    stable_since_ns: int


class ActivitySmoothing:
    """Moving average, then hysteresis, minimum hold and unknown threshold.

    The held class gives way to the best one when that leads by ``hysteresis`` and the held one has
    been held ``min_hold_s``. One that has been under ``unknown_threshold`` for ``min_hold_s`` gives
    way to whatever is best. A best one that is under the threshold is UNKNOWN, which gives way at
    once.
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
        best = int(mean.argmax())
        class_id = self._choose(mean, best, t_ns, state)
        status = Status.UNKNOWN if class_id < 0 else Status.OK
        confidence = float(mean[best if class_id < 0 else class_id])
        since_ns = self._hold(state, class_id, status, t_ns)
        return Smoothed(mean, class_id, status, confidence, since_ns)

    def _choose(
        self, mean: NDArray[np.float32], best: int, t_ns: int, state: SmoothingState
    ) -> int:
        """Return the class to hold from now on, -1 for UNKNOWN."""
        config, held, since_ns = self.config, state.class_id, state.since_ns
        is_sure = float(mean[best]) >= config.unknown_threshold
        challenger = best if is_sure else -1
        if held < 0 or since_ns is None or not np.isfinite(mean[held]):
            return challenger
        leads = float(mean[best] - mean[held]) >= config.hysteresis
        if float(mean[held]) >= config.unknown_threshold:
            state.unsure_since_ns = None
        elif state.unsure_since_ns is None:
            state.unsure_since_ns = t_ns
        if is_sure and leads and seconds_between(t_ns, since_ns) >= config.min_hold_s:
            return best
        doubted_ns = state.unsure_since_ns
        if doubted_ns is not None and seconds_between(t_ns, doubted_ns) >= config.min_hold_s:
            return challenger
        return held

    @staticmethod
    def _hold(state: SmoothingState, class_id: int, status: Status, t_ns: int) -> int:
        """Hold a class and status, and return since when they have been held."""
        changed = (class_id, status) != (state.class_id, state.status)
        if changed or state.since_ns is None:
            state.class_id, state.status, state.since_ns = class_id, status, t_ns
            state.unsure_since_ns = None
        return state.since_ns
