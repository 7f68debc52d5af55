"""Pose programs: how each kind of activity moves the body, as functions of time.

A pose is a flat vector (see ``Pose``): where the pelvis is, how the trunk is turned, and where
hands and feet are to go; the limbs follow by inverse kinematics (``body.py``). A motion is drawn
once per segment with random speed, amplitude and side, and then is a pure function of time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from activity_recognition.simulation.camera import FloatArray
from activity_recognition.simulation.stage import Stage

Rng = np.random.Generator
MARGIN_S = 2.0
"""Motions are defined this long before and after their segment, for the transitions."""


class Pose:
    """Places of a pose vector's entries."""

    X, Z = 0, 1
    """Pelvis on the floor plan, metres."""
    YAW = 2
    """Where the person faces, radians; 0 is towards the camera, positive to the image's right."""
    HIP = 3
    """Height of the pelvis, leg lengths."""
    PITCH = 4
    """Whole body tilted back, radians; pi/2 lies on the back."""
    LEAN, SWAY = 5, 6
    """Trunk bent forwards and sideways, radians."""
    NOD, TURN = 7, 8
    """Head down and aside, radians."""
    CUP = 9
    """1 while a cup is in the first hand."""
    HAND = (slice(10, 13), slice(13, 16))
    """Hands from their shoulders: outwards, up, forwards along the trunk; arm lengths."""
    FOOT = (slice(16, 19), slice(19, 22))
    """Feet from their hips: outwards, up, forwards; leg lengths."""
    SIZE = 22


class Motion(Protocol):
    """One drawn pose program; times are seconds from the segment's start."""

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time from -MARGIN_S to the segment's length + MARGIN_S."""
        ...

    def beats(self, duration_s: float) -> FloatArray:
        """Return the times in [0, duration_s] at which the motion can make a sound."""
        ...


def standing(x_m: float, z_m: float, yaw: float) -> FloatArray:
    """Return the neutral upright pose with hanging arms.

    Args:
        x_m: to the right of the camera, metres.
        z_m: away from the camera, metres.
        yaw: turn about the vertical, radians.
    """
    pose = np.zeros(Pose.SIZE)
    pose[[Pose.X, Pose.Z, Pose.YAW, Pose.HIP]] = x_m, z_m, yaw, 0.98
    pose[Pose.HAND[0]] = pose[Pose.HAND[1]] = 0.12, -0.95, 0.08
    pose[Pose.FOOT[0]] = pose[Pose.FOOT[1]] = 0.05, -0.98, 0.0
    return pose


