"""The still background of a recording: walls, floor, window, pictures, rug; and its light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.simulation.camera import (
    REFERENCE_DEPTH_M,
    Camera,
    Colour,
    FloatArray,
    Image,
    draw_colour,
    polygon,
    shade,
)

_WOODS: tuple[Colour, ...] = ((160, 120, 80), (110, 75, 48), (196, 164, 120), (140, 130, 120))


@dataclass(frozen=True, kw_only=True, slots=True)
class Wall:
    """The back wall, a plane facing the camera."""

    depth_m: float
    colour: Colour

    def rectangle(
        self, camera: Camera, middle: tuple[float, float], size: tuple[float, float]
    ) -> FloatArray:
        """Return the corners of a rectangle on the wall in pixels, (4, 2); metres in.

        Args:
            camera: sees it.
            middle: of the rectangle, metres.
            size: width and height, metres.
        """
        (x, y), (half_w, half_h) = middle, (size[0] / 2, size[1] / 2)
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        points = np.array([(x + a * half_w, y + b * half_h, self.depth_m) for a, b in corners])
        return camera.project(points)[0]


def floor_rectangle(
    camera: Camera, middle: tuple[float, float], size: tuple[float, float]
) -> FloatArray:
    """Return the corners of a rectangle on the floor in pixels, (4, 2); metres in.

    Args:
        camera: sees it.
        middle: of the rectangle, metres.
        size: width and height, metres.
    """
    (x, z), (half_w, half_d) = middle, (size[0] / 2, size[1] / 2)
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    points = np.array([(x + a * half_w, 0.0, max(0.4, z + b * half_d)) for a, b in corners])
    return camera.project(points)[0]


def paint_room(
    rng: np.random.Generator, camera: Camera, width_px: int, height_px: int
) -> tuple[Image, Wall]:
    """Paint the empty room, RGB (height, width, 3), and return its back wall.

    Args:
        rng: draws it.
        camera: sees it.
        width_px: of the image, pixels.
        height_px: of the image, pixels.
    """
    wall = Wall(
        depth_m=float(rng.uniform(4.1, 5.2)), colour=draw_colour(rng, (0.02, 0.4), (0.5, 0.95))
    )
    image: Image = np.empty((height_px, width_px, 3), np.uint8)
    image[:] = wall.colour
    _paint_wallpaper(rng, image, camera, wall)
    _paint_floor(rng, image, camera, wall)
    _paint_wall_things(rng, image, camera, wall)
    if rng.random() < 0.5:
        middle = (float(rng.uniform(-0.4, 0.4)), REFERENCE_DEPTH_M + float(rng.uniform(-0.2, 0.3)))
        size = (float(rng.uniform(1.2, 2.2)), float(rng.uniform(0.7, 1.2)))
        colour = draw_colour(rng, (0.1, 0.7), (0.3, 0.8))
        polygon(image, floor_rectangle(camera, middle, size), shade(colour, 0.8))
        inner = (size[0] * 0.86, size[1] * 0.8)
        polygon(image, floor_rectangle(camera, middle, inner), colour)
    return _roughen(rng, image), wall


def _paint_wallpaper(rng: np.random.Generator, image: Image, camera: Camera, wall: Wall) -> None:
    """Stripes, a dado, or nothing."""
    kind = rng.random()
    if kind < 0.3:
        pitch_m = float(rng.uniform(0.15, 0.5))
        tone = shade(wall.colour, float(rng.uniform(0.85, 0.95)))
        for x_m in np.arange(-4.0, 4.0, pitch_m):
            size = (pitch_m * 0.5, 6.0)
            polygon(image, wall.rectangle(camera, (float(x_m), 2.0), size), tone)
    elif kind < 0.5:
        tone = draw_colour(rng, (0.05, 0.5), (0.4, 0.85))
        height_m = float(rng.uniform(0.7, 1.2))
        polygon(image, wall.rectangle(camera, (0.0, height_m / 2), (12.0, height_m)), tone)


def _paint_floor(rng: np.random.Generator, image: Image, camera: Camera, wall: Wall) -> None:
    """Planks, tiles or carpet, and a skirting board."""
    if rng.random() < 0.6:
        colour = shade(_WOODS[int(rng.integers(len(_WOODS)))], float(rng.uniform(0.7, 1.2)))
    else:
        colour = draw_colour(rng, (0.0, 0.4), (0.25, 0.75))
    near, far = 0.6, wall.depth_m
    polygon(image, floor_rectangle(camera, (0.0, (near + far) / 2), (14.0, far - near)), colour)
    kind, pitch_m = rng.random(), float(rng.uniform(0.15, 0.5))
    for place in np.arange(-4.0, 4.0, pitch_m) if kind < 0.7 else ():
        tone = shade(colour, float(rng.uniform(0.88, 1.1)))
        middle, size = (float(place), (near + far) / 2), (pitch_m * 0.92, far - near)
        polygon(image, floor_rectangle(camera, middle, size), tone)
    for place in np.arange(near, far, pitch_m) if kind < 0.35 else ():
        line = floor_rectangle(camera, (0.0, float(place)), (14.0, 0.02))
        polygon(image, line, shade(colour, 0.8))
    skirting = shade(wall.colour, float(rng.uniform(0.6, 1.3)))
    polygon(image, wall.rectangle(camera, (0.0, 0.05), (14.0, 0.1)), skirting)


def _paint_wall_things(rng: np.random.Generator, image: Image, camera: Camera, wall: Wall) -> None:
    """A window, a door, pictures and shelves, each perhaps."""
    reach = 1.7
    if rng.random() < 0.5:
        middle = (float(rng.uniform(-reach, reach)), float(rng.uniform(1.4, 1.7)))
        size = (float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.8, 1.2)))
        polygon(
            image, wall.rectangle(camera, middle, (size[0] + 0.1, size[1] + 0.1)), (235, 235, 230)
        )
        polygon(
            image, wall.rectangle(camera, middle, size), draw_colour(rng, (0.05, 0.4), (0.75, 1.0))
        )
        polygon(image, wall.rectangle(camera, middle, (0.05, size[1])), (230, 230, 225))
    if rng.random() < 0.35:
        tone = shade(_WOODS[int(rng.integers(len(_WOODS)))], float(rng.uniform(0.8, 1.4)))
        middle_x = float(rng.uniform(-reach, reach))
        polygon(image, wall.rectangle(camera, (middle_x, 1.0), (0.95, 2.05)), shade(tone, 0.7))
        polygon(image, wall.rectangle(camera, (middle_x, 1.0), (0.84, 1.98)), tone)
    for _ in range(int(rng.integers(0, 4))):
        middle = (float(rng.uniform(-reach, reach)), float(rng.uniform(1.2, 1.9)))
        size = (float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.2, 0.5)))
        polygon(image, wall.rectangle(camera, middle, size), draw_colour(rng, (0, 0.5), (0.1, 0.5)))
        inner = (size[0] * 0.8, size[1] * 0.8)
        polygon(
            image, wall.rectangle(camera, middle, inner), draw_colour(rng, (0, 0.8), (0.4, 1.0))
        )
    if rng.random() < 0.3:
        middle_x, shelf_y = float(rng.uniform(-reach, reach)), float(rng.uniform(1.3, 1.8))
        polygon(image, wall.rectangle(camera, (middle_x, shelf_y), (0.9, 0.05)), (110, 80, 55))
        for book in range(6):
            tall = float(rng.uniform(0.15, 0.28))
            place = (middle_x - 0.35 + 0.12 * book, shelf_y + 0.025 + tall / 2)
            polygon(
                image,
                wall.rectangle(camera, place, (0.07, tall)),
                draw_colour(rng, (0.2, 0.9), (0.2, 0.9)),
            )


def _roughen(rng: np.random.Generator, image: Image) -> Image:
    """Give flat colours the unevenness of real surfaces."""
    height, width = image.shape[:2]
    gain = np.ones((height, width), np.float32)
    for cells, strength in ((6, 0.05), (28, 0.025)):
        grid = rng.normal(0.0, strength, (cells, cells)).astype(np.float32)
        gain += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    scaled = image.astype(np.float32) * gain[:, :, None]
    rough: Image = np.clip(scaled, 0, 255).astype(np.uint8)
    return rough


def draw_light(
    rng: np.random.Generator, width_px: int, height_px: int, difficulty: float
) -> NDArray[np.float32]:
    """Draw brightness, colour temperature, gradient and vignette, a gain (height, width, 3).

    Args:
        rng: draws it.
        width_px: of the image, pixels.
        height_px: of the image, pixels.
        difficulty: 0 (none) to 1 (much).
    """
    spread = 0.15 + 0.35 * difficulty
    level = float(np.exp(rng.uniform(-1.3, 0.5) * spread))
    warmth = float(rng.normal(0.0, 0.04 + 0.06 * difficulty))
    tint = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    slope_x, slope_y = rng.normal(0.0, 0.12 + 0.2 * difficulty, 2)
    x = np.linspace(-1, 1, width_px, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height_px, dtype=np.float32)[:, None]
    gradient = np.exp(slope_x * x + slope_y * y)
    vignette = 1 - float(rng.uniform(0, 0.2)) * (x * x + y * y) / 2
    gain: NDArray[np.float32] = (level * gradient * vignette)[:, :, None] * tint
    return np.ascontiguousarray(np.clip(gain, 0.25, 2.0).astype(np.float32))
