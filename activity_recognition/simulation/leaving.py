"""Walking out of the image and coming back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from activity_recognition.simulation.camera import FloatArray
from activity_recognition.simulation.movements import MOTIONS, MotionFactory, walking_limbs
from activity_recognition.simulation.poses import Rng, standing
from activity_recognition.simulation.stage import Stage

_SPEED_M_S = 1.7
_STEPS_HZ = 2.0
_BEFORE_OTHERS_M = 0.35
"""How much nearer to the camera than other walkers: who leaves passes before the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leave:
    """Walks from its place out of the image, to either side, and back again."""

    start_m: tuple[float, float]
    """Floor plan place (x, z)."""
    end_m: float
    """How far to the right it goes, outside the image."""
    duration_s: float

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, duration_s: float) -> Leave:
        """Draw a side to leave by.

        Args:
            rng: draws it.
            stage: floor plan.
            duration_s: length of the segment, seconds.
        """
        side = 1.0 if rng.random() < 0.5 else -1.0
        return cls(
            start_m=(stage.centre_m, stage.walk_depth_m - _BEFORE_OTHERS_M),
            end_m=side * stage.outside_m,
            duration_s=duration_s,
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        way_m = self.end_m - self.start_m[0]
        direction = float(np.sign(way_m))
        is_leaving = time_s < self.duration_s / 2
        walked_s = max(0.0, time_s if is_leaving else self.duration_s - time_s)
        walked_m = min(abs(way_m), _SPEED_M_S * walked_s)
        x_m = self.start_m[0] + direction * walked_m
        pose = standing(x_m, self.start_m[1], (direction if is_leaving else -direction) * 1.5)
        walking_limbs(pose, _STEPS_HZ * time_s, 1.0 if 0 < walked_m < abs(way_m) else 0.0)
        return pose

    def beats(self, duration_s: float) -> FloatArray:
        """Return nothing: nobody hears it."""
        del duration_s
        return np.zeros(0)


PROGRAMS: Mapping[str, MotionFactory] = MappingProxyType({**MOTIONS, 'away': Leave.draw})
"""Every pose program by name, with that of absences, which no activity has."""
