"""The floor plan of a room: where a person stands, sits, works and lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from activity_recognition.simulation.camera import REFERENCE_DEPTH_M


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Places in a room, metres; the table stands on one side, the cupboard on the other."""

    half_width_m: float
    """Half of what the camera sees at the reference distance."""
    side: float
    """+1: the table is on the right; -1: on the left."""
    seat_m: tuple[float, float]
    """Floor plan place (x, z) of the seat."""
    seat_yaw: float
    """Where somebody on the seat faces, radians."""
    table_m: tuple[float, float]
    """Floor plan place (x, z) of the table's middle."""
    cupboard_m: tuple[float, float]
    """Floor plan place (x, z) of the cupboard's middle."""
    cupboard_half_m: float
    """Half of the cupboard's width."""
    centre_m: float = 0.0
    """How far to the right of the middle somebody's own place is."""
    lane_m: float = 0.0
    """How much farther from the camera than usual."""
    reach: float = 0.45
    """How far from the place somebody stands at most, as a share of ``half_width_m``."""

    @property
    def outside_m(self) -> float:
        """How far aside somebody is out of the image."""
        return self.half_width_m * 1.25 + 0.6

    @property
    def walk_depth_m(self) -> float:
        """How far from the camera people walk: in front of the furniture."""
        return REFERENCE_DEPTH_M - 0.15 + self.lane_m

    def draw_spot(self, rng: np.random.Generator) -> tuple[float, float]:
        """Draw a free place to stand."""
        reach = self.half_width_m * self.reach
        x_m = float(rng.uniform(-reach, reach)) - 0.15 * self.side + self.centre_m
        z_m = REFERENCE_DEPTH_M + float(rng.uniform(-0.35, 0.15)) + self.lane_m
        # Nobody stands in the table: step aside, towards the middle of the room.
        too_near = 0.65 - self.side * (self.table_m[0] - x_m)
        if abs(z_m - self.table_m[1]) < 0.5 and too_near > 0:
            x_m -= self.side * min(too_near, 1.0)
        return x_m, z_m

    def draw_floor_place(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """Draw a place to lie, in front of the furniture, and where the feet point."""
        x_m = float(rng.uniform(-0.3, 0.3)) - 0.1 * self.side + self.centre_m
        yaw = float(rng.uniform(0.9, 2.1)) * (1 if rng.random() < 0.5 else -1)
        return x_m, REFERENCE_DEPTH_M + float(rng.uniform(-0.45, -0.15)) + self.lane_m, yaw

    def draw_cupboard_place(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """Draw where somebody stands who works on the cupboard's side, facing it."""
        away = self.cupboard_half_m + float(rng.uniform(0.52, 0.62))
        x_m = self.cupboard_m[0] + self.side * away
        yaw = -self.side * float(rng.uniform(1.25, 1.75))
        return x_m, self.cupboard_m[1] + float(rng.uniform(-0.05, 0.1)), yaw


def draw_stage(rng: np.random.Generator, half_width_m: float) -> Stage:
    """Draw a floor plan for a camera that sees ``half_width_m`` to either side.

    Args:
        rng: draws it.
        half_width_m: what the camera sees to either side, metres.
    """
    side = 1.0 if rng.random() < 0.5 else -1.0
    seat_z = REFERENCE_DEPTH_M + float(rng.uniform(0.2, 0.4))
    seat_yaw = -side * float(rng.uniform(0.0, 1.5))
    seat_x = side * half_width_m * float(rng.uniform(0.45, 0.62))
    reach = float(rng.uniform(0.52, 0.6))
    return Stage(
        half_width_m=half_width_m,
        side=side,
        seat_m=(seat_x, seat_z),
        seat_yaw=seat_yaw,
        table_m=(seat_x + reach * np.sin(seat_yaw), seat_z - reach * np.cos(seat_yaw)),
        cupboard_m=(
            -side * half_width_m * float(rng.uniform(0.72, 0.85)),
            REFERENCE_DEPTH_M + float(rng.uniform(0.0, 0.3)),
        ),
        cupboard_half_m=float(rng.uniform(0.22, 0.34)),
    )
