"""All movements of a recording joined: one pose for every moment."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from activity_recognition.simulation.camera import FloatArray
from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.simulation.leaving import PROGRAMS
from activity_recognition.simulation.movements import MARGIN_S, walking_limbs
from activity_recognition.simulation.poses import Motion, Pose
from activity_recognition.simulation.script import Segment
from activity_recognition.simulation.stage import Stage

_HURRY_M_PER_S = 2.6
_STEPS_HZ = 2.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Choreography:
    """The segments' motions with a transition around every change of activity.

    The label changes in the middle of the transition.
    """

    starts_s: tuple[float, ...]
    """When each segment begins."""
    motions: tuple[Motion, ...]
    transitions_s: tuple[float, ...]
    """Length of the transition into each segment; 0 for the first."""

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose vector at a time in the recording, laid out as in ``Pose``."""
        starts = self.starts_s
        index = max(0, bisect_right(starts, time_s) - 1)
        own = self.motions[index].pose(time_s - starts[index])
        if index > 0 and time_s < starts[index] + self.transitions_s[index] / 2:
            before = self.motions[index - 1].pose(time_s - starts[index - 1])
            return self._blend(before, own, index, time_s)
        after = index + 1
        if after < len(starts) and time_s >= starts[after] - self.transitions_s[after] / 2:
            coming = self.motions[after].pose(time_s - starts[after])
            return self._blend(own, coming, after, time_s)
        return own

    def _blend(
        self, before: FloatArray, after: FloatArray, index: int, time_s: float
    ) -> FloatArray:
        """Move from one pose to the next one, walking where they are apart."""
        length = self.transitions_s[index]
        share = (time_s - self.starts_s[index]) / length + 0.5
        eased = share * share * (3 - 2 * share)
        step = after - before
        step[Pose.YAW] = (step[Pose.YAW] + np.pi) % (2 * np.pi) - np.pi
        pose: FloatArray = before + eased * step
        pose[Pose.CUP] = after[Pose.CUP] if share > 0.5 else before[Pose.CUP]
        distance = float(np.hypot(step[Pose.X], step[Pose.Z]))
        if distance > 0.25 and max(before[Pose.PITCH], after[Pose.PITCH]) < 0.4:
            strength = min(1.0, distance) * float(np.sin(np.pi * share))
            walking_limbs(pose, _STEPS_HZ * time_s, strength)
        return pose


def _transition_s(before: Motion, after: Motion, lasted_s: float, pace: float) -> float:
    """Return how long it takes to get from one motion to the next one, seconds."""
    here, there = before.pose(lasted_s), after.pose(0.0)
    distance = float(np.hypot(*(there - here)[[Pose.X, Pose.Z]]))
    return min(1.4, max(0.45, 0.35 + distance / _HURRY_M_PER_S)) * pace


def choreograph(
    config: SimulationConfig, segments: tuple[Segment, ...], stage: Stage
) -> Choreography:
    """Draw the motion of every segment and the transitions between them.

    Args:
        config: of the recording.
        segments: of the script, in order.
        stage: floor plan.
    """
    motions: list[Motion] = []
    transitions = [0.0]
    for segment in segments:
        rng = stream(config.seed, Stream.MOTION, segment.index)
        length_s = segment.end_s - segment.start_s
        motions.append(PROGRAMS[segment.activity.motion](rng, stage, length_s))
        if segment.index > 0:
            last = segments[segment.index - 1]
            pace = float(rng.uniform(0.85, 1.15))
            lasted_s = last.end_s - last.start_s
            transitions.append(_transition_s(motions[-2], motions[-1], lasted_s, pace))
    assert max(transitions) / 2 <= MARGIN_S
    return Choreography(
        starts_s=tuple(segment.start_s for segment in segments),
        motions=tuple(motions),
        transitions_s=tuple(transitions),
    )
