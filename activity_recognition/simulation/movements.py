"""Pose programs of the activities that touch things, use furniture or the floor.

``MOTIONS`` names every program for the activity table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from activity_recognition.simulation.camera import FloatArray
from activity_recognition.simulation.poses import (
    MARGIN_S,
    Bursts,
    Drink,
    Gesture,
    Idle,
    Motion,
    Pose,
    Rng,
    Wave,
    Wobble,
    standing,
)
from activity_recognition.simulation.stage import Stage

STEP_RATE_HZ = (1.5, 2.1)
"""Steps a second, of walking and of exercises alike, so that they sound the same."""


def _regular_beats(rate_hz: float, duration_s: float) -> FloatArray:
    return np.arange(0.5, duration_s * rate_hz) / rate_hz


def walking_limbs(pose: FloatArray, phase: float, strength: float) -> None:
    """Swing legs and arms in place; ``phase`` counts steps, a foot lands at every half.

    Args:
        pose: laid out as in ``Pose``, changed in place.
        phase: steps taken; a foot lands at every half.
        strength: of the swing, 0 to 1.
    """
    for side in range(2):
        cycle = np.pi * (phase + side)
        pose[Pose.FOOT[side]] += (
            0.0,
            strength * 0.16 * max(0.0, float(np.cos(cycle))),
            strength * 0.38 * float(np.sin(cycle)),
        )
        pose[Pose.HAND[side]] += (0.0, strength * 0.06, -strength * 0.36 * float(np.sin(cycle)))
    pose[Pose.HIP] -= strength * 0.03 * abs(float(np.sin(np.pi * phase)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """Walks an oval in front of the camera."""

    centre: tuple[float, float]
    radii_m: tuple[float, float]
    turn_rate: float
    start_angle: float
    step_rate_hz: float

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, _duration_s: float) -> Walk:
        """Draw a path and a pace.

        Args:
            rng: draws it.
            stage: floor plan.
        """
        radius_m = float(rng.uniform(0.7, 1.1))
        speed = float(rng.uniform(0.7, 1.2)) / radius_m
        return cls(
            centre=(float(rng.uniform(-0.2, 0.2)), stage.walk_depth_m),
            radii_m=(radius_m, float(rng.uniform(0.1, 0.45))),
            turn_rate=speed * (1 if rng.random() < 0.5 else -1),
            start_angle=float(rng.uniform(0, 2 * np.pi)),
            step_rate_hz=float(rng.uniform(*STEP_RATE_HZ)),
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        angle = self.start_angle + self.turn_rate * time_s
        across, along = self.radii_m
        forward_x = -across * np.sin(angle) * self.turn_rate
        forward_z = along * np.cos(angle) * self.turn_rate
        x_m = self.centre[0] + across * float(np.cos(angle))
        z_m = self.centre[1] + along * float(np.sin(angle))
        pose = standing(x_m, z_m, float(np.arctan2(forward_x, -forward_z)))
        walking_limbs(pose, self.step_rate_hz * time_s, 1.0)
        pose[Pose.LEAN] = 0.06
        return pose

    def beats(self, duration_s: float) -> FloatArray:
        """Return when a foot lands."""
        return _regular_beats(self.step_rate_hz, duration_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exercise:
    """Jumping jacks, squats, or high knees on the spot; one landing per beat."""

    base: FloatArray
    kind: int
    rate_hz: float
    depth: float

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, _duration_s: float) -> Exercise:
        """Draw a place, one of the exercises, and a pace.

        Args:
            rng: draws it.
            stage: floor plan.
        """
        return cls(
            base=standing(*stage.draw_spot(rng), float(rng.uniform(-0.7, 0.7))),
            kind=int(rng.integers(3)),
            rate_hz=float(rng.uniform(*STEP_RATE_HZ)),
            depth=float(rng.uniform(0.8, 1.1)),
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        beat = self.rate_hz * time_s
        (self._jack, self._squat, self._knees)[self.kind](pose, beat)
        return pose

    def _jack(self, pose: FloatArray, beat: float) -> None:
        opening = 0.5 - 0.5 * float(np.cos(np.pi * (beat + 0.5)))
        for side in range(2):
            angle = 0.2 + 2.5 * opening * min(1.0, self.depth)
            pose[Pose.HAND[side]] = 0.95 * np.sin(angle), -0.95 * np.cos(angle), 0.05
            pose[Pose.FOOT[side]] = 0.05 + 0.34 * opening * self.depth, -0.96 + 0.04 * opening, 0.0
        pose[Pose.HIP] += 0.10 * abs(float(np.sin(np.pi * (beat + 0.5)))) - 0.03

    def _squat(self, pose: FloatArray, beat: float) -> None:
        low = (0.5 - 0.5 * float(np.cos(np.pi * (beat + 0.5)))) * 0.45 * self.depth
        pose[Pose.HIP] -= low
        pose[Pose.LEAN] = 0.9 * low
        for side in range(2):
            pose[Pose.HAND[side]] = 0.05, -0.8 + 1.8 * low, 0.25 + 1.3 * low
            pose[Pose.FOOT[side]] = 0.14, -0.98 + low, 0.05

    def _knees(self, pose: FloatArray, beat: float) -> None:
        for side in range(2):
            lift = max(0.0, float(np.cos(np.pi * (beat + side)))) * self.depth
            pose[Pose.FOOT[side]] = 0.05, -0.98 + 0.42 * lift, 0.12 * lift
            pose[Pose.HAND[1 - side]] = 0.1, -0.75 + 0.65 * lift, 0.25 + 0.35 * lift
        pose[Pose.HIP] += 0.03 * abs(float(np.cos(np.pi * beat)))

    def beats(self, duration_s: float) -> FloatArray:
        """Return when the feet land."""
        return _regular_beats(self.rate_hz, duration_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """Stands at the cupboard and works on its door with one hand."""

    base: FloatArray
    work: Bursts
    place: FloatArray
    stroke: FloatArray
    drift: Wobble

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, duration_s: float) -> Reach:
        """Draw a height on the door and a stroke.

        Args:
            rng: draws it.
            stage: floor plan.
            duration_s: length of the segment, seconds.
        """
        x_m, z_m, yaw = stage.draw_cupboard_place(rng)
        base = standing(x_m, z_m, yaw)
        base[Pose.LEAN] = float(rng.uniform(0.0, 0.12))
        rate_hz = float(rng.uniform(2.0, 3.0))
        return cls(
            base=base,
            work=Bursts.draw(rng, duration_s, rate_hz, (0.9, 2.0), (0.2, 0.6)),
            place=np.array([rng.uniform(-0.15, 0.1), rng.uniform(-0.1, 0.35), 0.75]),
            stroke=np.array([rng.uniform(-0.08, 0.08), rng.uniform(0.06, 0.16), 0.14]),
            drift=Wobble.draw(rng, 0.05, 0.25),
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        swing = float(np.sin(np.pi * (self.work.phase(time_s) % 1.0)))
        pose[Pose.HAND[0]] = self.place + self.stroke * swing
        pose[Pose.HAND[0]][1] += 0.08 * self.drift.at(time_s)
        pose[Pose.TURN] += 0.1 * self.drift.at(time_s + 2.0)
        return pose

    def beats(self, duration_s: float) -> FloatArray:
        """Return when the hand is farthest out."""
        return self.work.beats(duration_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sit:
    """Sits at the table; both hands are busy on it, one goes to the face now and then."""

    base: FloatArray
    work: Bursts
    touches: Bursts
    side: int
    nod: Wobble

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, duration_s: float) -> Sit:
        """Draw a way to sit and a pace of the hands.

        Args:
            rng: draws it.
            stage: floor plan.
            duration_s: length of the segment, seconds.
        """
        base = standing(stage.seat_m[0], stage.seat_m[1], stage.seat_yaw)
        base[Pose.YAW] += float(rng.uniform(-0.12, 0.12))
        base[Pose.HIP] = 0.56
        base[Pose.LEAN] = float(rng.uniform(0.08, 0.28))
        base[Pose.NOD] = float(rng.uniform(0.1, 0.35))
        rate_hz = float(rng.uniform(3.4, 4.8))
        for side in range(2):
            base[Pose.HAND[side]] = rng.uniform(-0.22, 0.0), -0.62, rng.uniform(0.5, 0.62)
            base[Pose.FOOT[side]] = 0.08, -0.5, 0.5
        return cls(
            base=base,
            work=Bursts.draw(rng, duration_s, rate_hz, (0.8, 2.0), (0.15, 0.5)),
            touches=Bursts.draw(rng, duration_s, 0.8, (1.2, 1.3), (2.5, 6.0)),
            side=int(rng.integers(2)),
            nod=Wobble.draw(rng, 0.1, 0.4),
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        cycle = np.pi * self.work.phase(time_s)
        for side in range(2):
            pose[Pose.HAND[side]] += (
                0.05 * float(np.sin(cycle * 0.5 + side)),
                0.05 * abs(float(np.sin(cycle + side * np.pi / 2))),
                0.0,
            )
        lift = min(1.0, 1.6 * float(np.sin(np.pi * (self.touches.phase(time_s) % 1.0))))
        face = np.array([-0.25, 0.2, 0.4])
        pose[Pose.HAND[self.side]] += lift * (face - pose[Pose.HAND[self.side]])
        pose[Pose.NOD] += 0.08 * self.nod.at(time_s)
        return pose

    def beats(self, duration_s: float) -> FloatArray:
        """Return when a hand comes down."""
        return self.work.beats(duration_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lie:
    """Lies on the floor and hardly moves."""

    base: FloatArray
    breath_hz: float
    restless: tuple[Wobble, ...]
    spells: Bursts

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, duration_s: float) -> Lie:
        """Draw a place on the floor and a posture.

        Args:
            rng: draws it.
            stage: floor plan.
            duration_s: length of the segment, seconds.
        """
        x_m, z_m, yaw = stage.draw_floor_place(rng)
        base = standing(x_m, z_m, yaw)
        base[Pose.HIP] = 0.16
        base[Pose.PITCH] = np.pi / 2 * (1.0 + float(rng.uniform(-0.08, 0.02)))
        bent = rng.random(2) < 0.4
        for side in range(2):
            foot = (0.1, -0.62, -0.1) if bent[side] else (rng.uniform(0.05, 0.22), -0.95, -0.1)
            base[Pose.FOOT[side]] = foot
            base[Pose.HAND[side]] = rng.uniform(0.1, 0.75), rng.uniform(-0.85, 0.3), -0.15
        base[Pose.TURN] = float(rng.uniform(-0.5, 0.5))
        return cls(
            base=base,
            breath_hz=float(rng.uniform(0.2, 0.4)),
            restless=tuple(Wobble.draw(rng, 0.1, 0.5) for _ in range(4)),
            spells=Bursts.draw(rng, duration_s, 0.5, (2.0, 2.1), (1.0, 5.0)),
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        stir = float(np.sin(np.pi * (self.spells.phase(time_s) % 1.0)))
        pose[Pose.HIP] += 0.008 * float(np.sin(2 * np.pi * self.breath_hz * time_s))
        for side in range(2):
            pose[Pose.HAND[side]][2] += 0.25 * stir * abs(self.restless[side].at(time_s))
            pose[Pose.FOOT[side]][1] += 0.15 * stir * abs(self.restless[2 + side].at(time_s))
        return pose

    def beats(self, duration_s: float) -> FloatArray:
        """Return when the person stirs."""
        return self.spells.beats(duration_s)


MotionFactory = Callable[[Rng, Stage, float], Motion]
"""Draws a motion for a segment: generator, stage, length of the segment in seconds."""

MOTIONS: Mapping[str, MotionFactory] = MappingProxyType(
    {
        'idle': Idle.draw,
        'lie': Lie.draw,
        'drink': Drink.draw,
        'walk': Walk.draw,
        'exercise': Exercise.draw,
        'reach': Reach.draw,
        'sit': Sit.draw,
        'wave': Wave.draw,
        'gesture': Gesture.draw,
    }
)
"""Every pose program by name."""

__all__ = ['MARGIN_S', 'MOTIONS', 'Motion', 'Pose', 'walking_limbs']
