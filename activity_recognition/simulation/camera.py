"""A pinhole camera in a room, and the drawing of round and flat things through it.

World axes in metres: x to the right, y up from the floor, z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
"""RGB, 0-255."""

SHIFT = 4
"""Binary places of sub-pixel coordinates handed to OpenCV."""
REFERENCE_DEPTH_M = 3.2
"""Distance from the camera about which people move."""
_SUBPIXELS = 1 << SHIFT
_ARC = np.linspace(np.pi / 2, 3 * np.pi / 2, 8)
_ROUND_ENDS = np.concatenate(
    [
        np.stack([np.cos(_ARC), np.sin(_ARC)], axis=1),
        np.stack([-np.cos(_ARC), -np.sin(_ARC)], axis=1),
    ]
)
"""Outline of a bar along the first axis with both ends at 0, unit radius, (16, 2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Where the camera hangs and how it sees."""

    focal_px: float
    height_m: float
    pitch_rad: float
    """Downwards positive."""
    centre_px: tuple[float, float]

    def project(self, points_N3: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return pixel coordinates, (N, 2), and distances along the view, (N,), of world points."""
        rise = points_N3[:, 1] - self.height_m
        cosine, sine = np.cos(self.pitch_rad), np.sin(self.pitch_rad)
        depth = np.maximum(points_N3[:, 2] * cosine - rise * sine, 0.2)
        up = rise * cosine + points_N3[:, 2] * sine
        scale = self.focal_px / depth
        pixels = np.empty((len(points_N3), 2))
        pixels[:, 0] = self.centre_px[0] + points_N3[:, 0] * scale
        pixels[:, 1] = self.centre_px[1] - up * scale
        return pixels, depth


def draw_camera(rng: np.random.Generator, width_px: int, height_px: int, margin_px: int) -> Camera:
    """Draw a camera that sees a person at about ``REFERENCE_DEPTH_M`` from head to foot.

    The image it draws on is ``margin_px`` larger on every side than what is recorded.

    Args:
        rng: draws it.
        width_px: of the image, pixels.
        height_px: of the image, pixels.
        margin_px: by how much its image is larger on every side than what is recorded, pixels.
    """
    height_m = float(rng.uniform(0.8, 1.75))
    aim_m = float(rng.uniform(0.8, 0.95))
    return Camera(
        focal_px=height_px * float(rng.uniform(1.1, 1.4)),
        height_m=height_m,
        pitch_rad=float(np.arctan2(height_m - aim_m, REFERENCE_DEPTH_M)),
        centre_px=(
            margin_px + width_px * float(rng.uniform(0.46, 0.54)),
            margin_px + height_px * float(rng.uniform(0.47, 0.53)),
        ),
    )


def subpixels(points_N2: FloatArray) -> NDArray[np.int32]:
    """Return pixel coordinates as the integers that OpenCV draws at, (N, 2)."""
    return np.rint(points_N2 * _SUBPIXELS).astype(np.int32)


def polygon(image: Image, points_N2: FloatArray, colour: Colour) -> None:
    """Fill a convex polygon given in pixels.

    Args:
        image: RGB uint8 (height, width, 3), painted on.
        points_N2: corners, pixels.
        colour: RGB, 0 to 255.
    """
    fixed_polygon(image, subpixels(points_N2), colour)


def fixed_polygon(image: Image, points_N2: NDArray[np.int32], colour: Colour) -> None:
    """Fill a convex polygon given as ``subpixels`` returns it.

    Args:
        image: RGB uint8 (height, width, 3), painted on.
        points_N2: corners, as ``subpixels`` returns them.
        colour: RGB, 0 to 255.
    """
    cv2.fillConvexPoly(image, points_N2, colour, cv2.LINE_AA, SHIFT)


def disc(image: Image, centre_2: FloatArray, radius_px: float, colour: Colour) -> None:
    """Fill a circle given in pixels.

    Args:
        image: RGB uint8 (height, width, 3), painted on.
        centre_2: pixels.
        radius_px: pixels.
        colour: RGB, 0 to 255.
    """
    centre = (round(float(centre_2[0]) * _SUBPIXELS), round(float(centre_2[1]) * _SUBPIXELS))
    radius = max(1, round(radius_px * _SUBPIXELS))
    cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA, SHIFT)


def capsule(
    image: Image,
    start_2: FloatArray,
    end_2: FloatArray,
    radii_px: tuple[float, float],
    colour: Colour,
) -> None:
    """Fill a rounded, tapered bar between two points given in pixels.

    Args:
        image: RGB uint8 (height, width, 3), painted on.
        start_2: one end, pixels.
        end_2: the other end, pixels.
        radii_px: at the start and at the end, pixels.
        colour: RGB, 0 to 255.
    """
    along_x, along_y = float(end_2[0] - start_2[0]), float(end_2[1] - start_2[1])
    length = (along_x * along_x + along_y * along_y) ** 0.5
    if length < abs(radii_px[0] - radii_px[1]) + 1e-3:
        larger = start_2 if radii_px[0] > radii_px[1] else end_2
        disc(image, larger, max(radii_px), colour)
        return
    cosine, sine = along_x / length, along_y / length
    turn = np.array([[cosine, sine], [-sine, cosine]])
    outline = _ROUND_ENDS @ turn
    half = len(outline) // 2
    outline[:half] = outline[:half] * radii_px[0] + start_2
    outline[half:] = outline[half:] * radii_px[1] + end_2
    polygon(image, outline, colour)


@lru_cache(maxsize=16384)
def shade(colour: Colour, factor: float) -> Colour:
    """Return ``colour`` made darker (factor below 1) or lighter.

    Args:
        colour: RGB, 0 to 255.
        factor: of the brightness; below 1 is darker.
    """
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in colour)
    return red, green, blue


def draw_colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> Colour:
    """Draw a colour of any hue within ranges of saturation and value, both 0-1.

    Args:
        rng: draws it.
        saturation: range, within 0 to 1.
        value: range, within 0 to 1.
    """
    hue = float(rng.uniform(0, 6))
    strength, bright = float(rng.uniform(*saturation)), float(rng.uniform(*value))
    channels = []
    for offset in (5, 3, 1):
        position = (offset + hue) % 6
        weight = max(0.0, min(position, 4 - position, 1.0))
        channels.append(round(255 * bright * (1 - strength * weight)))
    return channels[0], channels[1], channels[2]
