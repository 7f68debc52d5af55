"""From a pose vector to the places of all joints in the room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from activity_recognition.simulation.camera import FloatArray
from activity_recognition.simulation.poses import Pose


class Joint(IntEnum):
    """Rows of the array that ``joints`` returns; left ones first."""

    PELVIS = 0
    CHEST = 1
    HEAD = 2
    FACE = 3
    SHOULDER_L = 4
    SHOULDER_R = 5
    ELBOW_L = 6
    ELBOW_R = 7
    HAND_L = 8
    HAND_R = 9
    HIP_L = 10
    HIP_R = 11
    KNEE_L = 12
    KNEE_R = 13
    ANKLE_L = 14
    ANKLE_R = 15
    TOE_L = 16
    TOE_R = 17


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """Proportions of a person, metres."""

    height_m: float
    leg_m: float
    trunk_m: float
    arm_m: float
    shoulder_m: float
    """Half of the shoulders' width."""
    hip_m: float
    head_m: float
    """Radius of the head."""
    stoutness: float
    """Thickness of limbs and trunk, 1 is average."""


def draw_build(rng: np.random.Generator) -> Build:
    """Draw a grown-up or half-grown person."""
    height_m = float(rng.uniform(1.5, 1.92))
    leg = float(rng.uniform(0.47, 0.51))
    return Build(
        height_m=height_m,
        leg_m=height_m * leg,
        trunk_m=height_m * (0.80 - leg),
        arm_m=height_m * float(rng.uniform(0.37, 0.41)),
        shoulder_m=height_m * float(rng.uniform(0.105, 0.125)),
        hip_m=height_m * float(rng.uniform(0.055, 0.065)),
        head_m=height_m * float(rng.uniform(0.066, 0.078)),
        stoutness=float(rng.uniform(0.85, 1.25)),
    )


def joints(pose: FloatArray, build: Build) -> FloatArray:
    """Return the world places of all joints, metres, (18, 3), rows as in ``Joint``.

    ``pose`` is a vector laid out as in ``Pose``; unreachable hands and feet stretch towards it.

    Args:
        pose: laid out as in ``Pose``.
        build: lengths of the limbs.
    """
    basis = _body_basis(float(pose[Pose.YAW]), float(pose[Pose.PITCH]))
    trunk = _trunk_basis(float(pose[Pose.LEAN]), float(pose[Pose.SWAY])) @ basis
    out = np.empty((len(Joint), 3))
    pelvis = np.array([pose[Pose.X], pose[Pose.HIP] * build.leg_m, pose[Pose.Z]])
    chest = pelvis + build.trunk_m * trunk[1]
    out[Joint.PELVIS], out[Joint.CHEST] = pelvis, chest
    _place_head(out, pose, build, trunk, chest)
    half_arm, half_leg = build.arm_m / 2, build.leg_m / 2
    for side, outwards in enumerate((-1.0, 1.0)):
        mirror = np.array([outwards, 1.0, 1.0])
        shoulder = chest + outwards * build.shoulder_m * trunk[0] - 0.03 * trunk[1]
        hand = shoulder + (pose[Pose.HAND[side]] * mirror * build.arm_m) @ trunk
        elbow_way = np.array([0.6 * outwards, -0.7, -0.6]) @ trunk
        out[Joint.SHOULDER_L + side] = shoulder
        out[Joint.ELBOW_L + side], out[Joint.HAND_L + side] = _bend(
            shoulder, hand, half_arm, elbow_way
        )
        hip = pelvis + outwards * build.hip_m * basis[0]
        foot = hip + (pose[Pose.FOOT[side]] * mirror * build.leg_m) @ basis
        knee_way = np.array([0.25 * outwards, 0.1, 1.0]) @ basis
        out[Joint.HIP_L + side] = hip
        knee, ankle = _bend(hip, foot, half_leg, knee_way)
        out[Joint.KNEE_L + side], out[Joint.ANKLE_L + side] = knee, ankle
        out[Joint.TOE_L + side] = ankle + 0.085 * build.height_m * basis[2]
    return out


def _place_head(
    out: FloatArray, pose: FloatArray, build: Build, trunk: FloatArray, chest: FloatArray
) -> None:
    """Set the middle of the head, and the middle of the face as a way to look."""
    nod, turn = float(pose[Pose.NOD]), float(pose[Pose.TURN])
    ahead = np.array([np.sin(turn) * np.cos(nod), -np.sin(nod), np.cos(turn) * np.cos(nod)]) @ trunk
    above = (np.array([0.0, np.cos(nod), np.sin(nod)])) @ trunk
    head = chest + 1.75 * build.head_m * above
    out[Joint.HEAD], out[Joint.FACE] = head, head + build.head_m * ahead


def _body_basis(yaw: float, pitch: float) -> FloatArray:
    """Return the rows outwards, up and forwards of the body in world axes, (3, 3)."""
    outwards = np.array([np.cos(yaw), 0.0, np.sin(yaw)])
    level = np.array([np.sin(yaw), 0.0, -np.cos(yaw)])
    upright = np.array([0.0, 1.0, 0.0])
    up = np.cos(pitch) * upright - np.sin(pitch) * level
    forwards = np.sin(pitch) * upright + np.cos(pitch) * level
    return np.array([outwards, up, forwards])


def _trunk_basis(lean: float, sway: float) -> FloatArray:
    """Return the trunk's rows outwards, up and forwards in the body's axes, (3, 3)."""
    cosine, sine = np.cos(sway), np.sin(sway)
    up = np.array([sine, cosine * np.cos(lean), cosine * np.sin(lean)])
    forwards = np.array([0.0, -np.sin(lean), np.cos(lean)])
    return np.array([np.cross(up, forwards), up, forwards])


def _bend(
    root: FloatArray, target: FloatArray, half: float, way: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return middle joint and end of a limb of two equal bones that bends towards ``way``.

    Two-bone inverse kinematics by the isosceles triangle; too far targets are pulled in.
    """
    reach = target - root
    distance = float(np.sqrt(reach @ reach)) + 1e-9
    along = reach / distance
    distance = min(distance, 1.998 * half)
    across = way - (way @ along) * along
    across /= float(np.sqrt(across @ across)) + 1e-9
    height = float(np.sqrt(max(half * half - distance * distance / 4, 0.0)))
    return root + 0.5 * distance * along + height * across, root + distance * along
