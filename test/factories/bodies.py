"""A body that stands before a camera, as key points in an image of 320 x 240."""

from __future__ import annotations

import numpy as np

from activity_recognition.keypoints import SKELETONS, KeyPoints

STANDING: dict[str, tuple[int, int]] = {
    'nose': (160, 40),
    'left_eye': (165, 36),
    'right_eye': (155, 36),
    'left_ear': (170, 38),
    'right_ear': (150, 38),
    'left_shoulder': (185, 70),
    'right_shoulder': (135, 70),
    'left_elbow': (215, 95),
    'right_elbow': (105, 95),
    'left_wrist': (240, 70),
    'right_wrist': (80, 70),
    'left_hip': (175, 130),
    'right_hip': (145, 130),
    'left_knee': (180, 175),
    'right_knee': (140, 175),
    'left_ankle': (182, 220),
    'right_ankle': (138, 220),
}
"""COCO's joints; left ones are at the right of the image, as of someone who faces the camera."""
SIZE_PX = (320, 240)


def body(**changes: tuple[float, float] | None) -> KeyPoints:
    """Return a standing body, some of whose joints are elsewhere, or missing where None."""
    assert tuple(STANDING) == SKELETONS['coco17']
    places = {**STANDING, **changes}
    values = [(np.nan, np.nan) if place is None else place for place in places.values()]
    return KeyPoints.of(tuple(places), values, None, SIZE_PX)


def any_body(rng: np.random.Generator) -> KeyPoints:
    """Return a body in any pose at any place; some joints are missing, now and then all of them."""
    places = np.array(list(STANDING.values())) * rng.uniform(0.5, 1.5) + rng.normal(0, 20, (17, 2))
    scores = rng.uniform(0.1, 1.0, 17) * (
        rng.random(17) > rng.choice([0.0, 0.3, 1.0], p=[0.5, 0.4, 0.1])
    )
    return KeyPoints.of(tuple(STANDING), places, scores, SIZE_PX)
