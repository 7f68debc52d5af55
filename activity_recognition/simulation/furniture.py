"""Table, chair and cupboard as painted boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activity_recognition.simulation.camera import (
    Camera,
    Colour,
    Image,
    draw_colour,
    fixed_polygon,
    shade,
    subpixels,
)
from activity_recognition.simulation.stage import Stage

Faces = tuple[tuple[NDArray[np.int32], Colour], ...]
"""Polygons in ``subpixels`` with their colours, farther ones first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Furniture:
    """One piece, ready to be painted."""

    depth_m: float
    """Distance on the floor plan, for painting farther things first."""
    faces: Faces

    def paint(self, image: Image) -> None:
        """Paint it."""
        for points, colour in self.faces:
            fixed_polygon(image, points, colour)


@dataclass(frozen=True, kw_only=True, slots=True)
class FurnitureSet:
    """What stands in a room."""

    table: Furniture
    chair: Furniture
    cupboard: Furniture


def box(
    camera: Camera,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    colour: Colour,
) -> Faces:
    """Return the visible faces (side, top, front) of an upright box between two corners, metres.

    Args:
        camera: sees it.
        low: the corner with the smallest coordinates, metres.
        high: the corner with the largest, metres.
        colour: RGB, 0 to 255.
    """
    (x0, y0, z0), (x1, y1, z1) = low, high
    side_x = x0 if x0 > 0 else x1
    faces: list[tuple[NDArray[np.int32], Colour]] = []
    if x0 > 0 or x1 < 0:
        side = [(side_x, y0, z0), (side_x, y0, z1), (side_x, y1, z1), (side_x, y1, z0)]
        faces.append((subpixels(camera.project(np.array(side))[0]), shade(colour, 0.72)))
    if y1 < camera.height_m:
        top = [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)]
        faces.append((subpixels(camera.project(np.array(top))[0]), shade(colour, 1.12)))
    front = [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)]
    faces.append((subpixels(camera.project(np.array(front))[0]), shade(colour, 0.92)))
    return tuple(faces)


def furnish(rng: np.random.Generator, camera: Camera, stage: Stage) -> FurnitureSet:
    """Draw the furniture at the places of a floor plan.

    Args:
        rng: draws it.
        camera: sees it.
        stage: floor plan.
    """
    wood = draw_colour(rng, (0.1, 0.5), (0.35, 0.9))
    return FurnitureSet(
        table=_table(rng, camera, stage, wood),
        chair=_chair(rng, camera, stage, shade(wood, float(rng.uniform(0.6, 1.1)))),
        cupboard=_cupboard(rng, camera, stage),
    )


def _table(rng: np.random.Generator, camera: Camera, stage: Stage, colour: Colour) -> Furniture:
    """A table that always carries both a laptop and a plate: neither says what the activity is."""
    x, z = stage.table_m
    half_x, half_z = float(rng.uniform(0.34, 0.42)), float(rng.uniform(0.25, 0.3))
    top = float(rng.uniform(0.68, 0.74))
    faces: list[tuple[NDArray[np.int32], Colour]] = []
    legs = [(a, b) for b in (1, -1) for a in (-1, 1)]
    for a, b in legs:
        foot = (x + a * (half_x - 0.04), z + b * (half_z - 0.04))
        low, high = (foot[0] - 0.025, 0.0, foot[1] - 0.025), (foot[0] + 0.025, top, foot[1] + 0.025)
        faces.append(box(camera, low, high, shade(colour, 0.8))[-1])
    faces += box(
        camera, (x - half_x, top, z - half_z), (x + half_x, top + 0.04, z + half_z), colour
    )
    grey = draw_colour(rng, (0.0, 0.1), (0.15, 0.7))
    side = 1 if rng.random() < 0.5 else -1
    laptop = (x + side * 0.17, z + 0.02)
    low = (laptop[0] - 0.13, top + 0.04, laptop[1] - 0.1)
    faces += box(camera, low, (laptop[0] + 0.13, top + 0.07, laptop[1] + 0.1), grey)
    faces += box(
        camera,
        (x - side * 0.17 - 0.1, top + 0.04, z - 0.1),
        (x - side * 0.17 + 0.1, top + 0.06, z + 0.1),
        draw_colour(rng, (0.0, 0.3), (0.8, 1.0)),
    )
    return Furniture(depth_m=z, faces=tuple(faces))


def _chair(rng: np.random.Generator, camera: Camera, stage: Stage, colour: Colour) -> Furniture:
    x, z = stage.seat_m
    back = float(rng.uniform(0.75, 0.95))
    # The back stands opposite to where the person on it faces.
    away = (x - 0.2 * np.sin(stage.seat_yaw), z + 0.2 * np.cos(stage.seat_yaw))
    faces = [
        *box(
            camera,
            (away[0] - 0.18, 0.4, away[1] - 0.02),
            (away[0] + 0.18, back, away[1] + 0.02),
            colour,
        ),
        *box(camera, (x - 0.19, 0.38, z - 0.19), (x + 0.19, 0.44, z + 0.19), shade(colour, 0.95)),
        *(
            box(
                camera,
                (x + a - 0.02, 0.0, z - 0.19),
                (x + a + 0.02, 0.38, z - 0.15),
                shade(colour, 0.8),
            )[-1]
            for a in (-0.17, 0.17)
        ),
    ]
    return Furniture(depth_m=z, faces=tuple(faces))


def _cupboard(rng: np.random.Generator, camera: Camera, stage: Stage) -> Furniture:
    x, z = stage.cupboard_m
    half, deep = stage.cupboard_half_m, float(rng.uniform(0.2, 0.3))
    high = float(rng.uniform(1.75, 2.1))
    colour = draw_colour(rng, (0.02, 0.6), (0.4, 0.95))
    faces = list(box(camera, (x - half, 0.0, z - deep), (x + half, high, z + deep), colour))
    front = z - deep - 0.005
    for a in (-0.5, 0.5):
        low = (x + (a - 0.42) * half, 0.1, front)
        faces.append(
            box(camera, low, (x + (a + 0.42) * half, high - 0.1, front), shade(colour, 1.1))[-1]
        )
    return Furniture(depth_m=z, faces=tuple(faces))