def _no_beats(_duration_s: float) -> FloatArray:
    return np.zeros(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bursts:
    """Work in spells: ``rate_hz`` strokes a second while on, with short rests between."""

    rate_hz: float
    starts_s: FloatArray
    ends_s: FloatArray

    @classmethod
    def draw(
        cls,
        rng: Rng,
        duration_s: float,
        rate_hz: float,
        spell_s: tuple[float, float],
        rest_s: tuple[float, float],
    ) -> Bursts:
        """Draw spells that cover the segment and its margins.

        Args:
            rng: draws it.
            duration_s: length of the segment, seconds.
            rate_hz: of the movement within a spell, Hz.
            spell_s: range of the length of a spell, seconds.
            rest_s: range of the length of a rest, seconds.
        """
        starts, ends = [], []
        time_s = -MARGIN_S - float(rng.uniform(0, spell_s[1]))
        while time_s < duration_s + MARGIN_S:
            # Whole strokes, so that a spell ends with the hand back where it began.
            spell = max(1, round(float(rng.uniform(*spell_s)) * rate_hz)) / rate_hz
            starts.append(time_s)
            ends.append(time_s + spell)
            time_s += spell + float(rng.uniform(*rest_s))
        return cls(rate_hz=rate_hz, starts_s=np.array(starts), ends_s=np.array(ends))

    def phase(self, time_s: float) -> float:
        """Return the number of strokes made since the spell's start; 0 while resting."""
        spell = int(np.searchsorted(self.starts_s, time_s, side='right')) - 1
        if spell < 0 or time_s >= self.ends_s[spell]:
            return 0.0
        return float((time_s - self.starts_s[spell]) * self.rate_hz)

    def beats(self, duration_s: float) -> FloatArray:
        """Return the middles of all strokes inside [0, duration_s]."""
        times = [
            start + (np.arange(round((end - start) * self.rate_hz)) + 0.5) / self.rate_hz
            for start, end in zip(self.starts_s, self.ends_s, strict=True)
        ]
        joined = np.concatenate(times)
        return joined[(joined >= 0) & (joined <= duration_s)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wobble:
    """A smooth, never quite repeating movement of one number within about [-1, 1]."""

    rates_hz: NDArray[np.float64]
    phases: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: Rng, low_hz: float, high_hz: float) -> Wobble:
        """Draw three sine waves with rates in a range.

        Args:
            rng: draws it.
            low_hz: lowest rate, Hz.
            high_hz: highest rate, Hz.
        """
        return cls(rates_hz=rng.uniform(low_hz, high_hz, 3), phases=rng.uniform(0, 2 * np.pi, 3))

    def at(self, time_s: float) -> float:
        """Return the value at a time."""
        return float(np.sin(2 * np.pi * self.rates_hz * time_s + self.phases).sum()) / 2.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Idle:
    """Stands about, shifts its weight, looks around; or has left the room."""

    base: FloatArray
    weight: Wobble
    look: Wobble
    arms: Wobble
    beats: Callable[[float], FloatArray] = _no_beats

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, _duration_s: float) -> Idle:
        """Draw a place to stand, one time in five outside the image.

        Args:
            rng: draws it.
            stage: floor plan.
        """
        x_m, z_m = stage.draw_spot(rng)
        yaw = float(rng.uniform(-0.9, 0.9))
        side = 1.0 if x_m > 0 else -1.0
        if rng.random() < 0.2:
            x_m, yaw = side * stage.outside_m, side * 1.4
        base = standing(x_m, z_m, yaw)
        if rng.random() < 0.3:
            # Hands on the hips, or folded in front.
            folded = (-0.35, -0.55, 0.25) if rng.random() < 0.5 else (0.22, -0.6, 0.0)
            base[Pose.HAND[0]] = base[Pose.HAND[1]] = folded
        slow = [Wobble.draw(rng, 0.04, 0.22) for _ in range(3)]
        return cls(base=base, weight=slow[0], look=slow[1], arms=slow[2])

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        shift = self.weight.at(time_s)
        pose[Pose.X] += 0.03 * shift
        pose[Pose.SWAY] += 0.05 * shift
        pose[Pose.TURN] += 0.6 * self.look.at(time_s)
        pose[12] += 0.06 * self.arms.at(time_s)
        pose[15] -= 0.06 * self.arms.at(time_s + 1.3)
        return pose


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """Waves a raised arm, sometimes both."""

    base: FloatArray
    rate_hz: float
    amplitude: float
    raised: FloatArray
    both: bool
    restless: Wobble
    beats: Callable[[float], FloatArray] = _no_beats

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, _duration_s: float) -> Wave:
        """Draw a place to stand and a way to wave.

        Args:
            rng: draws it.
            stage: floor plan.
        """
        base = standing(*stage.draw_spot(rng), float(rng.uniform(-0.5, 0.5)))
        return cls(
            base=base,
            rate_hz=float(rng.uniform(1.0, 2.2)),
            amplitude=float(rng.uniform(0.2, 0.4)),
            raised=np.array(
                [rng.uniform(0.15, 0.4), rng.uniform(0.62, 0.85), rng.uniform(0, 0.25)]
            ),
            both=bool(rng.random() < 0.25),
            restless=Wobble.draw(rng, 0.1, 0.5),
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        swing = self.amplitude * np.sin(2 * np.pi * self.rate_hz * time_s)
        pose[Pose.HAND[0]] = self.raised + np.array([swing, -0.12 * abs(swing), 0.0])
        if self.both:
            pose[Pose.HAND[1]] = self.raised + np.array([-swing, -0.12 * abs(swing), 0.0])
        pose[Pose.SWAY] += 0.06 * self.restless.at(time_s)
        pose[Pose.X] += 0.03 * self.restless.at(time_s + 0.5)
        return pose


@dataclass(frozen=True, kw_only=True, slots=True)
class Gesture:
    """Stands facing the camera and talks with the hands."""

    base: FloatArray
    movements: tuple[Wobble, ...]
    reach: float
    both: bool
    beats: Callable[[float], FloatArray] = _no_beats

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, _duration_s: float) -> Gesture:
        """Draw a place to stand and a way to gesture.

        Args:
            rng: draws it.
            stage: floor plan.
        """
        base = standing(*stage.draw_spot(rng), float(rng.uniform(-0.6, 0.6)))
        return cls(
            base=base,
            movements=tuple(Wobble.draw(rng, 0.3, 1.3) for _ in range(6)),
            reach=float(rng.uniform(0.45, 0.65)),
            both=bool(rng.random() < 0.7),
        )

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        for side in range(2 if self.both else 1):
            aside, up, ahead = (wave.at(time_s) for wave in self.movements[3 * side : 3 * side + 3])
            pose[Pose.HAND[side]] = (
                0.15 + 0.22 * aside,
                -0.35 + 0.22 * up,
                self.reach + 0.15 * ahead,
            )
        pose[Pose.NOD] += 0.12 * self.movements[0].at(time_s + 0.4)
        pose[Pose.TURN] += 0.15 * self.movements[4].at(time_s * 0.4)
        return pose


@dataclass(frozen=True, kw_only=True, slots=True)
class Drink:
    """Holds a cup, and lifts it to the mouth again and again."""

    base: FloatArray
    sips: Bursts
    sway: Wobble
    beats: Callable[[float], FloatArray] = _no_beats

    @classmethod
    def draw(cls, rng: Rng, stage: Stage, duration_s: float) -> Drink:
        """Draw a place to stand and a pace of drinking.

        Args:
            rng: draws it.
            stage: floor plan.
            duration_s: length of the segment, seconds.
        """
        base = standing(*stage.draw_spot(rng), float(rng.uniform(-1.1, 1.1)))
        base[Pose.CUP] = 1.0
        pace_hz = float(rng.uniform(0.32, 0.5))
        spell = (1.0 / pace_hz, 1.2 / pace_hz)
        sips = Bursts.draw(rng, duration_s, pace_hz, spell, (0.2, 1.0))
        return cls(base=base, sips=sips, sway=Wobble.draw(rng, 0.05, 0.25))

    def pose(self, time_s: float) -> FloatArray:
        """Return the pose at a time."""
        pose: FloatArray = self.base.copy()
        # The cup stays at the mouth for the middle of each stroke.
        lift = min(1.0, 2.2 * float(np.sin(np.pi * (self.sips.phase(time_s) % 1.0))))
        low, mouth = np.array([-0.05, -0.4, 0.5]), np.array([-0.28, 0.33, 0.34])
        pose[Pose.HAND[0]] = low + lift * (mouth - low)
        pose[Pose.NOD] -= 0.3 * lift
        pose[Pose.SWAY] += 0.03 * self.sway.at(time_s)
        return pose
