"""Key points: mirrored, moved, turned and stretched alike in a whole crop; noisy frame by frame.

T frames, J joints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from activity_recognition.keypoints.skeletons import other_side
from activity_recognition.training.augmentation_config import AugmentationConfig


def change_points(
    points: NDArray[np.float32],
    joints: tuple[str, ...],
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return changed key points (T, J, 3); what was missing stays so.

    Args:
        points: (T, J, 3), in units of the image, about its middle.
        joints: names of the J joints.
        config: how far they may change.
        rng: what is drawn.
    """
    strength = config.strength
    zoom = np.exp(rng.uniform(-1, 1) * config.zoom * strength)
    shift = rng.uniform(-1, 1, size=2) * config.shift * strength
    lean = np.radians(rng.uniform(-1, 1) * config.lean_deg * strength)
    scale = np.exp(rng.normal(size=(len(joints), 2)) * config.proportions * strength)
    noise = rng.uniform() * config.joint_noise * strength
    if rng.random() < config.mirror:
        points = mirrored(points, joints)
    seen = points[..., 2:] > 0
    places = points[..., :2].astype(np.float64)
    middle = places.sum(axis=1, keepdims=True, where=seen) / np.maximum(
        seen.sum(axis=1, keepdims=True), 1
    )
    about = (places - middle) * scale * _width(config, rng)
    turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    about = about @ turn.T + rng.normal(size=about.shape) * noise * _height(about, seen)
    kept = seen & ~_lost(seen.shape, config.joint_loss * strength, rng)
    changed = np.concatenate([(about + middle) * zoom + shift, points[..., 2:]], axis=-1)
    changed = np.where(kept, changed, 0.0).astype(np.float32)
    return _swapped(changed, joints, config.joint_swap * strength, rng)


def mirrored(points: NDArray[np.float32], joints: tuple[str, ...]) -> NDArray[np.float32]:
    """Return bodies as in a mirror: what was at the left is at the right, and is called so.

    Args:
        points: (T, J, 3).
        joints: names of the J joints.
    """
    changed = points[:, _other_sides(joints)]
    changed[..., 0] *= -1
    return changed


def _other_sides(joints: tuple[str, ...]) -> list[int]:
    """Return the place of each joint's counterpart; its own where there is none."""
    others = [other_side(name) for name in joints]
    return [joints.index(other) if other in joints else place for place, other in enumerate(others)]


def _swapped(
    points: NDArray[np.float32],
    joints: tuple[str, ...],
    most: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Let left and right change places in up to a share of the frames; nothing is drawn for 0."""
    if most <= 0:
        return points
    confused = rng.random(len(points)) < rng.uniform() * most
    points[confused] = points[confused][:, _other_sides(joints)]
    return points


def _width(config: AugmentationConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw by how much a body is stretched in x and y, (2,); nothing is drawn for 0."""
    if config.foreshortening <= 0:
        return np.ones(2)
    return np.array([np.exp(rng.uniform(-1, 1) * config.foreshortening * config.strength), 1.0])


def _height(about: NDArray[np.float64], seen: NDArray[np.bool_]) -> float:
    """Return the median height of the bodies; 0 without any."""
    low = about[..., 1:].min(axis=1, where=seen, initial=0.0)
    high = about[..., 1:].max(axis=1, where=seen, initial=0.0)
    return float(np.median(high - low)) if len(about) else 0.0


def _lost(shape: tuple[int, ...], chance: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which joints are lost, (T, J, 1): a few in all frames, a few in some."""
    share = rng.uniform() * chance
    always = rng.random((1, *shape[1:])) < share
    return always | (rng.random(shape) < share)
